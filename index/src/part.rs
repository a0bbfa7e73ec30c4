//! One part of a segment's index: in memory, or in a file.

use std::ops::Range;
use std::sync::Arc;

use quipu_format::{ByteOffset, SegmentId};

use crate::{Active, IndexError, Key, Sealed};

/// Most ordinals that [`Part::batch`] gives at once.
pub(crate) const BATCH: usize = 128;

/// In which direction ordinals are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Ascending: as the events were committed.
    Forward,
    /// Descending: the newest first.
    Backward,
}

/// Where a key's events are found within one part: a snapshot, what is posted later is not in it.
///
/// Means something only to the part that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The key.
    pub key: Key,
    /// Events with this key in earlier segments; for a stream's key that is the version of its first
    /// event in this part. 0 in memory for keys of other kinds: only the file knows.
    pub before: u64,
    /// Number of events with this key in this part.
    pub count: u32,
    /// Ordinal of the last of them.
    pub last: u32,
    /// The segment before this one that holds the key. None in memory.
    pub prev: Option<SegmentId>,
    /// A segment further back that holds the key: the skew-binary jump pointer. None in memory.
    pub jump: Option<SegmentId>,
    /// Number of segments before this one that hold the key. 0 in memory.
    pub depth: u32,
    /// Where its postings begin in the section of a file, in units of 4 bytes.
    pub(crate) postings: u32,
}

/// One part of a segment's index. A segment has at most two: a file that covers its beginning, and in
/// memory what was written since.
#[derive(Clone, Debug)]
pub enum Part {
    /// In memory, and growing.
    Memory(Arc<Active>),
    /// In a file that never changes.
    File(Arc<Sealed>),
}

impl Part {
    /// The ordinals that stand in this part.
    #[must_use]
    pub fn ordinals(&self) -> Range<u32> {
        match self {
            Part::Memory(active) => active.first()..active.end(),
            Part::File(sealed) => 0..sealed.covers().events,
        }
    }

    /// What this part holds of a key.
    ///
    /// # Errors
    /// [`IndexError`] where the file cannot be read or is damaged.
    pub fn find(&self, key: Key) -> Result<Option<Held>, IndexError> {
        match self {
            Part::Memory(active) => Ok(active.find(key)),
            Part::File(sealed) => sealed.find(key),
        }
    }

    /// The `n`-th ordinal of a key, counted from 0 in this part.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where there is no such ordinal; else as [`Part::find`].
    pub fn nth(&self, held: &Held, n: u32) -> Result<u32, IndexError> {
        match self {
            Part::Memory(active) => active.nth(held, n),
            Part::File(sealed) => sealed.nth(held, n),
        }
    }

    /// Replaces what is in `out` by up to 128 ordinals of a key: the next ones that are at least `from`,
    /// ascending, or at most `from`, descending. None are left when `out` is empty afterwards.
    ///
    /// # Errors
    /// As [`Part::find`].
    pub fn batch(
        &self,
        held: &Held,
        from: u32,
        way: Way,
        out: &mut Vec<u32>,
    ) -> Result<(), IndexError> {
        out.clear();
        match self {
            Part::Memory(active) => active.batch(held, from, way, out),
            Part::File(sealed) => sealed.batch(held, from, way, out),
        }
    }

    /// Where the record of an ordinal stands in the segment's file. None where the ordinal is in
    /// another part.
    ///
    /// # Errors
    /// As [`Part::find`].
    pub fn offset(&self, ordinal: u32) -> Result<Option<ByteOffset>, IndexError> {
        match self {
            Part::Memory(active) => Ok(active.offset(ordinal)),
            Part::File(sealed) => sealed.offset(ordinal),
        }
    }

    /// The names, sorted, of the streams that begin in this part and whose names begin so.
    ///
    /// # Errors
    /// As [`Part::find`].
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, IndexError> {
        match self {
            Part::Memory(active) => Ok(active.names(prefix)),
            Part::File(sealed) => sealed.names(prefix),
        }
    }
}
