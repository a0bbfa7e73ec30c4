//! Retries: a commit that is there is never taken again, and never refused where it can be known again.

use std::collections::HashSet;

use quipu::{Durability, ExpectedVersion};

use super::looks::look;
use super::{Checked, Checker, Rule, Violation, ensure};
use crate::content::UNNAMED;
use crate::history::{Commit, Part, Receipt, Stream};

/// Where the events of a commit stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None of them is there.
    Nowhere,
    /// Some of them are, and not as the commit would have them.
    Apart,
    /// They stand as the commit would have them: from the first position up to before the second.
    Whole(u64, u64),
}

/// Whether a retry of a commit with these parts can be known by where it expects to stand: it has events in a stream of
/// which some part of it says where that ends. All its events have ids.
#[must_use]
pub fn has_a_place(parts: &[Part]) -> bool {
    let is_exact = |part: &&Part| {
        look();
        matches!(part.expected, ExpectedVersion::NoStream | ExpectedVersion::Exact(_))
    };
    let ends: HashSet<Stream> = parts.iter().filter(is_exact).map(|part| part.stream).collect();
    parts.iter().any(|part| !part.events.is_empty() && ends.contains(&part.stream))
}

/// Whether all events of a commit were sent with an id: without, it cannot be known again.
#[must_use]
pub fn is_named(parts: &[Part]) -> bool {
    parts.iter().flat_map(|part| &part.events).all(|event| event.id & UNNAMED == 0)
}

impl Checker {
    /// Where the events of a commit stand, which has some.
    #[must_use]
    pub fn standing(&self, parts: &[Part]) -> Standing {
        let places = || {
            let events = parts.iter().flat_map(|part| &part.events);
            events.map(|event| self.log.place(event.id))
        };
        let Some(first) = places().flatten().next() else { return Standing::Nowhere };
        let follow = (first..).zip(places()).all(|(wanted, place)| place == Some(wanted));
        let end = first + places().count() as u64;
        if follow { Standing::Whole(first, end) } else { Standing::Apart }
    }

    /// Whether the store knows such a commit again.
    fn is_known_again(&self, parts: &[Part]) -> bool {
        is_named(parts) && (self.knows_ids || has_a_place(parts))
    }

    /// A commit was refused by what is there. It must not be that commit itself, nor a part of it where the store looks
    /// for ids.
    pub(super) fn is_no_retry(&self, commit: Commit, parts: &[Part]) -> Checked {
        let standing = self.standing(parts);
        let is_wrong = match standing {
            Standing::Nowhere => false,
            Standing::Apart => self.knows_ids && is_named(parts),
            Standing::Whole(..) => self.is_known_again(parts),
        };
        ensure(!is_wrong, Rule::Repeat, || {
            format!("commit {commit} is refused, and its events are there: {standing:?}")
        })
    }

    /// A commit was refused because of one of its events, which is there.
    pub(super) fn overlaps(&mut self, commit: Commit, parts: &[Part], position: u64) -> Checked {
        let mut events = parts.iter().flat_map(|part| &part.events);
        let is_there = events.any(|event| self.log.place(event.id) == Some(position));
        let standing = self.standing(parts);
        ensure(is_there && standing == Standing::Apart, Rule::Repeat, || {
            format!("commit {commit} is said to overlap at {position}: {standing:?}")
        })?;
        self.conflicts.insert(commit, Some(position));
        Ok(())
    }

    /// A commit was refused for want of room, or because nothing is written any more. One that is there as it should be
    /// needs none of that.
    pub(super) fn declined(
        &self,
        commit: Commit,
        parts: &[Part],
        durability: Durability,
    ) -> Checked {
        let Standing::Whole(_, end) = self.standing(parts) else { return Ok(()) };
        let settled = match durability {
            Durability::Sync => self.durable.min(self.visible),
            Durability::Os => self.visible,
        };
        ensure(end > settled || !self.is_known_again(parts), Rule::Repeat, || {
            format!("commit {commit} is declined, and is there: it ends at {end} of {settled}")
        })
    }

    /// A commit was answered as one that was taken before.
    pub(super) fn repeated(
        &mut self,
        parts: &[Part],
        durability: Durability,
        receipt: &Receipt,
        visible: u64,
    ) -> Checked {
        let standing = self.standing(parts);
        let (Standing::Whole(first, end), true) = (standing, is_named(parts)) else {
            let detail = format!("a retry of {parts:?} was told it is there: {standing:?}");
            return Err(Violation::new(Rule::Repeat, detail));
        };
        let version = self.log.last_of(end).map(|event| event.version);
        let same = receipt.first_position == first
            && receipt.position + 1 == end
            && Some(receipt.version) == version;
        ensure(same, Rule::Repeat, || {
            format!("a retry of {first}..{end} with version {version:?} got {receipt:?}")
        })?;
        (first..end).try_for_each(|at| self.log.note_time_at(at, receipt.recorded))?;
        self.looked(visible)?;
        if durability == Durability::Sync {
            self.durable = self.durable.max(end);
        }
        ensure(visible >= end, Rule::Unreadable, || {
            format!("a retry of {first}..{end} is answered, readers see up to {visible}")
        })
    }
}
