//! A store without threads, driven one step at a time: for simulators.
//!
//! It is the store's own pipeline, log and recovery; only the threads that call them are missing. The
//! caller decides what happens next, and so can interleave writers, committer and chores in any order,
//! and stop the power between any two of them.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quipu_disk::{Disk, Lock};
use quipu_format::Position;
use quipu_index::Keys;

use crate::directory::Directory;
use crate::draft::{Context, Draft};
use crate::ids::EventIds;
use crate::log::{Log, Placed, Unplaced};
use crate::open::{lock_directory, make_ready, segments_of};
use crate::pipeline::{Group, Job, Mark, Patience};
use crate::read::All;
use crate::recovery::Opening;
use crate::segments::Segments;
use crate::ticket::Ticket;
use crate::{Durability, Error, ExpectedVersion, NewEvent, Options, Result};

/// A store without threads.
pub struct Stepper {
    disk: Arc<dyn Disk>,
    log: Log,
    segments: Arc<Segments>,
    keys: Keys,
    ids: EventIds,
    opening: Opening,
    job: Mutex<Option<Job>>,
    _lock: Lock,
}

/// What came of giving a commit its place.
pub enum Step {
    /// It has its place; the bytes are still to be copied.
    Placed(Box<Copy>),
    /// There is no room at this moment.
    Busy,
    /// It is refused; the answer holds once the [`Answer`] is settled.
    Refused(Answer),
}

/// A refusal that may refer to a commit that is not visible yet.
pub struct Answer {
    error: Error,
    until: Option<(Arc<Group>, Durability)>,
}

impl Answer {
    /// What the answer will be, before it may be told.
    pub fn pending(&self) -> &Error {
        &self.error
    }

    /// The answer, once whatever it refers to is visible. It is the failure of the group if that
    /// failed.
    pub fn settled(&self) -> Option<Error> {
        match &self.until {
            None => Some(self.error.clone()),
            Some((group, durability)) => match group.reached(*durability)? {
                Ok(()) => Some(self.error.clone()),
                Err(failed) => Some(failed.not_written()),
            },
        }
    }
}

/// A writer's wait for room, from its first attempt at a commit to the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    patience: Patience,
}

/// What a writer appends to one stream.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The stream.
    pub stream: &'a str,
    /// What is expected of it.
    pub expected: ExpectedVersion,
    /// The events; none for a stream that is only checked.
    pub events: Vec<NewEvent<'a>>,
}

/// A commit that has its place and is not copied yet.
pub struct Copy {
    placed: Placed,
    draft: Draft<'static>,
}

impl Copy {
    /// Copies the commit to its place.
    pub fn finish(self) -> Ticket {
        self.placed.copy(&self.draft)
    }
}

impl Stepper {
    /// Opens a store for writing, creating it where there is none.
    ///
    /// # Errors
    /// As [`Builder::open`](crate::Builder::open).
    pub fn open(disk: Arc<dyn Disk>, path: &Path, options: &Options) -> Result<Stepper> {
        options.validate()?;
        let directory = Directory::new(path);
        let lock = lock_directory(&*disk, &directory, options)?;
        let ready = make_ready(&disk, &directory, options)?;
        let keys = Keys::new(ready.manifest.header().secret);
        let mut seed = [0; 16];
        disk.fill_random(&mut seed)
            .map_err(|error| Error::io("drawing random bytes for", path, error))?;
        let segments = Arc::new(segments_of(&ready));
        let opening = ready.opening.clone();
        let log = Log::new(Arc::clone(&disk), directory, ready, Arc::clone(&segments), options)?;
        let ids = EventIds::new(seed);
        Ok(Stepper { disk, log, segments, keys, ids, opening, job: Mutex::new(None), _lock: lock })
    }

    /// What opening found and did.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Gives a commit its place. Who finds the store busy tries again later with the same `waiting`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for arguments out of bounds.
    pub fn place(
        &self,
        parts: &[Part<'static>],
        durability: Durability,
        waiting: &mut Waiting,
    ) -> Result<Step> {
        let mut draft = Draft::new(durability);
        let context = Context { keys: &self.keys, ids: &self.ids, disk: &*self.disk };
        for Part { stream, expected, events } in parts {
            draft.append(&context, stream, *expected, events.iter().cloned())?;
        }
        let draft = draft.finish()?;
        Ok(match self.log.place(&draft, &mut waiting.patience) {
            Ok(placed) => Step::Placed(Box::new(Copy { placed, draft })),
            Err(Unplaced::Busy) => Step::Busy,
            Err(Unplaced::Refused(error, until)) => Step::Refused(Answer { error, until }),
        })
    }

    /// Takes the committer's next job, to be done by [`Stepper::finish_job`]. False if there is none,
    /// or one was taken before.
    pub fn take_job(&self) -> bool {
        let mut job = self.job.lock();
        if job.is_none() {
            *job = self.log.pipeline().take();
            return job.is_some();
        }
        false
    }

    /// Does the job that was taken. Every copy must be finished first, else this waits for ever.
    pub fn finish_job(&self) -> bool {
        let Some(job) = self.job.lock().take() else { return false };
        self.log.carry_out(job);
        true
    }

    /// Prepares or seals a segment, if that is due.
    pub fn chore(&self) -> bool {
        self.log.chore()
    }

    /// What the committer does after a while without work.
    pub fn idle(&self) {
        let mut pipeline = self.log.pipeline();
        if pipeline.is_unsynced() {
            pipeline.owe_sync();
        } else {
            pipeline.mark(Mark::Idle);
        }
    }

    /// All events that are visible.
    pub fn all(&self) -> All<'_> {
        All::new(&self.disk, &self.segments)
    }

    /// The position that the next event to become visible will get.
    pub fn next_position(&self) -> Position {
        self.segments.visible_position()
    }

    /// Number of segments that hold a part of the log: it grows by one with each roll.
    pub fn segments(&self) -> usize {
        self.segments.view().table.len()
    }

    /// Closes the store, which can still be read, and keeps its lock until dropped. Every copy and job
    /// must be finished.
    ///
    /// # Errors
    /// As [`Store::close`](crate::Store::close).
    pub fn close(&self) -> Result<()> {
        self.log.close();
        self.log.finish()
    }
}
