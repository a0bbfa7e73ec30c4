//! What an index file says of a key.

use std::ops::Range;

use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::postings::Layout;
use super::read::front;
use crate::{FormatError, Position, SegmentId};

/// The bit of `depth` that makes a key local.
const LOCAL: u32 = 1 << 31;
/// The greatest depth that an entry can say.
pub const DEPTH_MAX: u32 = LOCAL - 1;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct Raw {
    key: U128,
    before: U64,
    count: U32,
    last: U32,
    postings: U32,
    prev: U32,
    jump: U32,
    depth: U32,
}
const _: () = assert!(size_of::<Raw>() as u64 == Entry::BYTES);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawHead {
    key: U128,
    count: U64,
    position: U64,
    segment: U32,
    depth: U32,
}
const _: () = assert!(size_of::<RawHead>() as u64 == HeadEntry::BYTES);

/// Whether a key is known beyond its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It stands in heads, and its segments are chained.
    Store,
    /// It can be found in its segment, nowhere else.
    Local,
}

/// A key of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The hash of kind and name.
    pub key: u128,
    /// Events with this key in earlier segments. For a stream the version of its first event here.
    pub before: u64,
    /// Events with this key here.
    pub count: u32,
    /// The ordinal of the last of them.
    pub last: u32,
    /// Where its postings begin within their section, in units of 4 bytes.
    pub postings: u32,
    /// The segment before this one that holds the key.
    pub prev: Option<SegmentId>,
    /// One further back, by which a search is shortened.
    pub jump: Option<SegmentId>,
    /// How many segments before this one hold the key; at most [`DEPTH_MAX`].
    pub depth: u32,
    /// Whether the key is known beyond this segment.
    pub scope: Scope,
}

impl Entry {
    /// Size of an entry.
    pub const BYTES: u64 = 48;

    /// Appends the entry to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let local = if self.scope == Scope::Local { LOCAL } else { 0 };
        let raw = Raw {
            key: self.key.into(),
            before: self.before.into(),
            count: self.count.into(),
            last: self.last.into(),
            postings: self.postings.into(),
            prev: self.prev.map_or(0, |segment| segment.0).into(),
            jump: self.jump.map_or(0, |segment| segment.0).into(),
            depth: (self.depth.min(DEPTH_MAX) | local).into(),
        };
        out.extend_from_slice(raw.as_bytes());
    }

    /// Reads the entry that begins `bytes`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn decode(bytes: &[u8]) -> Result<Entry, FormatError> {
        let raw = front::<Raw>(bytes)?;
        let depth = raw.depth.get();
        Ok(Entry {
            key: raw.key.get(),
            before: raw.before.get(),
            count: raw.count.get(),
            last: raw.last.get(),
            postings: raw.postings.get(),
            prev: segment(raw.prev),
            jump: segment(raw.jump),
            depth: depth & DEPTH_MAX,
            scope: if depth & LOCAL == 0 { Scope::Store } else { Scope::Local },
        })
    }

    /// Where the entries with these numbers stand within their section.
    #[must_use]
    pub fn part(numbers: Range<u32>) -> Range<u64> {
        u64::from(numbers.start) * Entry::BYTES..u64::from(numbers.end) * Entry::BYTES
    }

    /// Where an entry's postings begin, in bytes from the start of their section.
    #[must_use]
    pub const fn postings_at(&self) -> u64 {
        self.postings as u64 * 4
    }

    /// How the entry's postings are laid out in an index of this many events.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] for more of them than there are events, or a last one that is none of these.
    pub fn layout(&self, events: u32) -> Result<Layout, FormatError> {
        if self.count > 0 && self.last >= events {
            return Err(FormatError::Invalid("a last posting behind the last event"));
        }
        Layout::of(self.count, events)
    }

    /// The entry with this key among these, which are sorted.
    #[must_use]
    pub fn find(entries: &[u8], key: u128) -> Option<Entry> {
        Entry::decode(search(entries, Entry::BYTES as usize, key)?).ok()
    }
}

/// A key of a run: what its segments know of it in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadEntry {
    /// The hash of kind and name.
    pub key: u128,
    /// Events with this key from the first on. For a stream its last version + 1.
    pub count: u64,
    /// The position of the last of them.
    pub position: Position,
    /// The segment that holds it.
    pub segment: SegmentId,
    /// How many segments before that one hold the key.
    pub depth: u32,
}

impl HeadEntry {
    /// Size of an entry.
    pub const BYTES: u64 = 40;

    /// Appends the entry to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let raw = RawHead {
            key: self.key.into(),
            count: self.count.into(),
            position: self.position.0.into(),
            segment: self.segment.0.into(),
            depth: self.depth.into(),
        };
        out.extend_from_slice(raw.as_bytes());
    }

    /// Reads the entry that begins `bytes`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], or [`FormatError::Invalid`] where it names no segment.
    pub fn decode(bytes: &[u8]) -> Result<HeadEntry, FormatError> {
        let raw = front::<RawHead>(bytes)?;
        let segment = segment(raw.segment).ok_or(FormatError::Invalid("a head without segment"))?;
        Ok(HeadEntry {
            key: raw.key.get(),
            count: raw.count.get(),
            position: Position(raw.position.get()),
            segment,
            depth: raw.depth.get(),
        })
    }

    /// Where the entries with these numbers stand within their section.
    #[must_use]
    pub fn part(numbers: Range<u32>) -> Range<u64> {
        u64::from(numbers.start) * HeadEntry::BYTES..u64::from(numbers.end) * HeadEntry::BYTES
    }

    /// The entry with this key among these, which are sorted.
    ///
    /// # Errors
    /// As [`HeadEntry::decode`].
    pub fn find(entries: &[u8], key: u128) -> Result<Option<HeadEntry>, FormatError> {
        search(entries, HeadEntry::BYTES as usize, key).map(HeadEntry::decode).transpose()
    }
}

/// The key of the entry that begins `bytes`, of either sort; nothing where they are too short.
#[must_use]
pub fn key(bytes: &[u8]) -> Option<u128> {
    bytes.first_chunk().map(|key| u128::from_le_bytes(*key))
}

/// What begins with the entry of this key, among entries of `size` bytes that are sorted.
fn search(entries: &[u8], size: usize, wanted: u128) -> Option<&[u8]> {
    let (mut low, mut high) = (0, entries.len() / size);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = &entries[middle * size..];
        match key(found)?.cmp(&wanted) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Some(found),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

fn segment(raw: U32) -> Option<SegmentId> {
    (raw.get() != 0).then(|| SegmentId(raw.get()))
}
