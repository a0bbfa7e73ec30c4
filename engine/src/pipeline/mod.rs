//! The commit pipeline: a state machine without threads or input and output of its own.
//!
//! Writers [sequence](Pipeline::sequence) their commits into groups; whoever drives the pipeline
//! [takes](Pipeline::take) one job after another, does what it says to the disk, and tells the pipeline
//! how it [went](Pipeline::finish). Real threads and the simulator drive the same machine.
//!
//! What must always hold:
//! - log order is version order is position order: all three are given out under one lock;
//! - a sequenced commit is never taken back;
//! - one job is under way at a time, and groups are written in the order they were filled;
//! - a frame of a segment is written only when all before it is durable in the segments before;
//! - after a failed job nothing is written any more.

mod fullness;
mod group;
mod jobs;
mod judge;
mod patience;
mod recent;
mod room;
mod staging;
mod start;
mod tentative;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use quipu_format::checksum::Place;
use quipu_format::frame::{
    FLAG_CLOSED, FRAME_HEADER_BYTES, FrameHeader, FrameKind, LINK_FRAME_BYTES, MARK_FRAME_BYTES,
    SEAL_FRAME_BYTES,
};
use quipu_format::{ByteOffset, Epoch, Lsn, Position, Timestamp, Version};
use quipu_index::StreamHead;

use crate::draft::{Draft, DraftStream};
use crate::options::SegmentSizes;
use crate::outline::Posted;
use crate::plant::{self, Bug};
use crate::{Durability, Error};

pub(crate) use group::{Group, Progress};
pub(crate) use jobs::{Job, Stamped, WriteJob};
pub(crate) use patience::Patience;
pub(crate) use recent::{Guard, Sighting};
pub(crate) use room::{Prepare, Rolled};
pub(crate) use staging::Slot;
pub(crate) use start::{SegmentRef, Start, Tail};
pub(crate) use tentative::Tentative;

use recent::Recent;
use staging::OpenBuffer;

/// What every segment keeps free for the mark of a close and its seal.
const END_BYTES: u64 = (MARK_FRAME_BYTES + SEAL_FRAME_BYTES) as u64;
/// What commits leave free: the last of them in a segment is marked too when the store is idle.
const RESERVE_BYTES: u64 = MARK_FRAME_BYTES as u64 + END_BYTES;

/// What the pipeline needs to know of the options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) buffer_bytes: usize,
    pub(crate) buffers: usize,
    pub(crate) segment_sizes: SegmentSizes,
    pub(crate) segment_keys_max: u32,
}

/// How far the log is written, durable and visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progressed {
    pub(crate) written: Lsn,
    pub(crate) durable: Lsn,
    pub(crate) visible: Lsn,
    /// The position that the next event to become visible will get.
    pub(crate) visible_position: Position,
    /// The position that the next event to become durable will get.
    pub(crate) durable_position: Position,
}

/// A group that is being filled, or waits to be written.
struct Filling {
    group: Arc<Group>,
    buffer: OpenBuffer,
    segment: SegmentRef,
    /// Where the group begins in its segment.
    start: ByteOffset,
    /// Headers of its frames, each with its place in the buffer; the committer stamps them.
    frames: Vec<(u32, FrameHeader)>,
    /// Its commits, for the index.
    posts: Vec<Arc<Posted>>,
    wants_sync: bool,
    next_position: Position,
}

/// A group that is written and waits for a sync.
struct Unsynced {
    group: Arc<Group>,
    end: Lsn,
    next_position: Position,
}

/// Why a mark is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing has happened for a while.
    Idle,
    /// The store is being closed.
    Closed,
}

/// Whether the pipeline takes commits.
enum Life {
    Open,
    Closing,
    Poisoned(Error),
}

/// The group to wait for until an answer may be told, and how far it must have come.
pub(crate) type Until = Option<(Arc<Group>, Durability)>;

/// Why a commit was not sequenced.
pub(crate) enum Refusal {
    /// There is no room at this moment; more will come without the caller's help.
    Wait,
    /// There is no room on the disk.
    Full(Error),
    /// A stream is not where the commit expects it, or the condition does not hold. True once the group,
    /// if any, is visible.
    Conflict(Error, Until),
    /// Heads must be looked up that are not tentative in this generation.
    Unresolved(u64),
    /// What the commit was guarded by was looked at too long ago: it must be looked at again.
    Stale,
    /// The store takes no commits any more.
    Over(Error),
}

/// A commit that has its place in the log.
pub(crate) struct Sequenced {
    /// To be filled by the writer, at once and outside the lock.
    pub(crate) slot: Slot,
    pub(crate) group: Arc<Group>,
    /// Where the frame stands.
    pub(crate) place: Place,
    pub(crate) posted: Arc<Posted>,
}

/// Somebody to be told, once the lock is gone.
pub(crate) type Wakes = Vec<(Arc<Group>, Progress)>;

/// The commit pipeline. See the module's documentation.
pub(crate) struct Pipeline {
    settings: Settings,
    epoch: Epoch,
    heads: Tentative,
    recent: Recent,
    /// Position and time of the next commit: the one dense, the other never going backwards.
    next_position: Position,
    last_time: Timestamp,
    tail: Tail,
    room: room::Room,
    open: Option<Filling>,
    queue: VecDeque<Filling>,
    settling: jobs::Settling,
    life: Life,
}

impl Pipeline {
    pub(crate) fn new(start: &Start, settings: Settings) -> Pipeline {
        let end = Lsn::new(start.tail.segment.id, start.tail.end);
        Pipeline {
            room: room::Room::new(settings, start),
            settings,
            epoch: start.epoch,
            heads: Tentative::new(start.next_position),
            recent: Recent::new(start.next_position),
            next_position: start.next_position,
            last_time: start.last_time,
            tail: start.tail,
            open: None,
            queue: VecDeque::new(),
            settling: jobs::Settling::new(end, start.next_position),
            life: Life::Open,
        }
    }

    /// Gives a commit its place in the log: checks what it expects, assigns versions, positions, time
    /// and a slot in a staging buffer. All or nothing; what it returns is never taken back.
    pub(crate) fn sequence(
        &mut self,
        draft: &Draft<'_>,
        guard: Option<&Guard>,
        now: Timestamp,
        patience: &mut Patience,
    ) -> Result<Sequenced, Refusal> {
        match &self.life {
            Life::Open => {}
            Life::Closing => return Err(Refusal::Over(Error::closed())),
            Life::Poisoned(error) => return Err(Refusal::Over(error.not_written())),
        }
        self.check(draft)?;
        if let Some(guard) = guard {
            self.check_guard(guard)?;
        }
        self.make_room(draft.frame_bytes(), patience)?;
        self.last_time = self.last_time.max(now);
        self.write_link();
        Ok(self.place(draft))
    }

    /// Puts the link that the active segment still owes before the next frame. Room was made for it.
    fn write_link(&mut self) {
        let Some(link) = self.tail.link.take() else { return };
        let header = self.header(FrameKind::Link, LINK_FRAME_BYTES, 0);
        let place = Place::new(self.tail.segment.salt, self.tail.end);
        self.join(header, |frame| frame[FRAME_HEADER_BYTES..].copy_from_slice(&link.encode(place)));
    }

    fn place(&mut self, draft: &Draft<'_>) -> Sequenced {
        let first_position = self.next_position;
        let header = self.header(FrameKind::Events, draft.frame_bytes(), draft.events());
        let place = Place::new(self.tail.segment.salt, self.tail.end);
        self.next_position = header.next_position();
        let (first_versions, born) = self.advance_heads(draft, first_position);
        let wants_sync = [draft.durability, self.settings.durability].contains(&Durability::Sync);
        let posted = Arc::new(Posted {
            outline: Arc::clone(&draft.outline),
            offset: place.offset,
            first_position,
            time: self.last_time,
            first_versions,
            born,
        });
        self.recent.push(&posted, self.settling.progressed().visible_position);
        let (slot, group) = self.reserve(header, wants_sync, Some(&posted));
        self.settling.unmarked = true;
        self.after_placing();
        Sequenced { slot, group, place, posted }
    }

    /// Moves the heads of the draft's streams; gives the first version of each, and the names of new ones.
    fn advance_heads(
        &mut self,
        draft: &Draft<'_>,
        first_position: Position,
    ) -> (Vec<Version>, Vec<String>) {
        let mut born = Vec::new();
        let advance = |stream: &DraftStream<'_>| {
            let head = self.heads.get(stream.key).or(stream.known);
            let next = head.map_or(Version(0), |head| head.version.plus(1));
            if stream.events > 0 {
                let mut version = next.plus(u64::from(stream.events) - 1);
                if plant::is_in(Bug::HeadOfFirstEvent) {
                    version = next;
                }
                let position = first_position.plus(u64::from(stream.last_ordinal));
                self.heads.set(stream.key, StreamHead { version, position });
                if next == Version(0) {
                    born.push(stream.name.to_owned());
                }
            }
            next
        };
        let first_versions = draft.streams.iter().map(advance).collect();
        self.heads.count_created(born.len() as u64);
        (first_versions, born)
    }

    fn header(&self, kind: FrameKind, len: usize, events: u16) -> FrameHeader {
        FrameHeader {
            kind,
            flags: 0,
            len: len as u32,
            events,
            first_position: self.next_position,
            time: self.last_time,
            durable_to: ByteOffset(0),
        }
    }

    /// Adds a frame whose bytes are known at once.
    fn join(&mut self, header: FrameHeader, write: impl FnOnce(&mut [u8])) {
        let (slot, _) = self.reserve(header, false, None);
        slot.fill(write);
    }

    /// Reserves the bytes of a frame, and of a commit that it may be, in the open group and moves the tail behind it.
    /// `make_room` was called.
    fn reserve(
        &mut self,
        header: FrameHeader,
        wants_sync: bool,
        posted: Option<&Arc<Posted>>,
    ) -> (Slot, Arc<Group>) {
        let next_position = self.next_position;
        let Some(open) = &mut self.open else { unreachable!("room was made: a group is open") };
        let offset = open.buffer.joined() as u32;
        let Some(slot) = open.buffer.reserve(header.len as usize) else {
            unreachable!("room was made: the frame fits into the buffer")
        };
        open.frames.push((offset, header));
        open.posts.extend(posted.cloned());
        open.wants_sync |= wants_sync;
        open.next_position = next_position;
        self.tail.end.0 += u64::from(header.len);
        (slot, Arc::clone(&open.group))
    }

    /// Notes on disk that everything so far is durable, if that is not known there yet and there is
    /// room. With `ending` the mark says that the store was closed here, and may use the reserve.
    pub(crate) fn mark(&mut self, why: Mark) {
        let flags = match why {
            Mark::Idle => 0,
            Mark::Closed => FLAG_CLOSED,
        };
        // What is being written is not durable before the mark either.
        let idle = !matches!(self.life, Life::Poisoned(_))
            && self.open.is_none()
            && self.queue.is_empty()
            && !self.settling.busy
            && !self.is_unsynced();
        let needed = self.tail.link.map_or(0, |_| LINK_FRAME_BYTES) + MARK_FRAME_BYTES;
        if !self.settling.unmarked || !idle || !self.mark_fits(why) || !self.open_group(needed) {
            return;
        }
        self.write_link();
        let header = FrameHeader { flags, ..self.header(FrameKind::Mark, MARK_FRAME_BYTES, 0) };
        let (slot, _) = self.reserve(header, true, None);
        slot.fill(|_| {});
        self.settling.unmarked = false;
    }

    /// Whether there is room for a mark. That of a close may use the reserve.
    fn mark_fits(&self, why: Mark) -> bool {
        let link = self.tail.link.map_or(0, |_| LINK_FRAME_BYTES);
        let reserve = match why {
            Mark::Idle => END_BYTES,
            Mark::Closed => 0,
        };
        let end = self.tail.end.0 + (link + MARK_FRAME_BYTES) as u64 + reserve;
        end <= self.tail.segment.capacity.0
    }

    /// Whether an idle moment should be used to say on disk that everything is durable.
    pub(crate) fn wants_mark(&self) -> bool {
        self.settling.unmarked
            && !matches!(self.life, Life::Poisoned(_))
            && self.mark_fits(Mark::Idle)
    }

    /// Takes no more commits.
    pub(crate) fn close(&mut self) {
        if matches!(self.life, Life::Open) {
            self.life = Life::Closing;
        }
    }

    /// The failure after which nothing is written any more, if there was one.
    pub(crate) fn poison(&self) -> Option<&Error> {
        match &self.life {
            Life::Poisoned(error) => Some(error),
            Life::Open | Life::Closing => None,
        }
    }

    /// Where the log ends and the position that the next event will get.
    pub(crate) fn end(&self) -> (Lsn, Position) {
        (Lsn::new(self.tail.segment.id, self.tail.end), self.next_position)
    }

    pub(crate) fn progressed(&self) -> Progressed {
        self.settling.progressed()
    }

    /// Streams that got their first event since the store was opened.
    pub(crate) fn streams_created(&self) -> u64 {
        self.heads.created()
    }
}
