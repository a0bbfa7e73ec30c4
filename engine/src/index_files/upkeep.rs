//! What is to be done about index files, once there is time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use quipu_disk::threads::Mutex;
use quipu_format::SegmentId;

use super::lost::LostEvents;
use crate::{Error, Result};

/// The list of what is to be done about index files. Only a store that is open for writing does anything.
#[derive(Default)]
pub(crate) struct Upkeep {
    state: Mutex<State>,
    /// Kept also where it cannot be written to.
    lost_events: LostEvents,
}

#[derive(Default)]
struct State {
    /// The store is open for writing.
    writing: bool,
    /// Indexes that were made from the log and stand in no file.
    unwritten: BTreeMap<SegmentId, Arc<[u8]>>,
    /// Those that are to stand in none.
    held: BTreeMap<SegmentId, Arc<[u8]>>,
    /// Segments that are not sealed and whose file failed a check.
    stale: BTreeSet<SegmentId>,
    /// Runs that failed a check and are not used any more.
    bad: Vec<RangeInclusive<SegmentId>>,
    /// Something went wrong: nothing more is tried before the next segment is sealed.
    resting: bool,
    /// Events are lost whose keys no index knows: no stream's head can be trusted.
    lost: Option<Error>,
    /// Segments with events whose ids nobody knows, each with the damage.
    ids_lost: BTreeMap<SegmentId, Error>,
}

impl State {
    /// Whether nothing is to be tried now. While heads are not known no file is made of what is: it would say so for
    /// ever.
    fn rests(&self) -> bool {
        self.resting || self.lost.is_some()
    }
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Write the index of a segment.
    Write(SegmentId, Arc<[u8]>),
    /// Remove a run.
    Remove(RangeInclusive<SegmentId>),
}

impl Upkeep {
    /// The store is open for writing: what is noted from now on is done.
    pub(crate) fn begin(&self) {
        self.state.lock().writing = true;
    }

    /// Whether the store is open for writing.
    pub(crate) fn is_writing(&self) -> bool {
        self.state.lock().writing
    }

    /// An index stands in no file.
    pub(crate) fn note_unwritten(&self, segment: SegmentId, bytes: Arc<[u8]>) {
        let mut state = self.state.lock();
        if state.writing {
            state.unwritten.insert(segment, bytes);
        }
    }

    /// An index is to stand in no file: it is used as long as the store is open.
    pub(crate) fn note_held(&self, segment: SegmentId, bytes: Arc<[u8]>) {
        let mut state = self.state.lock();
        if state.writing {
            state.held.insert(segment, bytes);
        }
    }

    /// The index of a segment that stands in no file.
    pub(crate) fn unwritten(&self, segment: SegmentId) -> Option<Arc<[u8]>> {
        let state = self.state.lock();
        state.unwritten.get(&segment).or_else(|| state.held.get(&segment)).cloned()
    }

    /// The file of a segment that is not sealed fails a check.
    pub(crate) fn note_stale(&self, segment: SegmentId) {
        self.state.lock().stale.insert(segment);
    }

    /// Whether the file of a segment that is not sealed is worth less than it looks.
    pub(crate) fn is_stale(&self, segment: SegmentId) -> bool {
        self.state.lock().stale.contains(&segment)
    }

    /// A run is not used any more.
    pub(crate) fn note_bad(&self, run: &RangeInclusive<SegmentId>) {
        let mut state = self.state.lock();
        if state.writing && !state.bad.contains(run) {
            state.bad.push(run.clone());
        }
    }

    /// Events are lost, and with them what is known of the last versions of streams.
    pub(crate) fn note_lost(&self, error: Error) {
        self.state.lock().lost.get_or_insert(error);
    }

    /// Whether the heads of all streams are known.
    ///
    /// # Errors
    /// The damage because of which they are not.
    pub(crate) fn heads_are_known(&self) -> Result<()> {
        self.state.lock().lost.clone().map_or(Ok(()), Err)
    }

    /// Events of a segment are lost, and with them their ids, which its index does not hold.
    pub(crate) fn note_ids_lost(&self, segment: SegmentId, error: Error) {
        self.state.lock().ids_lost.insert(segment, error);
    }

    /// Whether the index of a segment holds the ids of all events that it calls its own.
    ///
    /// # Errors
    /// The damage because of which it does not.
    pub(crate) fn ids_are_known(&self, segment: SegmentId) -> Result<()> {
        self.state.lock().ids_lost.get(&segment).cloned().map_or(Ok(()), Err)
    }

    /// Events whose keys no index knows any more.
    pub(crate) fn lost_events(&self) -> &LostEvents {
        &self.lost_events
    }

    /// What is to be done next.
    pub(crate) fn next(&self) -> Option<Task> {
        let state = self.state.lock();
        if state.rests() {
            return None;
        }
        let remove = state.bad.last().map(|run| Task::Remove(run.clone()));
        let unwritten = || state.unwritten.first_key_value();
        remove.or_else(|| unwritten().map(|(id, bytes)| Task::Write(*id, Arc::clone(bytes))))
    }

    /// It is done, or need not be done any more.
    pub(crate) fn done(&self, task: &Task) {
        let mut state = self.state.lock();
        match task {
            Task::Write(segment, _) => drop(state.unwritten.remove(segment)),
            Task::Remove(run) => state.bad.retain(|bad| bad != run),
        }
    }

    /// Whether nothing is to be tried now.
    pub(crate) fn is_resting(&self) -> bool {
        self.state.lock().rests()
    }

    /// Nothing more is tried for now.
    pub(crate) fn rest(&self) {
        self.state.lock().resting = true;
    }

    /// A segment was sealed: there may be room again.
    pub(crate) fn wake(&self) {
        self.state.lock().resting = false;
    }

    /// Takes over what another list says. Events that were lost before are lost still.
    pub(crate) fn adopt(&self, other: &Upkeep) {
        self.lost_events.adopt(&other.lost_events);
        *self.state.lock() = std::mem::take(&mut *other.state.lock());
    }
}

#[cfg(test)]
mod tests {
    use quipu_format::Position;
    use quipu_index::Way;

    use super::*;

    #[test]
    fn what_was_lost_before_a_late_recovery_is_lost_after_it() {
        let (before, after) = (Upkeep::default(), Upkeep::default());
        before.lost_events().note([Position(3)..Position(4)]);
        after.lost_events().note([Position(7)..Position(8)]);
        before.adopt(&after);
        let nearest = |target| before.lost_events().nearest(Position(target), Way::Forward);
        assert_eq!([0, 4].map(nearest), [3, 7].map(|position| Some(Position(position))));
    }
}
