//! From an ordinal to the place of its record: blocks of 128 events, each with a base and what each
//! record stands behind it, in units of 16 bytes.
//!
//! All ranges count from the start of the section.

use std::ops::Range;

use super::packed::{self, Packed};
use super::read::pair;
use crate::{ByteOffset, FormatError};

/// Events of a block; the last may have less.
pub const BLOCK: u32 = 128;
/// Most bytes of a block: the width, 128 numbers of 32 bits.
pub const BLOCK_BYTES_MAX: u64 = 1 + 128 * 4;

const SLOT_BYTES: u64 = 8;

/// The places of this many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    events: u32,
}

/// Where a block begins, and what its numbers are added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The least place in the block, in units.
    pub base: u32,
    /// Where the block begins.
    pub at: u32,
}

impl Offsets {
    /// The places of this many events.
    #[must_use]
    pub const fn of(events: u32) -> Offsets {
        Offsets { events }
    }

    /// The number of blocks.
    #[must_use]
    pub const fn blocks(self) -> u32 {
        self.events.div_ceil(BLOCK)
    }

    /// In which block an ordinal stands, and as which of the block.
    #[must_use]
    pub const fn block_of(self, ordinal: u32) -> (u32, u32) {
        (ordinal / BLOCK, ordinal % BLOCK)
    }

    /// How many events a block holds; none where there is no such block.
    #[must_use]
    pub fn len_of(self, block: u32) -> u32 {
        self.events.saturating_sub(block.saturating_mul(BLOCK)).min(BLOCK)
    }

    /// Where the whole table stands.
    #[must_use]
    pub const fn table_range(self) -> Range<u64> {
        0..self.blocks() as u64 * SLOT_BYTES
    }

    /// Where the slot of a block stands.
    #[must_use]
    pub const fn slot_range(self, block: u32) -> Range<u64> {
        let at = block as u64 * SLOT_BYTES;
        at..at + SLOT_BYTES
    }

    /// Reads the slot that begins `bytes`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn slot(self, bytes: &[u8]) -> Result<Slot, FormatError> {
        let (base, at) = pair(bytes)?;
        Ok(Slot { base, at })
    }

    /// Where the bytes of a block stand at most; what lies behind the section is left out by
    /// [`Span::clip`](super::Span::clip).
    #[must_use]
    pub const fn block_range(self, slot: Slot) -> Range<u64> {
        slot.at as u64..slot.at as u64 + BLOCK_BYTES_MAX
    }

    /// The place of the event with this index within a block.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] or [`FormatError::Invalid`] for bytes that no writer gives, or where the
    /// block has no such event.
    pub fn value(
        self,
        block: u32,
        slot: Slot,
        bytes: &[u8],
        index: u32,
    ) -> Result<ByteOffset, FormatError> {
        let packed = Packed::with_width(bytes, self.len_of(block) as usize)?;
        let Some(more) = packed.get(index as usize) else {
            return Err(FormatError::Invalid("an event that there is not"));
        };
        place(slot, more).map(ByteOffset::from_units)
    }

    /// The bytes that the places of so many events take at least: the table, and a width for each block.
    #[must_use]
    pub const fn bytes_min(self) -> u64 {
        self.table_range().end + self.blocks() as u64
    }

    /// Appends the places of a block, in units, to `out`; at most 128. Gives how many bytes the block takes.
    ///
    /// # Errors
    /// As [`Offsets::value`]; `out` then holds some of them.
    pub fn decode(
        self,
        block: u32,
        slot: Slot,
        bytes: &[u8],
        out: &mut Vec<u32>,
    ) -> Result<u64, FormatError> {
        let packed = Packed::with_width(bytes, self.len_of(block) as usize)?;
        for more in packed.iter() {
            out.push(place(slot, more)?);
        }
        Ok(1 + packed.len_bytes() as u64)
    }
}

fn place(slot: Slot, more: u32) -> Result<u32, FormatError> {
    slot.base.checked_add(more).ok_or(FormatError::Invalid("a place behind the largest segment"))
}

/// Appends the section for these places, in units, to `out`.
pub fn encode(units: &[u32], out: &mut Vec<u8>) {
    // A segment has less events than a `u32` counts.
    let mut encoder = Encoder::new(units.len() as u32, out);
    units.iter().for_each(|&place| encoder.push(place));
    encoder.finish();
}

/// Appends the section as [`encode`] does, one place after the other: for who does not hold all of them.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    /// Where the section begins.
    start: usize,
    offsets: Offsets,
    /// The places of the block that is not full yet.
    block: Vec<u32>,
    /// How many blocks are written.
    blocks: u32,
}

impl<'a> Encoder<'a> {
    /// For the places of so many events, behind what `out` holds.
    pub fn new(events: u32, out: &'a mut Vec<u8>) -> Encoder<'a> {
        let (start, offsets) = (out.len(), Offsets::of(events));
        out.resize(start + offsets.table_range().end as usize, 0);
        Encoder { out, start, offsets, block: Vec::with_capacity(BLOCK as usize), blocks: 0 }
    }

    /// The place of the next event, in units. What is pushed beyond the events that were announced is left out.
    pub fn push(&mut self, units: u32) {
        self.block.push(units);
        if self.block.len() == BLOCK as usize {
            self.end_block();
        }
    }

    /// Each event that was announced has been pushed.
    pub fn finish(mut self) {
        self.end_block();
    }

    fn end_block(&mut self) {
        let base = self.block.iter().min().copied().unwrap_or(0);
        if self.block.is_empty() || self.blocks == self.offsets.blocks() {
            return self.block.clear();
        }
        let at = (self.out.len() - self.start) as u32;
        let slot = self.start + self.offsets.slot_range(self.blocks).start as usize;
        self.out[slot..slot + 4].copy_from_slice(&base.to_le_bytes());
        self.out[slot + 4..slot + 8].copy_from_slice(&at.to_le_bytes());
        self.block.iter_mut().for_each(|units| *units -= base);
        let width = packed::width_of(&self.block);
        self.out.push(width);
        packed::pack(&self.block, width, self.out);
        self.block.clear();
        self.blocks += 1;
    }
}
