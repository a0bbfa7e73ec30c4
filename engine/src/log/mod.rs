//! The log: the commit pipeline joined to files.
//!
//! This is the whole write path without a thread of its own: [`Log::place`] gives a commit its place,
//! [`Log::step`] does one job of the committer, [`Log::chore`] one of the work behind it. Threads call
//! them in the real store; the simulator calls them one by one, in any order.

mod admit;
mod chores;
mod counters;
mod indexing;
mod jobs;
mod locked;
mod retry;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::threads::{Condvar, Mutex};
use quipu_disk::{Access, Disk, File};
use quipu_format::checksum::Place;
use quipu_format::manifest::Edit;
use quipu_format::{SegmentId, Timestamp, Version};
use quipu_index::StreamHead;

use crate::directory::Directory;
use crate::draft::Draft;
use crate::find;
use crate::live::Teller;
use crate::manifest::Manifest;
use crate::outline::Posted;
use crate::pipeline::{Guard, Mark, Patience, Pipeline, Refusal, Sequenced, Settings, Slot, Until};
use crate::plant::{self, Bug};
use crate::recovery::{self, Ready};
use crate::segments::Segments;
use crate::ticket::Ticket;
use crate::{Error, ErrorKind, Options, Result};

pub(crate) use admit::Admitted;
use counters::{Counters, count};
pub(crate) use jobs::Left;
pub(crate) use locked::Locked;

/// The write side of a store.
pub(crate) struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    directory: Directory,
    pipeline: Mutex<Pipeline>,
    /// Callers that wait for room.
    room: Condvar,
    /// The committer's thread, when it has nothing to do.
    work: Condvar,
    /// The thread for chores, when it has nothing to do.
    chores: Condvar,
    manifest: Mutex<Manifest>,
    /// Descriptors of the segments being written; only the committer and the sealer use them.
    writers: Mutex<BTreeMap<SegmentId, Arc<dyn File>>>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) counters: Counters,
    /// Tells readers in other processes.
    teller: Teller,
    /// How many of the last segments are searched for ids.
    id_segments: u32,
}

/// A commit that has its place in the log and is not copied there yet.
pub(crate) struct Placed {
    slot: Slot,
    place: Place,
    posted: Arc<Posted>,
    pub(crate) ticket: Ticket,
}

/// Why a commit has no place.
pub(crate) enum Unplaced {
    /// There is no room at this moment.
    Busy,
    /// Heads must be looked up first, outside the lock.
    Unresolved(u64),
    /// What it is guarded by was looked at too long ago.
    Stale,
    /// It will not be placed; whoever is told waits first until what the answer refers to is visible.
    Refused(Error, Until),
}

impl Log {
    /// A log that goes on where recovery left off.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: Directory,
        ready: Ready,
        segments: Arc<Segments>,
        options: &Options,
    ) -> Result<Log> {
        let active = ready.start.tail.segment.id;
        let path = directory.segment(active);
        let writer =
            disk.open(&path, Access::Write).map_err(|error| Error::io("opening", &path, error))?;
        let settings = Settings {
            durability: options.durability,
            buffer_bytes: options.buffer_bytes,
            buffers: options.buffers,
            segment_sizes: options.segment_sizes(),
            segment_keys_max: options.segment_keys_max,
        };
        let pipeline = Pipeline::new(&ready.start, settings);
        let teller = Teller::start(&disk, &directory, ready.start.epoch, pipeline.progressed());
        Ok(Log {
            disk,
            directory,
            pipeline: Mutex::new(pipeline),
            room: Condvar::new(),
            work: Condvar::new(),
            chores: Condvar::new(),
            manifest: Mutex::new(ready.manifest),
            writers: Mutex::new(BTreeMap::from([(active, writer)])),
            segments,
            counters: Counters::new(options.slow_sync),
            teller,
            id_segments: options.id_segments,
        })
    }

    /// Gives a commit its place in the log, without waiting for anything.
    pub(crate) fn place(
        &self,
        draft: &mut Draft<'_>,
        guard: Option<&Guard>,
        patience: &mut Patience,
    ) -> std::result::Result<Placed, Unplaced> {
        loop {
            let placed = self.place_locked(&mut self.pipeline(), draft, guard, patience);
            match placed {
                Err(Unplaced::Unresolved(generation)) => self.resolve(draft, generation)?,
                settled => return settled,
            }
        }
    }

    /// Looks up the heads of a draft's streams that are not tentative, outside the lock.
    fn resolve(&self, draft: &mut Draft<'_>, generation: u64) -> std::result::Result<(), Unplaced> {
        let view = self.segments.view();
        for stream in &mut draft.streams {
            let head =
                find::head(&view, stream.key).map_err(|error| Unplaced::Refused(error, None))?;
            stream.known = head.and_then(|head| {
                let version = Version(head.count.checked_sub(1)?);
                Some(StreamHead { version, position: head.position })
            });
        }
        // Looking may have found out that they are not.
        let known = self.segments.upkeep.heads_are_known();
        if !plant::is_in(Bug::UnknownHeadBelieved) {
            known.map_err(|error| Unplaced::Refused(error, None))?;
        }
        draft.resolved = Some(generation);
        Ok(())
    }

    fn place_locked(
        &self,
        pipeline: &mut Pipeline,
        draft: &Draft<'_>,
        guard: Option<&Guard>,
        patience: &mut Patience,
    ) -> std::result::Result<Placed, Unplaced> {
        let now = Timestamp(i64::try_from(self.disk.now()).unwrap_or(i64::MAX));
        let sequenced = pipeline.sequence(draft, guard, now, patience);
        if pipeline.chore_ready() {
            self.chores.notify_one();
        }
        match sequenced {
            Ok(sequenced) => Ok(self.placed(draft, sequenced)),
            Err(Refusal::Wait) => Err(Unplaced::Busy),
            Err(Refusal::Full(error) | Refusal::Over(error)) => Err(Unplaced::Refused(error, None)),
            Err(Refusal::Unresolved(generation)) => Err(Unplaced::Unresolved(generation)),
            Err(Refusal::Stale) => Err(Unplaced::Stale),
            Err(Refusal::Conflict(error, _)) if plant::is_in(Bug::RefusedEarly) => {
                Err(Unplaced::Refused(error, None))
            }
            Err(Refusal::Conflict(error, group)) => Err(Unplaced::Refused(error, group)),
        }
    }

    fn placed(&self, draft: &Draft<'_>, sequenced: Sequenced) -> Placed {
        count(&self.counters.commits, 1);
        count(&self.counters.events, u64::from(draft.events()));
        let Sequenced { slot, group, place, posted } = sequenced;
        let ticket = Ticket::new(draft, group, &posted);
        Placed { slot, place, posted, ticket }
    }

    /// As [`Log::place`], and waits for room. The wait ends by itself: the committer frees buffers and
    /// the chores' thread makes segments.
    pub(crate) fn place_waiting(
        &self,
        draft: &mut Draft<'_>,
        guard: Option<&Guard>,
    ) -> std::result::Result<Placed, Unplaced> {
        let mut patience = Patience::default();
        let mut pipeline = self.pipeline();
        loop {
            match self.place_locked(&mut pipeline, draft, guard, &mut patience) {
                Err(Unplaced::Busy) => {
                    count(&self.counters.waits, 1);
                    self.work.notify_one();
                    pipeline.wait(&self.room);
                }
                Err(Unplaced::Unresolved(generation)) => {
                    drop(pipeline);
                    self.resolve(draft, generation)?;
                    pipeline = self.pipeline();
                }
                settled => return settled,
            }
        }
    }

    /// Takes no more commits. What has its place is still written.
    pub(crate) fn close(&self) {
        self.pipeline().close();
        self.room.notify_all();
        self.work.notify_all();
        self.chores.notify_all();
    }

    /// The last steps of closing, once nothing else drives the log: everything durable, a mark that
    /// says so, rolled segments sealed, the prepared one removed, and the close noted.
    pub(crate) fn finish(&self) -> Result<()> {
        // A sync can be owed only to what is written, and the mark calls durable only what is synced before it.
        while self.step() {}
        self.pipeline().owe_sync();
        while self.step() {}
        self.pipeline().mark(Mark::Closed);
        while self.step() {}
        while self.log_chore() || self.keep_up() {}
        let (unused, end, next_position, last_time) = {
            let mut pipeline = self.pipeline();
            if let Some(error) = pipeline.poison() {
                return Err(error.not_written());
            }
            let (end, next_position) = pipeline.end();
            if pipeline.progressed().durable != end {
                let detail = "closing: not everything has become durable";
                return Err(Error::new(ErrorKind::Unknown, detail));
            }
            (pipeline.take_unused(), end, next_position, pipeline.last_time())
        };
        self.save_index(end, last_time)?;
        let mut edits: Vec<Edit> =
            unused.iter().map(|&segment| Edit::Retired { segment }).collect();
        edits.push(Edit::Closed { end, next_position });
        self.manifest.lock().add(&edits)?;
        recovery::remove_segments(&*self.disk, &self.directory, &unused)
    }

    /// Tells readers in other processes nothing any more: the store is closed.
    pub(crate) fn fall_silent(&self) {
        self.teller.stop();
    }

    /// Waits until the committer may have something to do, or for this long.
    pub(crate) fn wait_for_work(&self, pipeline: &mut Locked<'_>, most: Option<Duration>) -> bool {
        match most {
            Some(most) => pipeline.wait_for(&self.work, most),
            None => {
                pipeline.wait(&self.work);
                false
            }
        }
    }

    /// Waits until there may be a chore.
    pub(crate) fn wait_for_chore(&self, pipeline: &mut Locked<'_>) {
        pipeline.wait(&self.chores);
    }

    /// Wakes the committer's thread if it sleeps.
    pub(crate) fn call_committer(&self) {
        self.work.notify_one();
    }
}

impl Placed {
    /// Copies the commit into its place, outside every lock. From here on it is on its way.
    pub(crate) fn copy(self, draft: &Draft<'_>) -> Ticket {
        let Placed { slot, place, posted, ticket } = self;
        slot.fill(|frame| draft.settle(frame, place, &posted.first_versions));
        ticket
    }
}
