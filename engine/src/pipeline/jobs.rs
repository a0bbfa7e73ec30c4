//! What the committer does: one write or one sync at a time, and what follows from it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use quipu_format::checksum::Place;
use quipu_format::frame::FrameHeader;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Lsn, PAGE_BYTES, Position, align_up};

use crate::outline::Posted;
use crate::plant::{self, Bug};

use super::group::{Group, Progress};
use super::staging::{ClosedBuffer, Contents};
use super::{Filling, Life, Pipeline, Progressed, SegmentRef, Unsynced, Wakes};
use crate::{Durability, Error, ErrorKind};

/// One step of the committer.
pub(crate) enum Job {
    /// Write a group's bytes.
    Write(WriteJob),
    /// Sync a segment.
    Sync(SyncJob),
}

/// Bytes to be written.
pub(crate) struct WriteJob {
    pub(crate) segment: SegmentRef,
    /// Where they go.
    pub(crate) offset: ByteOffset,
    buffer: ClosedBuffer,
    /// Headers to be stamped, each with its place in the buffer.
    frames: Vec<(u32, FrameHeader)>,
    unsynced: Unsynced,
    wants_sync: bool,
    /// Its commits, for the index.
    pub(crate) posts: Vec<Arc<Posted>>,
}

/// A segment to be synced.
pub(crate) struct SyncJob {
    pub(crate) segment: SegmentRef,
    /// Bytes of the segment that are not durable before.
    pub(crate) bytes: u64,
    /// What will be durable then.
    end: Lsn,
    next_position: Position,
}

/// What to do about a group's bytes.
pub(crate) enum Stamped<'a> {
    /// Write these.
    Ready(&'a [u8]),
    /// A writer is still copying: ask again in a moment.
    Filling,
    /// A writer died while copying: the group cannot be written.
    Abandoned,
}

impl WriteJob {
    /// Position of the first event of the group, or of the next one to come.
    pub(crate) fn first_position(&self) -> Position {
        self.frames.first().map_or(self.unsynced.next_position, |(_, header)| header.first_position)
    }

    /// Bytes of the group's frames.
    pub(crate) fn len(&self) -> u64 {
        self.buffer.joined() as u64
    }

    /// The group's bytes with their headers filled in and summed, once every writer has copied its
    /// frame.
    ///
    /// Zeros go on to the end of the page, as far as the buffer has room. They stand there already, but nobody
    /// has to read the page then before a part of it is written.
    pub(crate) fn stamp(&mut self) -> Stamped<'_> {
        let end = self.offset.0 + self.len();
        let padding = (align_up(end, PAGE_BYTES) - end) as usize;
        let bytes = match self.buffer.contents(padding) {
            Contents::Ready(bytes) => bytes,
            Contents::Filling => return Stamped::Filling,
            Contents::Abandoned => return Stamped::Abandoned,
        };
        for (offset, header) in &self.frames {
            let place = Place::new(self.segment.salt, self.offset).plus(u64::from(*offset));
            let header = header.encode(place);
            bytes[*offset as usize..][..header.len()].copy_from_slice(&header);
        }
        Stamped::Ready(bytes)
    }
}

/// How far the log has come, and what waits for a sync.
pub(super) struct Settling {
    progressed: Progressed,
    /// The position after the last written event.
    written_position: Position,
    /// The segment that was written last.
    written_segment: Option<SegmentRef>,
    unsynced: VecDeque<Unsynced>,
    /// Somebody waits for a sync of what is written.
    pub(super) sync_owed: bool,
    /// A job is under way.
    pub(super) busy: bool,
    /// The group being written and the position after its last event.
    writing: Option<(Arc<Group>, Position)>,
    /// Something was sequenced since the last mark.
    pub(super) unmarked: bool,
}

impl Settling {
    pub(super) fn new(end: Lsn, next_position: Position) -> Settling {
        Settling {
            progressed: Progressed {
                written: end,
                durable: end,
                visible: end,
                visible_position: next_position,
                durable_position: next_position,
            },
            written_position: next_position,
            written_segment: None,
            unsynced: VecDeque::new(),
            sync_owed: false,
            busy: false,
            writing: None,
            unmarked: false,
        }
    }

    pub(super) fn progressed(&self) -> Progressed {
        self.progressed
    }

    /// The group that holds this position, if it waits for its sync or is being written.
    pub(super) fn holding(&self, position: Position) -> Option<&Arc<Group>> {
        let unsynced =
            self.unsynced.iter().map(|unsynced| (&unsynced.group, unsynced.next_position));
        let writing = self.writing.iter().map(|(group, next)| (group, *next));
        let mut begun = unsynced.chain(writing);
        begun.find(|(_, next_position)| position < *next_position).map(|(group, _)| group)
    }

    /// How far the segment is known to be durable.
    fn durable_in(&self, segment: SegmentRef) -> ByteOffset {
        let durable = self.progressed.durable;
        if durable.segment() == segment.id { durable.offset() } else { FIRST_FRAME }
    }
}

impl Pipeline {
    /// The committer's next step, if there is one and none is under way. Whoever takes it must
    /// [finish](Pipeline::finish) it.
    pub(crate) fn take(&mut self) -> Option<Job> {
        if self.settling.busy || matches!(self.life, Life::Poisoned(_)) {
            return None;
        }
        let job = self.take_sync().map(Job::Sync).or_else(|| self.take_write().map(Job::Write))?;
        self.settling.busy = true;
        Some(job)
    }

    fn take_sync(&mut self) -> Option<SyncJob> {
        let settling = &self.settling;
        let segment = settling.written_segment?;
        if settling.unsynced.is_empty() {
            return None;
        }
        let next = self.queue.front().or(self.open.as_ref()).map(|filling| filling.segment);
        let rolls = next.unwrap_or(self.tail.segment).id != segment.id;
        let (end, durable) = (settling.progressed.written.offset(), settling.durable_in(segment));
        let rolls = rolls && !plant::is_in(Bug::RolledBeforeSync);
        (settling.sync_owed || rolls).then_some(SyncJob {
            segment,
            bytes: end.0.saturating_sub(durable.0),
            end: settling.progressed.written,
            next_position: settling.written_position,
        })
    }

    fn take_write(&mut self) -> Option<WriteJob> {
        if self.queue.is_empty() {
            self.close_group();
        }
        let Filling { group, buffer, segment, start, mut frames, posts, wants_sync, next_position } =
            self.queue.pop_front()?;
        let durable_to = self.settling.durable_in(segment);
        frames.iter_mut().for_each(|(_, header)| header.durable_to = durable_to);
        let end = Lsn::new(segment.id, ByteOffset(start.0 + buffer.joined() as u64));
        self.settling.writing = Some((Arc::clone(&group), next_position));
        Some(WriteJob {
            segment,
            offset: start,
            buffer: buffer.close(),
            frames,
            unsynced: Unsynced { group, end, next_position },
            wants_sync,
            posts,
        })
    }

    /// Whether there is a job to be taken.
    pub(crate) fn has_work(&self) -> bool {
        let settling = &self.settling;
        let rolled = settling.written_segment.is_some_and(|s| s.id != self.tail.segment.id);
        let sync = !settling.unsynced.is_empty() && (settling.sync_owed || rolled);
        let waiting = self.open.is_some() || !self.queue.is_empty() || sync;
        waiting && !settling.busy && !matches!(self.life, Life::Poisoned(_))
    }

    /// The failure after which nothing becomes visible any more, once that is so.
    pub(crate) fn standstill(&self) -> Option<&Error> {
        self.poison().filter(|_| !self.settling.busy)
    }

    /// Whether something is written that is not durable.
    pub(crate) fn is_unsynced(&self) -> bool {
        !self.settling.unsynced.is_empty()
    }

    /// Has what is written synced although nobody waits for it.
    pub(crate) fn owe_sync(&mut self) {
        self.settling.sync_owed |= self.is_unsynced();
    }

    /// Says how a job went. Those to be told are told by the caller, once the lock is gone.
    pub(crate) fn finish(&mut self, job: Job, result: io::Result<()>) -> Wakes {
        self.settling.busy = false;
        let mut wakes = match (job, result) {
            (Job::Write(write), Ok(())) => self.finish_write(write),
            (Job::Sync(sync), Ok(())) => self.finish_sync(&sync),
            (Job::Write(write), Err(cause)) => {
                let detail = format!("writing to segment {} failed", write.segment.id);
                self.settling.unsynced.push_back(write.unsynced);
                self.fail(Error::because(ErrorKind::Unknown, detail, cause))
            }
            (Job::Sync(sync), Err(cause)) => {
                let detail = format!("syncing segment {} failed", sync.segment.id);
                self.fail(Error::because(ErrorKind::Unknown, detail, cause))
            }
        };
        self.settling.writing = None;
        if let Life::Poisoned(error) = &self.life {
            // Poisoned while the job was under way: what it wrote is never synced.
            let error = error.unknown();
            let left = self.settling.unsynced.drain(..);
            wakes.extend(left.map(|u| (u.group, Progress::Failed(error.clone()))));
        }
        wakes
    }

    fn finish_write(&mut self, write: WriteJob) -> Wakes {
        let settling = &mut self.settling;
        settling.progressed.written = write.unsynced.end;
        settling.written_position = write.unsynced.next_position;
        settling.written_segment = Some(write.segment);
        settling.sync_owed |= write.wants_sync;
        if self.settings.durability == Durability::Os || plant::is_in(Bug::VisibleBeforeSync) {
            settling.progressed.visible = write.unsynced.end;
            settling.progressed.visible_position = write.unsynced.next_position;
        }
        write.unsynced.group.keep(write.posts);
        let progress = if plant::is_in(Bug::AcknowledgedBeforeSync) {
            Progress::Durable
        } else {
            Progress::Written
        };
        let wakes = vec![(Arc::clone(&write.unsynced.group), progress)];
        settling.unsynced.push_back(write.unsynced);
        self.room.give_back(write.buffer.reopen(), self.settings.buffer_bytes);
        wakes
    }

    fn finish_sync(&mut self, sync: &SyncJob) -> Wakes {
        let settling = &mut self.settling;
        settling.sync_owed = false;
        settling.progressed.durable = sync.end;
        settling.progressed.durable_position = sync.next_position;
        if self.settings.durability == Durability::Sync {
            settling.progressed.visible = sync.end;
            settling.progressed.visible_position = sync.next_position;
        }
        let durable =
            settling.unsynced.drain(..).map(|unsynced| (unsynced.group, Progress::Durable));
        durable.collect()
    }

    /// Nothing is written any more. What was written or being written may be on disk or not; what was
    /// not begun is not. Of several failures the first counts.
    pub(crate) fn fail(&mut self, error: Error) -> Wakes {
        let error = self.poison().cloned().unwrap_or(error);
        let (unknown, unwritten) = (error.unknown(), error.not_written());
        self.life = Life::Poisoned(error);
        self.close_group();
        let settling = &mut self.settling;
        settling.sync_owed = false;
        let mut wakes = Wakes::new();
        if !settling.busy {
            // A group that is being written by nobody was lost with the thread that wrote it.
            let lost = settling.writing.take().map(|(group, _)| group);
            let begun = settling.unsynced.drain(..).map(|unsynced| unsynced.group).chain(lost);
            wakes.extend(begun.map(|group| (group, Progress::Failed(unknown.clone()))));
        }
        let queued = self.queue.drain(..);
        if plant::is_in(Bug::QueuedNotTold) {
            return wakes;
        }
        wakes.extend(queued.map(|filling| (filling.group, Progress::Failed(unwritten.clone()))));
        wakes
    }
}
