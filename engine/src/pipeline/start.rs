//! Where the log goes on.

use quipu_format::frame::Link;
use quipu_format::{ByteOffset, Epoch, Position, Salt, SegmentId, Timestamp};

/// A segment's file as far as writing needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRef {
    pub(crate) id: SegmentId,
    pub(crate) salt: Salt,
    pub(crate) capacity: ByteOffset,
}

/// Where the log goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    /// The active segment.
    pub(crate) segment: SegmentRef,
    /// Where the next frame goes: the end of all that was sequenced.
    pub(crate) end: ByteOffset,
    /// What the next frame must be preceded by.
    pub(crate) link: Option<Link>,
}

/// Where a store begins or goes on, as recovery found it. All of it is durable.
pub(crate) struct Start {
    pub(crate) tail: Tail,
    pub(crate) epoch: Epoch,
    pub(crate) next_position: Position,
    pub(crate) last_time: Timestamp,
    /// Bytes of the frames of all segments before the active one.
    pub(crate) sealed_bytes: u64,
    /// The highest segment number ever used: the next one is new.
    pub(crate) highest: SegmentId,
    /// Segments of earlier openings that wait to be sealed, each with its end, oldest first.
    pub(crate) unsealed: Vec<(SegmentRef, ByteOffset)>,
}
