//! A store without threads, driven one step at a time: for simulators.
//!
//! It is the store's own pipeline, log and recovery; only the threads that call them are missing. The
//! caller decides what happens next, and so can interleave writers, committer and chores in any order,
//! and stop the power between any two of them.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use quipu_disk::threads::Mutex;
use quipu_disk::{Disk, Lock};
use quipu_format::{Position, Version};
use quipu_index::StreamHead;

use crate::directory::Directory;
use crate::draft::{Context, Draft};
use crate::follow::Ending;
use crate::ids::EventIds;
use crate::late::{Late, Unrecovered, read_unrecovered};
use crate::log::{Admitted, Log, Placed};
use crate::open::{lock_directory, make_ready, segments_of};
use crate::pipeline::{Group, Job, Mark, Patience};
use crate::read::{Selected, Selection, Stream, Streams};
use crate::recovery::Opening;
use crate::segments::Segments;
use crate::ticket::Ticket;
use crate::{
    AppendCondition, Durability, Error, ErrorKind, ExpectedVersion, NewEvent, Options, Query,
    Result,
};

/// A store without threads.
pub struct Stepper {
    disk: Arc<dyn Disk>,
    directory: Directory,
    options: Options,
    /// The write side; missing while the store could not be recovered for want of room.
    log: OnceLock<Log>,
    late: Late,
    segments: Arc<Segments>,
    ids: EventIds,
    opening: Opening,
    job: Mutex<Option<Job>>,
    _lock: Lock,
}

/// What came of giving a commit its place.
pub enum Step {
    /// It has its place; the bytes are still to be copied.
    Placed(Box<Copy>),
    /// It was taken before; the ticket says when the answer may be told.
    Repeated(Ticket),
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
    /// Opens a store for writing, creating it where there is none. Where there is no room to recover it, it is read until
    /// a commit finds some.
    ///
    /// # Errors
    /// As [`Builder::open`](crate::Builder::open).
    pub fn open(disk: Arc<dyn Disk>, path: &Path, options: &Options) -> Result<Stepper> {
        options.validate()?;
        let directory = Directory::new(path);
        let lock = lock_directory(&*disk, &directory, options)?;
        let ready = make_ready(&disk, &directory, options);
        let mut seed = [0; 16];
        disk.fill_random(&mut seed)
            .map_err(|error| Error::io("drawing random bytes for", path, error))?;
        let log = OnceLock::new();
        let (segments, opening) = match ready {
            Ok(ready) => {
                let segments = segments_of(&disk, &ready, options)?;
                let opening = ready.opening.clone();
                let (disk, directory) = (Arc::clone(&disk), directory.clone());
                let started = Log::new(disk, directory, ready, Arc::clone(&segments), options)?;
                log.get_or_init(|| started);
                (segments, opening)
            }
            Err(full) if full.kind() == ErrorKind::Full => {
                read_unrecovered(&disk, &directory, options, &full)?
            }
            Err(error) => return Err(error),
        };
        Ok(Stepper {
            disk,
            directory,
            options: options.clone(),
            log,
            late: Late::default(),
            segments,
            ids: EventIds::new(seed),
            opening,
            job: Mutex::new(None),
            _lock: lock,
        })
    }

    /// Whether the store can be written: it had room to be recovered.
    pub fn is_recovered(&self) -> bool {
        self.log.get().is_some()
    }

    /// The write side, for which the store may have to be recovered first.
    fn log(&self) -> Result<&Log> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let Stepper { disk, directory, options, segments, .. } = self;
        let unrecovered = Unrecovered { disk, directory, options, segments };
        self.late.recover(&unrecovered, &self.log, |ready| {
            Log::new(Arc::clone(disk), directory.clone(), ready, Arc::clone(segments), options)
        })
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
        condition: Option<&AppendCondition>,
        durability: Durability,
        waiting: &mut Waiting,
    ) -> Result<Step> {
        let log = match self.log() {
            Ok(log) => log,
            Err(error) => return Ok(Step::Refused(Answer { error, until: None })),
        };
        let mut draft = Draft::new(durability);
        let keys = &self.segments.shelf.keys;
        let index_ids = self.options.id_segments > 0;
        let context = Context { keys, ids: &self.ids, disk: &*self.disk, index_ids };
        for Part { stream, expected, events } in parts {
            draft.append(&context, stream, *expected, events.iter().cloned())?;
        }
        let mut draft = draft.finish()?;
        draft.condition = condition.cloned();
        let admitted = log
            .admit(&mut draft, &mut |draft, guard| log.place(draft, guard, &mut waiting.patience));
        Ok(match admitted {
            Ok(Admitted::Placed(placed)) => Step::Placed(Box::new(Copy { placed, draft })),
            Ok(Admitted::Repeated(ticket)) => Step::Repeated(ticket),
            Ok(Admitted::Refused(error, until)) => Step::Refused(Answer { error, until }),
            Err(error) if error.kind() == ErrorKind::Busy => Step::Busy,
            Err(error) => Step::Refused(Answer { error, until: None }),
        })
    }

    /// Takes the committer's next job, to be done by [`Stepper::finish_job`]. False if there is none,
    /// or one was taken before.
    pub fn take_job(&self) -> bool {
        let Some(log) = self.log.get() else { return false };
        let mut job = self.job.lock();
        if job.is_none() {
            *job = log.pipeline().take();
            return job.is_some();
        }
        false
    }

    /// Does the job that was taken. Every copy must be finished first, else this waits for ever.
    pub fn finish_job(&self) -> bool {
        let (Some(log), Some(job)) = (self.log.get(), self.job.lock().take()) else {
            return false;
        };
        log.carry_out(job);
        true
    }

    /// Prepares or seals a segment, if that is due.
    pub fn chore(&self) -> bool {
        self.log.get().is_some_and(Log::chore)
    }

    /// What the committer does after a while without work.
    pub fn idle(&self) {
        let Some(log) = self.log.get() else { return };
        let mut pipeline = log.pipeline();
        if pipeline.is_unsynced() {
            pipeline.owe_sync();
        } else {
            pipeline.mark(Mark::Idle);
        }
    }

    /// All events that are visible.
    pub fn all(&self) -> Selection<'_> {
        Selection::new(&self.segments, Selected::All)
    }

    /// As [`Store::stream`](crate::Store::stream).
    pub fn stream(&self, name: &str) -> Selection<'_, Version> {
        Selection::new(&self.segments, Selected::Stream(name.into()))
    }

    /// As [`Store::category`](crate::Store::category).
    pub fn category(&self, category: &str) -> Selection<'_> {
        Selection::new(&self.segments, Selected::Category(category.into()))
    }

    /// As [`Store::event_type`](crate::Store::event_type).
    pub fn event_type(&self, event_type: &str) -> Selection<'_> {
        Selection::new(&self.segments, Selected::EventType(event_type.into()))
    }

    /// As [`Store::tag`](crate::Store::tag).
    pub fn tag(&self, tag: &str) -> Selection<'_> {
        Selection::new(&self.segments, Selected::Tag(tag.into()))
    }

    /// As [`Store::query`](crate::Store::query).
    pub fn query(&self, query: Query) -> Selection<'_> {
        Selection::new(&self.segments, Selected::Query(query))
    }

    /// As [`Store::head`](crate::Store::head).
    ///
    /// # Errors
    /// The same.
    pub fn head(&self, stream: &str) -> Result<Option<StreamHead>> {
        Stream::find(&self.segments.view(), stream)?.head()
    }

    /// As [`Store::streams`](crate::Store::streams).
    ///
    /// # Errors
    /// The same.
    pub fn streams(&self, prefix: &str) -> Result<Streams> {
        Streams::new(self.segments.view(), prefix)
    }

    /// The position that the next event to become visible will get.
    pub fn next_position(&self) -> Position {
        self.segments.visible_position()
    }

    /// Number of segments that hold a part of the log: it grows by one with each roll.
    pub fn segments(&self) -> usize {
        self.segments.view().table.segments.len()
    }

    /// Closes the store, which can still be read, and keeps its lock until dropped. Every copy and job
    /// must be finished.
    ///
    /// # Errors
    /// As [`Store::close`](crate::Store::close).
    pub fn close(&self) -> Result<()> {
        let finished = self.log.get().map_or(Ok(()), |log| {
            log.close();
            let finished = log.finish();
            log.fall_silent();
            finished
        });
        self.segments.end(Ending::Closed);
        finished
    }
}

impl Drop for Stepper {
    /// Stands for a process that is killed where the store was not closed: nothing is done but that those who
    /// follow it learn that there will be no more.
    fn drop(&mut self) {
        self.segments.end(Ending::Closed);
    }
}
