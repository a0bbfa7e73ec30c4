//! Where the bytes of an index come from, and whose they must be.

use std::borrow::Cow;
use std::fmt::Debug;
use std::io;
use std::ops::Range;

use quipu_format::{ByteOffset, Position, Salt, SegmentId, StoreId, Timestamp};

/// The bytes of an index file. A map lends them, a file copies them.
pub trait Source: Send + Sync + Debug {
    /// Size of the file in bytes. It never changes.
    fn size(&self) -> u64;

    /// The bytes of this range of the file, all of them.
    ///
    /// # Errors
    /// When they cannot be read, or the range goes beyond the file.
    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>>;
}

/// Which segment an index must be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The store.
    pub store: StoreId,
    /// The segment.
    pub segment: SegmentId,
    /// The segment's salt: tells one life of a segment number from another.
    pub salt: Salt,
}

/// How much of its segment an index covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covers {
    /// The position of ordinal 0.
    pub base: Position,
    /// Number of events: the ordinals from 0 to here are covered.
    pub events: u32,
    /// So many of them, from ordinal 0 on, are found by their ids too. Events without an id count as found.
    pub ids: u32,
    /// Where the frames that are covered end in the segment's file.
    pub end: ByteOffset,
    /// Recorded time of the last frame that is covered.
    pub last_time: Timestamp,
}

/// Keys that one event can have, with room for kinds to come: its stream, category, type, id and 32 tags.
const KEYS_OF_EVENT_MAX: u64 = 64;

impl Covers {
    /// The most postings that there can be of what is covered. A key of an event is a part of its record, of one byte
    /// at least, and of a lost event one is made for as many bytes as the smallest record has: so the frames have more
    /// bytes than their events have keys.
    pub(crate) fn postings_max(&self) -> u64 {
        let of_events = u64::from(self.events).saturating_mul(KEYS_OF_EVENT_MAX);
        of_events.min(self.end.0)
    }
}
