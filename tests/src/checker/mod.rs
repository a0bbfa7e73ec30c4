//! Judges a history by the promises of the store.
//!
//! The checker knows no store: it replays what was asked, and compares what was answered. Commits are
//! sequenced one at a time, so their order is known, and with it every position and version, also of
//! those that nobody was ever told of. A crash may take away an end of that order, never more than
//! what was not promised yet.
//!
//! Its work and memory are linear in the history, answers included, but for the logarithm that a search takes: an entry
//! has it look at what the entry tells of, and not at all that came before. `tests/work.rs` counts that.

mod following;
mod log;
mod looks;
mod postings;
mod retries;
mod selection;
#[cfg(test)]
mod tests;
mod unrecovered;
mod violation;

use std::collections::HashMap;

use quipu::{Durability, ExpectedVersion, Version};

use crate::history::{
    Commit, Crash, Entry, Follower, Outcome, Part, Question, Receipt, Seen, Stream,
};
use following::Following;
use log::Log;
pub use retries::{Standing, has_a_place, is_named};
pub use violation::{Rule, Violation, ensure};

/// The result of a check.
pub type Checked<T = ()> = Result<T, Violation>;

/// Judges a whole history of a store whose default durability is `store`.
///
/// # Errors
/// The first violation.
pub fn check(store: Durability, history: &[Entry]) -> Checked {
    let mut checker = Checker::new(store);
    history.iter().try_for_each(|entry| checker.record(entry))
}

/// A replay of a history, entry by entry.
#[derive(Clone, Debug)]
pub struct Checker {
    store: Durability,
    log: Log,
    /// Conflicts that were not told yet, each with the position that must be visible by then.
    conflicts: HashMap<Commit, Option<u64>>,
    /// What must be found after a power cut, and after a kill: positions below.
    durable: u64,
    written: u64,
    /// The bound of readers, as last seen in this life.
    visible: u64,
    /// Whoever follows the store in this life.
    followers: HashMap<Follower, Following>,
    /// The store is open.
    is_open: bool,
    /// It was open before.
    exists: bool,
    /// It finds events by their ids.
    knows_ids: bool,
    /// What the last recovery found that was made up for: positions below.
    made_up: Option<u64>,
}

impl Checker {
    /// Nothing has happened to a store with this default durability.
    #[must_use]
    pub fn new(store: Durability) -> Checker {
        Checker {
            store,
            log: Log::default(),
            conflicts: HashMap::new(),
            durable: 0,
            written: 0,
            visible: 0,
            followers: HashMap::new(),
            is_open: false,
            exists: false,
            knows_ids: false,
            made_up: None,
        }
    }

    /// The store is one that looks for the ids of a commit in all of its segments.
    #[must_use]
    pub fn knowing_ids(self) -> Checker {
        Checker { knows_ids: true, ..self }
    }

    /// The last version of a stream once all that was sequenced is there.
    #[must_use]
    pub fn head(&self, stream: Stream) -> Option<u64> {
        self.log.head(stream).map(|(version, _)| version)
    }

    /// The position that the next commit gets.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.log.len()
    }

    /// What must be found after a power cut: positions below.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether everything that was sequenced and is not gone are exactly these events.
    #[must_use]
    pub fn is_exactly(&self, events: &[Seen]) -> bool {
        events.len() as u64 == self.log.len() && self.log.begins_with(events)
    }

    /// Whether the last recovery that was made up for has found exactly these events.
    #[must_use]
    pub fn has_recovered(&self, events: &[Seen]) -> bool {
        self.made_up == Some(events.len() as u64) && self.log.begins_with(events)
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn record(&mut self, entry: &Entry) -> Checked {
        let is_down =
            matches!(entry, Entry::Opened { .. } | Entry::Postponed { .. } | Entry::Shown { .. });
        let is_both = matches!(entry, Entry::Glimpsed { .. });
        ensure(is_both || is_down != self.is_open, Rule::Nonsense, || {
            format!("{entry:?} while the store is{} open", if is_down { "" } else { " not" })
        })?;
        match entry {
            Entry::Opened { created, visible, events } => self.opened(*created, *visible, events),
            Entry::Postponed { visible, events, writer } => {
                self.postponed(*visible, events, *writer)
            }
            Entry::Recovered { visible } => self.recovered(*visible),
            Entry::Placed { commit, parts, condition } => {
                self.allowed(*commit, condition.as_ref())?;
                self.placed(*commit, parts)
            }
            Entry::Repeated { parts, durability, receipt, visible } => {
                self.repeated(parts, *durability, receipt, *visible)
            }
            Entry::Overlaps { commit, parts, position } => self.overlaps(*commit, parts, *position),
            Entry::Declined { commit, parts, durability } => {
                self.declined(*commit, parts, *durability)
            }
            Entry::Barred { commit, parts, condition, position } => {
                self.is_no_retry(*commit, parts)?;
                self.barred(*commit, condition, *position)
            }
            Entry::Selected { question, visible, events } => {
                self.selected(question, *visible, events)
            }
            Entry::Acknowledged { commit, durability, receipt, visible } => {
                self.acknowledged(*commit, *durability, receipt, *visible)
            }
            Entry::Failed { commit, outcome } => self.failed(*commit, *outcome),
            Entry::Conflict { commit, parts, stream, expected, actual } => {
                self.refused(*commit, parts, (*stream, *expected, *actual))
            }
            Entry::Told { commit, visible } => self.told(*commit, *visible),
            Entry::Looked { visible } => self.looked(*visible),
            Entry::Read { from, visible, events } => self.read(*from, *visible, events),
            Entry::Follows { follower, selection, from, visible } => {
                self.follows(*follower, selection, *from, *visible)
            }
            Entry::Delivered { follower, visible, event } => {
                self.delivered(*follower, *visible, event)
            }
            Entry::CaughtUp { follower, visible } => self.caught_up(*follower, *visible),
            Entry::Shown { from, events, writer } => self.shown(*from, events, *writer),
            Entry::Glimpsed { from, events, asked } => self.glimpsed(*from, events, asked.as_ref()),
            Entry::Closed => self.closed(),
            Entry::Crashed(crash) => {
                self.crashed(*crash);
                Ok(())
            }
        }
    }

    fn placed(&mut self, commit: Commit, parts: &[Part]) -> Checked {
        for Part { stream, expected, .. } in parts {
            let last = self.head(*stream);
            ensure(expected.holds(last.map(Version)), Rule::Expectation, || {
                format!("commit {commit} expected {expected} of stream {stream}, which is {last:?}")
            })?;
        }
        self.log.push(commit, parts)
    }

    fn acknowledged(
        &mut self,
        commit: Commit,
        durability: Durability,
        receipt: &Receipt,
        visible: u64,
    ) -> Checked {
        let placed = self.log.known(commit)?;
        let last = self.log.last_of(placed.end);
        let version = last.map(|event| event.version);
        let agrees = receipt.first_position == placed.first
            && receipt.position + 1 == placed.end
            && Some(receipt.version) == version;
        ensure(agrees, Rule::Receipt, || {
            format!("commit {commit} is {placed:?} with version {version:?}, not {receipt:?}")
        })?;
        self.log.note_time(commit, receipt.recorded)?;
        self.looked(visible)?;
        let promised = self.store == Durability::Os || durability == Durability::Sync;
        ensure(!promised || visible >= placed.end, Rule::Unreadable, || {
            format!("commit {commit} ends at {}, readers see up to {visible}", placed.end)
        })?;
        self.written = self.written.max(placed.end);
        if durability == Durability::Sync {
            self.durable = self.durable.max(placed.end);
        }
        Ok(())
    }

    fn failed(&mut self, commit: Commit, outcome: Outcome) -> Checked {
        let placed = self.log.known(commit)?;
        if outcome == Outcome::NotWritten {
            ensure(self.visible <= placed.first, Rule::Unwritten, || {
                format!("commit {commit} at {} is visible and not written", placed.first)
            })?;
            self.log.note_unwritten(commit, placed);
        }
        Ok(())
    }

    fn refused(
        &mut self,
        commit: Commit,
        parts: &[Part],
        (stream, expected, actual): (Stream, ExpectedVersion, Option<u64>),
    ) -> Checked {
        self.is_no_retry(commit, parts)?;
        let head = self.log.head(stream);
        let asked = parts.iter().any(|part| (part.stream, part.expected) == (stream, expected));
        let is_true = actual == head.map(|(version, _)| version);
        ensure(asked && is_true && !expected.holds(actual.map(Version)), Rule::Conflict, || {
            format!("commit {commit}: stream {stream} at {actual:?} against {expected}, {head:?}")
        })?;
        self.conflicts.insert(commit, head.map(|(_, position)| position));
        Ok(())
    }

    fn told(&mut self, commit: Commit, visible: u64) -> Checked {
        self.looked(visible)?;
        let Some(refers_to) = self.conflicts.remove(&commit) else {
            return Err(Violation::new(Rule::Nonsense, format!("no conflict of commit {commit}")));
        };
        ensure(refers_to.is_none_or(|position| position < visible), Rule::Told, || {
            format!("commit {commit} conflicts with {refers_to:?}, readers see up to {visible}")
        })
    }

    fn looked(&mut self, visible: u64) -> Checked {
        ensure((self.visible..=self.log.len()).contains(&visible), Rule::Watermark, || {
            format!("visible is {visible}, was {} of {}", self.visible, self.log.len())
        })?;
        ensure(self.log.is_boundary(visible), Rule::Torn, || {
            format!("readers see up to {visible}, in the middle of a commit")
        })?;
        self.visible = visible;
        // What somebody could read is promised as much as what somebody was told.
        self.written = self.written.max(visible);
        if self.store == Durability::Sync {
            self.durable = self.durable.max(visible);
        }
        Ok(())
    }

    fn read(&mut self, from: u64, visible: u64, events: &[Seen]) -> Checked {
        ensure(visible <= self.visible, Rule::Nonsense, || "a cursor of the future".to_owned())?;
        self.log.compare(from, events)?;
        let wanted = visible.saturating_sub(from);
        ensure(events.len() as u64 == wanted, Rule::Reading, || {
            format!("{} events from {from}, where {visible} is visible", events.len())
        })
    }

    fn closed(&mut self) -> Checked {
        self.durable = self.log.len();
        self.written = self.log.len();
        self.is_open = false;
        let unwritten = self.log.first_unwritten();
        ensure(unwritten.is_none(), Rule::Poison, || "a poisoned store closed in order".to_owned())
    }

    fn crashed(&mut self, crash: Crash) {
        if crash == Crash::PowerCut {
            self.written = self.durable;
        }
        self.is_open = false;
    }

    /// The store is down and its power went off once more.
    pub fn cut_again(&mut self) {
        self.written = self.durable;
    }

    fn opened(&mut self, created: bool, visible: u64, events: &[Seen]) -> Checked {
        ensure(!(created && self.exists), Rule::Recreated, || {
            format!("the store was created anew; {} events are gone", self.log.len())
        })?;
        let found = self.found(events)?;
        ensure(found == visible, Rule::Reading, || format!("{found} events, {visible} visible"))?;
        self.settled(found)?;
        self.begin_life();
        Ok(())
    }

    /// A recovery has found all before this position, and nothing else will ever be found.
    fn settled(&mut self, found: u64) -> Checked {
        self.log.give_up_from(found);
        let unwritten = self.log.first_unwritten();
        ensure(unwritten.is_none(), Rule::Unwritten, || format!("{unwritten:?} was found"))?;
        (self.durable, self.written, self.visible) = (found, found, found);
        Ok(())
    }

    fn begin_life(&mut self) {
        // To clear them costs as much as the room that they ever had.
        (self.conflicts, self.followers) = (HashMap::new(), HashMap::new());
        (self.is_open, self.exists) = (true, true);
    }

    /// What was found is what was sequenced, whole, and all that was promised. Gives the position after its last event.
    fn found(&mut self, events: &[Seen]) -> Checked<u64> {
        let found = self.whole(0, events)?;
        ensure(found >= self.written, Rule::Lost, || {
            format!("{found} events were found, {} were promised", self.written)
        })?;
        Ok(found)
    }

    /// The same, from a position on and wherever it ends.
    fn whole(&mut self, from: u64, events: &[Seen]) -> Checked<u64> {
        self.log.compare(from, events)?;
        let found = from + events.len() as u64;
        ensure(self.log.is_boundary(found), Rule::Torn, || {
            format!("{found} events were found: the last commit is not whole")
        })?;
        Ok(found)
    }

    /// Whoever reads between two calls sees whole commits. They are there for good where only what is durable is
    /// shown; else until the power goes off, because the one who has written them may have said so before it died.
    fn glimpsed(
        &mut self,
        from: u64,
        events: &[Seen],
        asked: Option<&(Question, Vec<Seen>)>,
    ) -> Checked {
        self.log.compare(from, events)?;
        let seen = from + events.len() as u64;
        ensure(self.log.is_boundary(seen), Rule::Torn, || {
            format!("{seen} events were seen in between: the last commit is not whole")
        })?;
        self.written = self.written.max(seen);
        if self.store == Durability::Sync {
            self.durable = self.durable.max(seen);
        }
        asked.map_or(Ok(()), |(question, events)| self.answered(question, seen, events))
    }
}
