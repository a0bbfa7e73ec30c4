//! The committer's jobs: groups are written and synced, and what follows from it.

use std::io;
use std::sync::Arc;

use quipu_disk::threads::yield_now;
use quipu_disk::{File, write_all_at};
use quipu_format::SegmentId;
use quipu_format::segment::FIRST_FRAME;
use quipu_index::{Active, Part};

use super::{Log, count};
use crate::panics::caught;
use crate::pipeline::{Job, SegmentRef, Stamped, WriteJob};
use crate::plant::{self, Bug};
use crate::segments::Segment;

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

    /// Does a job that was taken from the pipeline, and tells all who wait for it.
    pub(crate) fn carry_out(&self, mut job: Job) -> Left {
        let done = caught(|| self.work_at(&mut job));
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
        left
    }

    fn work_at(&self, job: &mut Job) -> io::Result<()> {
        match job {
            Job::Write(write) => self.write(write).inspect(|()| self.post(write)),
            Job::Sync(sync) => {
                let file = self.writer(sync.segment)?;
                self.sync(&*file, sync.segment.id, sync.bytes)
            }
        }
    }

    /// Syncs a segment, of which so many bytes are not durable, and takes the time.
    pub(super) fn sync(&self, file: &dyn File, segment: SegmentId, bytes: u64) -> io::Result<()> {
        let began = self.disk.elapsed();
        let mut synced = file.sync_data();
        if plant::is_in(Bug::FailedSyncRetried) {
            synced = synced.or_else(|_| file.sync_data());
        }
        let took = self.disk.elapsed().saturating_sub(began);
        if self.counters.count_sync(took) {
            let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(segment = segment.0, milliseconds, bytes, "slow sync");
        }
        synced
    }

    fn write(&self, write: &mut WriteJob) -> io::Result<()> {
        let (segment, offset) = (write.segment, write.offset);
        let file = self.writer(segment)?;
        if offset == FIRST_FRAME {
            self.enter(write);
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
    fn enter(&self, write: &WriteJob) {
        let SegmentRef { id, salt, capacity } = write.segment;
        let before = self.pipeline().progressed().written;
        let segment = Segment::new(id, salt, self.directory.segment(id), write.first_position());
        segment.set_parts([Part::Memory(Arc::new(Active::new(0)))]);
        self.segments.add(segment, before.offset());
        // The first segment of a store follows no other.
        let Some(previous) = self.segments.view().table.segments.iter().rev().nth(1).map(|s| s.id)
        else {
            return;
        };
        count(&self.counters.rolls, 1);
        let position = write.first_position().0;
        tracing::info!(
            segment = id.0,
            previous = previous.0,
            position,
            capacity = capacity.0,
            "rolled to a new segment"
        );
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
