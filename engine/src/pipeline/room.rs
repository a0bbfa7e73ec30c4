//! Room for commits: in the staging buffers, in the active segment, and in the one after it.

use std::collections::VecDeque;

use quipu_format::frame::LINK_FRAME_BYTES;
use quipu_format::manifest::Ending;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Lsn, PAGE_BYTES, SegmentId, Timestamp, align_up};

use super::fullness::Fullness;
use super::patience::Patience;
use super::staging::OpenBuffer;
use super::{
    Filling, Group, Life, Pipeline, RESERVE_BYTES, Refusal, SegmentRef, Settings, Start, Tail,
};
use crate::{Error, writer};

/// Segments that may be rolled and not yet sealed, besides the active one.
const ROLLED_MAX: usize = 2;

/// A segment to be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepare {
    pub(crate) segment: SegmentId,
    pub(crate) capacity: ByteOffset,
    /// Prepared segments that will not be written and are to be retired.
    pub(crate) spare: Vec<SegmentId>,
}

/// A segment that is full and waits to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rolled {
    pub(crate) segment: SegmentRef,
    /// Where its frames end.
    pub(crate) end: ByteOffset,
    /// Whether it gets a seal frame: only what this opening has written is written on.
    pub(crate) ending: Ending,
}

/// The segment after the active one.
pub(super) enum Supply {
    /// Not needed yet.
    Idle,
    /// To be prepared with at least this capacity.
    Wanted(ByteOffset),
    /// Being prepared.
    Underway,
    /// Ready to be written.
    Ready(SegmentRef),
    /// Could not be prepared for want of room; wanted again once somebody needs it.
    Failed,
}

/// How far the oldest rolled segment is on its way to being sealed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sealing {
    Idle,
    Underway,
    /// Could not be sealed, for want of room or because something could not be read; tried again once somebody needs it.
    Failed,
}

/// All that is known of room.
pub(super) struct Room {
    free: Vec<OpenBuffer>,
    /// Buffers that may still be allocated.
    unallocated: usize,
    pub(super) supply: Supply,
    /// Attempts at making room that were begun, and the last that failed. One is under way at a time.
    attempts: u64,
    failed_attempt: u64,
    /// The highest segment number given out.
    last_segment: SegmentId,
    /// Rolled and not yet sealed, oldest first.
    rolled: VecDeque<Rolled>,
    sealing: Sealing,
    /// What the disk said when it had no room, or could not be read, until that has passed.
    trouble: Option<Error>,
    /// Segments that were prepared and will not be written: too small, never entered, or not known to be listed. Closing
    /// retires them, or the preparation of the next.
    spare: Vec<SegmentId>,
    /// Bytes of the frames of all segments but the active one, for the capacity of the next.
    bytes: u64,
    keys: Fullness,
}

impl Room {
    pub(super) fn new(settings: Settings, start: &Start) -> Room {
        let cut = |&(segment, end): &_| Rolled { segment, end, ending: Ending::Cut };
        Room {
            free: Vec::new(),
            unallocated: settings.buffers,
            supply: Supply::Idle,
            attempts: 0,
            failed_attempt: 0,
            last_segment: start.highest,
            rolled: start.unsealed.iter().map(cut).collect(),
            sealing: Sealing::Idle,
            trouble: None,
            spare: Vec::new(),
            bytes: start.sealed_bytes,
            keys: Fullness::Few,
        }
    }

    fn take_buffer(&mut self, bytes: usize) -> Option<OpenBuffer> {
        self.free.pop().or_else(|| {
            self.unallocated = self.unallocated.checked_sub(1)?;
            Some(OpenBuffer::new(bytes))
        })
    }

    fn has_buffer(&self) -> bool {
        self.unallocated > 0 || !self.free.is_empty()
    }

    fn take_large(&mut self, bytes: usize) -> Option<OpenBuffer> {
        if let Some(left) = self.unallocated.checked_sub(1) {
            self.unallocated = left;
        } else {
            drop(self.free.pop()?);
        }
        Some(OpenBuffer::new(bytes))
    }

    /// Whether a caller goes on waiting, or has waited through a failure.
    fn refuse(&self, patience: &mut Patience) -> Refusal {
        let since = match *patience {
            Patience::None => 0,
            Patience::Since(attempts) => attempts,
            Patience::Fresh => {
                *patience = Patience::Since(self.attempts);
                return Refusal::Wait;
            }
        };
        match &self.trouble {
            Some(trouble) if self.failed_attempt > since => Refusal::Full(trouble.clone()),
            _ => Refusal::Wait,
        }
    }

    /// Somebody needs a segment for a frame that takes one of `needed` bytes: what is not under way is
    /// asked for, and what failed is tried again.
    fn want(&mut self, needed: u64) {
        match self.supply {
            Supply::Ready(small) if small.capacity.0 < needed => {
                self.spare.push(small.id);
                self.supply = Supply::Wanted(ByteOffset(needed));
            }
            Supply::Idle | Supply::Failed => self.supply = Supply::Wanted(ByteOffset(needed)),
            Supply::Ready(_) | Supply::Wanted(_) | Supply::Underway => {}
        }
        if self.sealing == Sealing::Failed {
            self.sealing = Sealing::Idle;
        }
    }

    fn note(&mut self, trouble: Error) {
        self.failed_attempt = self.attempts;
        self.trouble = Some(trouble);
    }

    /// Takes back a buffer; one of unusual size, or still held by somebody, is let go and may be
    /// allocated anew.
    pub(super) fn give_back(&mut self, buffer: Option<OpenBuffer>, usual_bytes: usize) {
        match buffer {
            Some(buffer) if buffer.capacity() == usual_bytes => self.free.push(buffer),
            _ => self.unallocated += 1,
        }
    }
}

impl Pipeline {
    /// Makes room for a frame of `len` bytes and the link before it, or says why there is none.
    pub(super) fn make_room(&mut self, len: usize, patience: &mut Patience) -> Result<(), Refusal> {
        let link = self.tail.link.map_or(0, |_| LINK_FRAME_BYTES);
        let end = self.tail.end.0 + (link + len) as u64 + RESERVE_BYTES;
        if end > self.tail.segment.capacity.0 {
            self.roll(len, patience)?;
        } else if self.room.keys == Fullness::Full {
            // Nobody waits for this: an index that is somewhat larger does no harm.
            self.enter_next(needed_for(len));
        }
        let needed = self.tail.link.map_or(0, |_| LINK_FRAME_BYTES) + len;
        if self.open_group(needed) { Ok(()) } else { Err(Refusal::Wait) }
    }

    /// Opens a group with room for `needed` bytes, unless the open one has it. False if every buffer
    /// is in use.
    pub(super) fn open_group(&mut self, needed: usize) -> bool {
        if let Some(open) = &self.open {
            if needed <= open.buffer.capacity() - open.buffer.joined() {
                return true;
            }
            self.close_group();
        }
        // A frame larger than half a buffer gets one of its own: otherwise it would cut short the
        // groups around it.
        let usual = self.settings.buffer_bytes;
        let bytes = if needed > usual / 2 { needed } else { usual };
        let buffer =
            if bytes == usual { self.room.take_buffer(usual) } else { self.room.take_large(bytes) };
        let Some(buffer) = buffer else { return false };
        self.open = Some(Filling {
            group: Group::new(),
            buffer,
            segment: self.tail.segment,
            start: self.tail.end,
            frames: Vec::new(),
            posts: Vec::new(),
            wants_sync: false,
            next_position: self.next_position,
        });
        true
    }

    /// Lets nobody join the open group any more.
    pub(super) fn close_group(&mut self) {
        if let Some(open) = self.open.take() {
            self.queue.push_back(open);
        }
    }

    /// Goes on in the next segment, so that a frame of `len` bytes fits.
    fn roll(&mut self, len: usize, patience: &mut Patience) -> Result<(), Refusal> {
        let needed = needed_for(len);
        if self.enter_next(needed) {
            return Ok(());
        }
        if self.next_for(needed).is_some() {
            // What is missing is a buffer, and one comes back.
            return Err(Refusal::Wait);
        }
        let refusal = self.room.refuse(patience);
        if matches!(refusal, Refusal::Wait) || matches!(patience, Patience::None) {
            self.room.want(needed);
        }
        Err(refusal)
    }

    /// Goes on in the next segment, if that is ready and takes a frame that needs one of `needed` bytes.
    fn enter_next(&mut self, needed: u64) -> bool {
        let next = self.next_for(needed).filter(|_| self.room.has_buffer());
        // What rolls is placed at once: a segment is never left before it has a frame.
        next.map(|next| self.enter(next)).is_some()
    }

    /// The next segment, if it may be entered, and takes a frame that needs one of `needed` bytes.
    fn next_for(&self, needed: u64) -> Option<SegmentRef> {
        match self.room.supply {
            Supply::Ready(next) if next.capacity.0 >= needed => {
                (self.room.rolled.len() < ROLLED_MAX).then_some(next)
            }
            _ => None,
        }
    }

    /// Notes how many keys the index of a segment holds.
    pub(crate) fn note_keys(&mut self, segment: SegmentId, keys: u32) {
        if segment == self.tail.segment.id {
            self.room.keys = Fullness::of(keys, self.settings.segment_keys_max);
        }
    }

    fn enter(&mut self, next: SegmentRef) {
        self.close_group();
        self.room.keys = Fullness::Few;
        self.room.supply = Supply::Idle;
        let Tail { segment, end, link } = self.tail;
        let predecessor = match link {
            // Nothing was ever written there, so it is no part of the log.
            Some(link) if end == FIRST_FRAME => {
                self.room.spare.push(segment.id);
                link.predecessor
            }
            _ => {
                self.room.rolled.push_back(Rolled { segment, end, ending: Ending::Framed });
                self.room.bytes =
                    self.room.bytes.saturating_add(end.0.saturating_sub(FIRST_FRAME.0));
                Some((Lsn::new(segment.id, end), segment.salt))
            }
        };
        let link = writer::link(predecessor, self.last_time, self.epoch);
        self.tail = Tail { segment: next, end: FIRST_FRAME, link: Some(link) };
    }

    /// What follows once a commit has its place: the next segment is prepared in good time.
    pub(super) fn after_placing(&mut self) {
        let half = self.tail.end.0 > self.tail.segment.capacity.0 / 2;
        if matches!(self.room.supply, Supply::Idle) && (half || self.room.keys >= Fullness::Half) {
            self.room.supply = Supply::Wanted(ByteOffset(0));
        }
        let spent = |open: &Filling| open.buffer.capacity() != self.settings.buffer_bytes;
        if self.open.as_ref().is_some_and(spent) {
            self.close_group();
        }
    }

    /// The next segment to be prepared, if one is wanted.
    pub(crate) fn take_prepare(&mut self) -> Option<Prepare> {
        let Supply::Wanted(least) = self.room.supply else { return None };
        if !matches!(self.life, Life::Open) {
            return None;
        }
        self.room.supply = Supply::Underway;
        self.room.attempts += 1;
        self.room.last_segment.0 += 1;
        let bytes = self.room.bytes.saturating_add(self.tail.segment.capacity.0);
        let usual = self.settings.segment_sizes.next(bytes);
        let capacity = ByteOffset(align_up(usual.max(least.0), PAGE_BYTES));
        let spare = std::mem::take(&mut self.room.spare);
        Some(Prepare { segment: self.room.last_segment, capacity, spare })
    }

    /// Says how the preparation went, and which segments are left to be retired; an error means that there was no room.
    pub(crate) fn prepared(&mut self, result: Result<SegmentRef, Error>, spare: Vec<SegmentId>) {
        self.room.spare.extend(spare);
        self.room.supply = match result {
            Ok(segment) => {
                self.room.trouble = None;
                if self.room.sealing == Sealing::Failed {
                    // There was room just now.
                    self.room.sealing = Sealing::Idle;
                }
                Supply::Ready(segment)
            }
            Err(trouble) => {
                self.room.note(trouble);
                Supply::Failed
            }
        };
    }

    /// Segments that were prepared and never written, for closing.
    pub(crate) fn take_unused(&mut self) -> Vec<SegmentId> {
        let mut unused = std::mem::take(&mut self.room.spare);
        if let Supply::Ready(segment) = self.room.supply {
            self.room.supply = Supply::Idle;
            unused.push(segment.id);
        }
        unused
    }

    /// Time of the last frame, for closing.
    pub(crate) fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// The oldest rolled segment, if it is durable and nobody seals it yet.
    pub(crate) fn take_rolled(&mut self) -> Option<Rolled> {
        if matches!(self.life, Life::Poisoned(_)) {
            return None;
        }
        let rolled = self.sealable()?;
        self.room.sealing = Sealing::Underway;
        self.room.attempts += 1;
        Some(rolled)
    }

    /// Says how sealing the oldest rolled segment went; an error means that there was no room, or that something could
    /// not be read. It stays where it is then: its frames are durable, and it can be sealed later.
    pub(crate) fn sealed(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) => {
                self.room.rolled.pop_front();
                self.room.sealing = Sealing::Idle;
                self.room.trouble = None;
            }
            Err(trouble) => {
                self.room.note(trouble);
                self.room.sealing = Sealing::Failed;
            }
        }
    }

    /// Whether a chore can be taken.
    pub(crate) fn chore_ready(&self) -> bool {
        match self.life {
            Life::Open => {
                matches!(self.room.supply, Supply::Wanted(_)) || self.sealable().is_some()
            }
            // Nobody writes to another segment any more.
            Life::Closing => self.sealable().is_some(),
            Life::Poisoned(_) => false,
        }
    }

    fn sealable(&self) -> Option<Rolled> {
        let rolled = *self.room.rolled.front()?;
        let durable = self.settling.progressed().durable;
        let whole = durable >= Lsn::new(rolled.segment.id, rolled.end);
        (whole && self.room.sealing == Sealing::Idle).then_some(rolled)
    }
}

/// The capacity of a segment that takes a frame of `len` bytes as its first.
pub(super) fn needed_for(len: usize) -> u64 {
    FIRST_FRAME.0 + (LINK_FRAME_BYTES + len) as u64 + RESERVE_BYTES
}
