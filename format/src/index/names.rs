//! The names of the streams born in a segment, sorted by their bytes, front-coded in blocks of 16.
//!
//! All ranges count from the start of the section.

use std::cmp::Ordering;
use std::ops::Range;

use super::read::{front, pair, short};
use crate::FormatError;
use crate::limits::STREAM_BYTES_MAX;

/// Names of a block; the last may have less.
pub const BLOCK: u32 = 16;
/// Size of what precedes the table of blocks.
pub const HEAD_BYTES: u64 = 8;
/// Most bytes that the first name of a block takes.
pub const FIRST_BYTES_MAX: u64 = 2 + STREAM_BYTES_MAX as u64;

const SLOT_BYTES: u64 = 4;

/// How many names there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    names: u32,
    section_bytes: u64,
}

impl Names {
    /// Where the numbers stand with which the section begins.
    pub const HEAD: Range<u64> = 0..HEAD_BYTES;

    /// Reads them, for a section of this size.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] or [`FormatError::Invalid`] for bytes that no writer gives.
    pub fn decode(head: &[u8], section_bytes: u64) -> Result<Names, FormatError> {
        let (names, blocks) = pair(head)?;
        let names = Names { names, section_bytes };
        if blocks != names.blocks() || names.table_range().end > section_bytes {
            return Err(FormatError::Invalid("number of names"));
        }
        Ok(names)
    }

    /// The number of names.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.names
    }

    /// The number of blocks.
    #[must_use]
    pub const fn blocks(self) -> u32 {
        self.names.div_ceil(BLOCK)
    }

    /// Where the whole table of blocks stands.
    #[must_use]
    pub const fn table_range(self) -> Range<u64> {
        HEAD_BYTES..HEAD_BYTES + self.blocks() as u64 * SLOT_BYTES
    }

    /// Where the slot of a block stands, and that of the next one where there is one.
    #[must_use]
    pub const fn slot_range(self, block: u32) -> Range<u64> {
        let at = HEAD_BYTES + block as u64 * SLOT_BYTES;
        let last = block.saturating_add(1) >= self.blocks();
        at..at + if last { SLOT_BYTES } else { 2 * SLOT_BYTES }
    }

    /// Where a block stands, by the bytes that [`Names::slot_range`] names.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], or [`FormatError::Invalid`] for a block that does not lie within the
    /// section behind the table.
    pub fn block_range(self, block: u32, slots: &[u8]) -> Result<Range<u64>, FormatError> {
        let range = self.slot_range(block);
        let (start, end) = if range.end - range.start == SLOT_BYTES {
            (u32::from_le_bytes(*front(slots)?).into(), self.section_bytes)
        } else {
            let (start, end) = pair(slots)?;
            (start.into(), end.into())
        };
        if block >= self.blocks()
            || start < self.table_range().end
            || start > end
            || end > self.section_bytes
        {
            return Err(FormatError::Invalid("a block of names"));
        }
        Ok(start..end)
    }

    /// Where the first name of a block stands at most, by the same bytes.
    ///
    /// # Errors
    /// As [`Names::block_range`].
    pub fn first_range(self, block: u32, slots: &[u8]) -> Result<Range<u64>, FormatError> {
        let range = self.block_range(block, slots)?;
        Ok(range.start..range.end.min(range.start + FIRST_BYTES_MAX))
    }

    /// The block to begin with when looking for names from `prefix` on: the last whose first name is less,
    /// or the first block, also where there is none. `compare` says how the first name of a block compares
    /// with the prefix.
    ///
    /// # Errors
    /// Those of `compare`.
    pub fn seek<E>(self, mut compare: impl FnMut(u32) -> Result<Ordering, E>) -> Result<u32, E> {
        let (mut low, mut high) = (0, self.blocks());
        while low < high {
            let middle = low + (high - low) / 2;
            if compare(middle)? == Ordering::Less { low = middle + 1 } else { high = middle }
        }
        Ok(low.saturating_sub(1))
    }

    /// The names of a block, one after the other.
    #[must_use]
    pub fn block(self, block: u32, bytes: &[u8]) -> Block<'_> {
        let rest = self.names.saturating_sub(block.saturating_mul(BLOCK));
        Block { bytes, left: rest.min(BLOCK), name: Vec::new() }
    }
}

/// Goes through the names of a block.
#[derive(Debug)]
pub struct Block<'a> {
    bytes: &'a [u8],
    left: u32,
    name: Vec<u8>,
}

impl Block<'_> {
    /// The next name; nothing behind the last one.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], or [`FormatError::Invalid`] for a name that no stream has or that is not
    /// greater than the one before.
    pub fn next_name(&mut self) -> Result<Option<&str>, FormatError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        let shared = if self.name.is_empty() { 0 } else { usize::from(self.number()?) };
        let len = usize::from(self.number()?);
        if shared > self.name.len() || shared + len > STREAM_BYTES_MAX {
            return Err(FormatError::Invalid("length of a name"));
        }
        let split = self.bytes.split_at_checked(len);
        let (rest, bytes) = split.ok_or(short(len as u64, self.bytes))?;
        if rest <= &self.name[shared..] {
            return Err(FormatError::Invalid("names out of order"));
        }
        self.name.truncate(shared);
        self.name.extend_from_slice(rest);
        (self.bytes, self.left) = (bytes, left);
        match std::str::from_utf8(&self.name) {
            Ok(name) => Ok(Some(name)),
            Err(_) => Err(FormatError::Invalid("a name that is not text")),
        }
    }

    fn number(&mut self) -> Result<u16, FormatError> {
        let (number, bytes) = self.bytes.split_first_chunk().ok_or(short(2, self.bytes))?;
        self.bytes = bytes;
        Ok(u16::from_le_bytes(*number))
    }
}

/// The first name of the block that begins `bytes`; these may end behind it.
///
/// # Errors
/// [`FormatError::Truncated`].
pub fn first(bytes: &[u8]) -> Result<&[u8], FormatError> {
    let (len, rest) = bytes.split_first_chunk().ok_or(short(2, bytes))?;
    let len = usize::from(u16::from_le_bytes(*len));
    rest.get(..len).ok_or(short(2 + len as u64, bytes))
}

/// Appends the section of these names to `out`. They are sorted by their bytes, no two are equal, and
/// each is 1 to 512 bytes long.
pub fn encode<S: AsRef<str>>(names: &[S], out: &mut Vec<u8>) {
    // A segment has less events, and so less names, than a `u32` counts.
    let mut encoder = Encoder::new(names.len() as u32, out);
    names.iter().for_each(|name| encoder.push(name.as_ref()));
}

/// Appends the section as [`encode`] does, one name after the other: for who does not hold all of them.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    /// Where the section begins.
    start: usize,
    /// How many names there will be.
    names: u32,
    /// How many there are.
    pushed: u32,
    before: Vec<u8>,
}

impl<'a> Encoder<'a> {
    /// For so many names, behind what `out` holds.
    pub fn new(names: u32, out: &'a mut Vec<u8>) -> Encoder<'a> {
        let (start, blocks) = (out.len(), names.div_ceil(BLOCK));
        out.extend_from_slice(&names.to_le_bytes());
        out.extend_from_slice(&blocks.to_le_bytes());
        out.resize(out.len() + blocks as usize * SLOT_BYTES as usize, 0);
        Encoder { out, start, names, pushed: 0, before: Vec::new() }
    }

    /// The next name. What is pushed beyond the names that were announced is left out.
    pub fn push(&mut self, name: &str) {
        if self.pushed == self.names {
            return;
        }
        let name = name.as_bytes();
        let mut shared = 0;
        if self.pushed.is_multiple_of(BLOCK) {
            let offset = (self.out.len() - self.start) as u32;
            let block = (self.pushed / BLOCK) as usize;
            let at = self.start + HEAD_BYTES as usize + block * SLOT_BYTES as usize;
            self.out[at..at + 4].copy_from_slice(&offset.to_le_bytes());
        } else {
            let both = name.iter().zip(&self.before);
            shared = both.take_while(|(one, other)| one == other).count();
            self.out.extend_from_slice(&(shared as u16).to_le_bytes());
        }
        self.out.extend_from_slice(&((name.len() - shared) as u16).to_le_bytes());
        self.out.extend_from_slice(&name[shared..]);
        self.before.clear();
        self.before.extend_from_slice(name);
        self.pushed += 1;
    }
}
