//! The committer's jobs: groups are written and synced, and what follows from it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::threads::yield_now;
use quipu_disk::{File, write_all_at};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Position, SegmentId};
use quipu_index::{Active, Part};

use super::{Log, count};
use crate::panics::{caught, undisturbed};
use crate::pipeline::{Job, SegmentRef, Stamped, WriteJob};
use crate::plant::{self, Bug};
use crate::segments::Segment;

/// What the program's log is told of a job.
pub(super) enum Remark {
    SlowSync { segment: SegmentId, took: Duration, bytes: u64 },
    Rolled { segment: SegmentId, previous: SegmentId, position: Position, capacity: ByteOffset },
}

impl Remark {
    pub(super) fn tell(&self) {
        match *self {
            Remark::SlowSync { segment, took, bytes } => {
                let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(segment = segment.0, milliseconds, bytes, "slow sync");
            }
            Remark::Rolled { segment, previous, position, capacity } => tracing::info!(
                segment = segment.0,
                previous = previous.0,
                position = position.0,
                capacity = capacity.0,
                "rolled to a new segment"
            ),
        }
    }
}

/// What a job has left to be done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Left {
    /// There is another job.
    pub(crate) work: bool,
    /// Something is written and not synced.
    pub(crate) unsynced: bool,
}

impl Log {
    /// Does the committer's next job, if there is one and nobody else is at it. True if it did.
    pub(crate) fn step(&self) -> bool {
        let taken = self.pipeline().take();
        match taken {
            Some(job) => {
                self.carry_out(job);
                true
            }
            None => false,
        }
    }

    /// Does a job that was taken from the pipeline, and tells all who wait for it. What the program's log is told of it
    /// comes last: it may use the store, and could wait for this very job.
    pub(crate) fn carry_out(&self, mut job: Job) -> Left {
        let mut remark = None;
        let done = caught(|| self.work_at(&mut job, &mut remark));
        let result = done.unwrap_or_else(|words| {
            Err(io::Error::other(format!("a thread panicked at it: {words}")))
        });
        let (wakes, published, left) = {
            let mut pipeline = self.pipeline();
            let wakes = pipeline.finish(job, result);
            let published = self.publish(&pipeline);
            if pipeline.chore_ready() {
                self.chores.notify_one();
            }
            let left = Left { work: pipeline.has_work(), unsynced: pipeline.is_unsynced() };
            (wakes, published, left)
        };
        if !plant::is_in(Bug::RoomNotTold) {
            self.room.notify_all();
        }
        self.tell(&wakes, published);
        if let Some(remark) = remark {
            if left.work {
                // Who is told may wait for what others wait for.
                self.call_committer();
            }
            undisturbed(|| remark.tell());
        }
        left
    }

    fn work_at(&self, job: &mut Job, remark: &mut Option<Remark>) -> io::Result<()> {
        match job {
            Job::Write(write) => self.write(write, remark).inspect(|()| self.post(write)),
            Job::Sync(sync) => {
                let file = self.writer(sync.segment)?;
                self.sync(&*file, (sync.segment.id, sync.bytes), remark)
            }
        }
    }

    /// Syncs a segment, of which so many bytes are not durable, and takes the time.
    pub(super) fn sync(
        &self,
        file: &dyn File,
        (segment, bytes): (SegmentId, u64),
        remark: &mut Option<Remark>,
    ) -> io::Result<()> {
        let began = self.disk.elapsed();
        let mut synced = file.sync_data();
        if plant::is_in(Bug::FailedSyncRetried) {
            synced = synced.or_else(|_| file.sync_data());
        }
        let took = self.disk.elapsed().saturating_sub(began);
        if self.counters.count_sync(took) {
            *remark = Some(Remark::SlowSync { segment, took, bytes });
        }
        synced
    }

    fn write(&self, write: &mut WriteJob, remark: &mut Option<Remark>) -> io::Result<()> {
        let (segment, offset) = (write.segment, write.offset);
        let file = self.writer(segment)?;
        if offset == FIRST_FRAME {
            *remark = self.enter(write);
        }
        count(&self.counters.groups, 1);
        count(&self.counters.bytes, write.len());
        loop {
            match write.stamp() {
                Stamped::Ready(bytes) if plant::is_in(Bug::ShortWriteIgnored) => {
                    return file.write_at(bytes, offset.0).map(drop);
                }
                Stamped::Ready(bytes) => return write_all_at(&*file, bytes, offset.0),
                // The writer holds no lock and only copies: it is done in a moment.
                Stamped::Filling => yield_now(),
                Stamped::Abandoned => return Err(io::Error::other("a writer died while copying")),
            }
        }
    }

    /// Shows readers the segment whose first frame is about to be written. They see nothing of it
    /// before that is visible.
    fn enter(&self, write: &WriteJob) -> Option<Remark> {
        let SegmentRef { id, salt, capacity } = write.segment;
        let before = self.pipeline().progressed().written;
        let segment = Segment::new(id, salt, self.directory.segment(id), write.first_position());
        segment.set_parts([Part::Memory(Arc::new(Active::new(0)))]);
        self.segments.add(segment, before.offset());
        // The first segment of a store follows no other.
        let previous = self.segments.view().table.segments.iter().rev().nth(1)?.id;
        count(&self.counters.rolls, 1);
        let position = write.first_position();
        Some(Remark::Rolled { segment: id, previous, position, capacity })
    }

    /// Posts the commits of a group to the index, before readers can see them.
    fn post(&self, write: &WriteJob) {
        let table = self.segments.view().table;
        let mut newest = table.segments.iter().rev();
        let segment = newest.find(|segment| segment.id == write.segment.id);
        let Some(active) = segment.and_then(|segment| segment.active()) else { return };
        active.post(write.posts.iter().flat_map(|posted| posted.posts()));
        write.posts.iter().flat_map(|posted| &posted.born).for_each(|name| active.born(name));
        let in_file = segment.and_then(|segment| segment.keys_in_file()).unwrap_or(0);
        let keys = u32::try_from(active.keys()).unwrap_or(u32::MAX);
        self.pipeline().note_keys(write.segment.id, keys.saturating_add(in_file));
    }

    pub(super) fn writer(&self, segment: SegmentRef) -> io::Result<Arc<dyn File>> {
        let writers = self.writers.lock();
        writers.get(&segment.id).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
