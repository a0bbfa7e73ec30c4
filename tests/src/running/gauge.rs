//! What whoever reads must get and be told, event by event.

use std::collections::BTreeSet;

use quipu::Damage;

use super::ledger::Ledger;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::flips::asking::Choice;
use crate::history::Seen;

/// No damage concerns more positions than that.
const POSITIONS_MAX: u64 = 1 << 20;

/// In which direction is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Backward,
}

/// One who reads, from the first event to the last: what it was given and told so far.
#[derive(Clone, Debug)]
pub(super) struct Gauge {
    choice: Choice,
    way: Way,
    /// The position, or of a stream the version, at which it begins.
    from: u64,
    /// Positions below were visible as it was begun.
    bound: u64,
    /// The last event that it was given.
    reached: Option<u64>,
    /// What it was told to be lost.
    lost: BTreeSet<u64>,
}

impl Gauge {
    pub(super) fn new(choice: Choice, way: Way, from: u64, bound: u64) -> Gauge {
        Gauge { choice, way, from, bound, reached: None, lost: BTreeSet::new() }
    }

    /// Whether an event is one of those that it asks for, and has not come to.
    fn wants(&self, event: &Seen) -> bool {
        let begins = match self.choice {
            Choice::Stream(_) => event.version >= self.from,
            _ => event.position >= self.from,
        };
        let is_ahead = self.reached.is_none_or(|reached| match self.way {
            Way::Forward => event.position > reached,
            Way::Backward => event.position < reached,
        });
        begins && is_ahead && self.choice.has(event)
    }

    /// It was given an event: the next, but for those that it was told of.
    pub(super) fn given(&mut self, ledger: &Ledger, seen: &Seen) -> Checked {
        let written = ledger.events.get(seen.position as usize);
        ensure(written == Some(seen), Rule::Bytes, || {
            format!("{seen:?} came, {written:?} was written")
        })?;
        ensure(self.wants(seen), Rule::Selection, || {
            format!("{:?} {:?} from {}: {seen:?} came", self.choice, self.way, self.from)
        })?;
        ensure(!self.lost.contains(&seen.position), Rule::Reading, || {
            format!("{:?}: {} came, and was told to be lost", self.choice, seen.position)
        })?;
        let (at, bound) = (seen.position, self.bound);
        self.passed(ledger, |position| match self.way {
            Way::Forward => position < at,
            Way::Backward => position > at && position < bound,
        })?;
        self.reached = Some(at);
        Ok(())
    }

    /// It was told that events are lost, which may be only if they were harmed while it could notice.
    pub(super) fn told(
        &mut self,
        ledger: &Ledger,
        (harmed, pending): (&BTreeSet<u64>, u64),
        damage: &Damage,
    ) -> Checked {
        let positions = damage.positions.start.0..damage.positions.end.0;
        let few = positions.end.saturating_sub(positions.start) < POSITIONS_MAX;
        let made_up = positions.clone().find(|at| match at.checked_sub(ledger.next()) {
            // Of a commit whose outcome nobody knows.
            Some(behind) => behind >= pending,
            None => !harmed.contains(at),
        });
        ensure(few && made_up.is_none(), Rule::Reading, || {
            format!("{:?}: {made_up:?} is called lost: {damage:?}", self.choice)
        })?;
        let is_new = positions.is_empty() || positions.clone().any(|at| !self.lost.contains(&at));
        ensure(is_new, Rule::Stuck, || format!("{:?} is told twice: {damage:?}", self.choice))?;
        self.lost.extend(positions);
        Ok(())
    }

    /// It was told that there is no more, of so many events: then it has been given or told each.
    pub(super) fn ended(&self, ledger: &Ledger, next: u64) -> Checked {
        self.passed(ledger, |position| position < next)
    }

    /// It has been told of each event that it wants in this part.
    fn passed(&self, ledger: &Ledger, part: impl Fn(u64) -> bool) -> Checked {
        let mut wanted = ledger.events.iter().filter(|e| part(e.position) && self.wants(e));
        let silent = wanted.find(|event| !self.lost.contains(&event.position));
        silent.map_or(Ok(()), |event| {
            let Gauge { choice, way, from, reached, lost, .. } = self;
            let asked = format!("{choice:?} {way:?} from {from}, come to {reached:?}");
            let detail = format!("{asked}: nobody is told of {event:?}: {lost:?}");
            Err(Violation::new(Rule::Lost, detail))
        })
    }
}
