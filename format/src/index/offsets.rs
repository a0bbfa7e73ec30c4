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

    /// Appends the places of a block, in units, to `out`; at most 128.
    ///
    /// # Errors
    /// As [`Offsets::value`]; `out` then holds some of them.
    pub fn decode(
        self,
        block: u32,
        slot: Slot,
        bytes: &[u8],
        out: &mut Vec<u32>,
    ) -> Result<(), FormatError> {
        let packed = Packed::with_width(bytes, self.len_of(block) as usize)?;
        for more in packed.iter() {
            out.push(place(slot, more)?);
        }
        Ok(())
    }
}

fn place(slot: Slot, more: u32) -> Result<u32, FormatError> {
    slot.base.checked_add(more).ok_or(FormatError::Invalid("a place behind the largest segment"))
}

/// Appends the section for these places, in units, to `out`.
pub fn encode(units: &[u32], out: &mut Vec<u8>) {
    let start = out.len();
    let blocks = units.len().div_ceil(BLOCK as usize);
    out.resize(start + blocks * 8, 0);
    let mut rests = Vec::with_capacity(BLOCK as usize);
    for (number, block) in units.chunks(BLOCK as usize).enumerate() {
        let base = block.iter().min().copied().unwrap_or(0);
        let at = (out.len() - start) as u32;
        let slot = &mut out[start + number * 8..start + number * 8 + 8];
        slot[..4].copy_from_slice(&base.to_le_bytes());
        slot[4..].copy_from_slice(&at.to_le_bytes());
        rests.clear();
        rests.extend(block.iter().map(|units| units - base));
        let width = packed::width_of(&rests);
        out.push(width);
        packed::pack(&rests, width, out);
    }
}
