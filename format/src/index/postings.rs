//! The ordinals of a key's events within its segment.
//!
//! How they are laid out follows from how many there are among how many events, and is stored nowhere:
//! see [`Layout`]. All ranges count from where the entry's postings begin
//! ([`Entry::postings_at`](super::Entry::postings_at)).

use std::ops::Range;

use super::bitmap::{self, Bitmap};
use super::packed::{self, Packed};
use super::read::{pair, short};
use crate::FormatError;

/// Ordinals of a block of differences; the last block of a key may have less.
pub const BLOCK: u32 = 128;
/// Most bytes of a block: the first ordinal, the width, 127 differences of 32 bits.
pub const BLOCK_BYTES_MAX: u64 = 4 + 1 + 127 * 4;
/// A key of more than one in so many events has a bitmap.
pub const BITMAP_ONE_IN: u32 = 16;

const SLOT_BYTES: u64 = 8;

/// How a key's ordinals are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The key has none here; nothing is stored.
    Nothing,
    /// One, which the entry names as its last; nothing is stored.
    Last,
    /// All there are; nothing is stored.
    Every,
    /// A bit for each event.
    Bitmap(Bitmap),
    /// Blocks of differences.
    Deltas(Deltas),
}

impl Layout {
    /// The layout of `count` ordinals among `events`. One event that is the only one is [`Layout::Last`].
    ///
    /// # Errors
    /// [`FormatError::Invalid`] for more ordinals than there are events.
    pub fn of(count: u32, events: u32) -> Result<Layout, FormatError> {
        match count {
            0 => Ok(Layout::Nothing),
            _ if count > events => Err(FormatError::Invalid("number of postings")),
            1 => Ok(Layout::Last),
            _ if count == events => Ok(Layout::Every),
            _ if u64::from(count) * u64::from(BITMAP_ONE_IN) > u64::from(events) => {
                Ok(Layout::Bitmap(Bitmap::of(events)))
            }
            _ => Ok(Layout::Deltas(Deltas { count, events })),
        }
    }
}

/// Blocks of differences. More than one have a table in front of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deltas {
    count: u32,
    events: u32,
}

/// Where a block begins, and with which ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The first ordinal; an only block says it itself.
    pub first: Option<u32>,
    /// Where the block begins.
    pub at: u32,
}

impl Slot {
    /// The place of an only block.
    pub const ONLY: Slot = Slot { first: None, at: 0 };
}

impl Deltas {
    /// The number of blocks: at least one.
    #[must_use]
    pub const fn blocks(self) -> u32 {
        self.count.div_ceil(BLOCK)
    }

    /// In which block the `n`-th ordinal stands, counted from 0, and as which of the block.
    #[must_use]
    pub const fn block_of(self, n: u32) -> (u32, u32) {
        (n / BLOCK, n % BLOCK)
    }

    /// How many ordinals a block holds; none where there is no such block.
    #[must_use]
    pub fn len_of(self, block: u32) -> u32 {
        self.count.saturating_sub(block.saturating_mul(BLOCK)).min(BLOCK)
    }

    /// Where the table stands; empty for an only block.
    #[must_use]
    pub const fn table_range(self) -> Range<u64> {
        0..if self.blocks() > 1 { self.blocks() as u64 * SLOT_BYTES } else { 0 }
    }

    /// Where the slot of a block stands; nothing for an only block, whose slot is [`Slot::ONLY`].
    #[must_use]
    pub const fn slot_range(self, block: u32) -> Option<Range<u64>> {
        if self.blocks() <= 1 {
            return None;
        }
        let at = block as u64 * SLOT_BYTES;
        Some(at..at + SLOT_BYTES)
    }

    /// Reads the slot that begins `bytes`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn slot(self, bytes: &[u8]) -> Result<Slot, FormatError> {
        let (first, at) = pair(bytes)?;
        Ok(Slot { first: Some(first), at })
    }

    /// The slot of a block, from the whole table.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] where the table is too short, or there is no such block.
    pub fn slot_in(self, table: &[u8], block: u32) -> Result<Slot, FormatError> {
        match self.slot_range(block) {
            None => Ok(Slot::ONLY),
            Some(range) => self.slot(table.get(range.start as usize..).unwrap_or_default()),
        }
    }

    /// The last block that begins with an ordinal of at most this; the first one where none does.
    #[must_use]
    pub fn find(self, table: &[u8], ordinal: u32) -> u32 {
        let (slots, _) = table.as_chunks::<8>();
        let begun = slots.partition_point(|slot| u64::from_le_bytes(*slot) as u32 <= ordinal);
        // As many slots as blocks, whose number is a `u32`.
        begun.saturating_sub(1) as u32
    }

    /// Where the bytes of a block stand at most. A block does not say its length before it is read: what
    /// lies behind the section is left out by [`Span::clip`](super::Span::clip).
    #[must_use]
    pub const fn block_range(self, slot: Slot) -> Range<u64> {
        slot.at as u64..slot.at as u64 + BLOCK_BYTES_MAX
    }

    /// Appends the ordinals of a block, ascending, to `out`; at most 128. Gives how many bytes the block takes.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] or [`FormatError::Invalid`] for bytes that no writer gives; `out` then holds
    /// some of them.
    pub fn decode(
        self,
        block: u32,
        slot: Slot,
        bytes: &[u8],
        out: &mut Vec<u32>,
    ) -> Result<u64, FormatError> {
        let Some(last) = self.len_of(block).checked_sub(1) else {
            return Err(FormatError::Invalid("a block of postings that there is not"));
        };
        let (first, deltas) = self.open(slot, bytes, last)?;
        let mut ordinal = first;
        out.push(self.checked(ordinal)?);
        for delta in deltas.iter() {
            ordinal += u64::from(delta) + 1;
            out.push(self.checked(ordinal)?);
        }
        let before = if slot.first.is_none() { 4 } else { 0 };
        Ok(before + 1 + deltas.len_bytes() as u64)
    }

    /// The ordinal with this index within a block.
    ///
    /// # Errors
    /// As [`Deltas::decode`], and [`FormatError::Invalid`] where the block has no such ordinal.
    pub fn nth(self, block: u32, slot: Slot, bytes: &[u8], n: u32) -> Result<u32, FormatError> {
        if n >= self.len_of(block) {
            return Err(FormatError::Invalid("a posting that there is not"));
        }
        let (first, deltas) = self.open(slot, bytes, n)?;
        self.checked(deltas.iter().fold(first, |ordinal, delta| ordinal + u64::from(delta) + 1))
    }

    /// The first ordinal of a block and the first `count` differences.
    fn open(self, slot: Slot, bytes: &[u8], count: u32) -> Result<(u64, Packed<'_>), FormatError> {
        let (first, bytes) = match slot.first {
            Some(first) => (first, bytes),
            None => {
                let (first, bytes) = bytes.split_first_chunk().ok_or(short(4, bytes))?;
                (u32::from_le_bytes(*first), bytes)
            }
        };
        Ok((first.into(), Packed::with_width(bytes, count as usize)?))
    }

    fn checked(self, ordinal: u64) -> Result<u32, FormatError> {
        match u32::try_from(ordinal) {
            Ok(ordinal) if ordinal < self.events => Ok(ordinal),
            _ => Err(FormatError::Invalid("a posting behind the last event")),
        }
    }
}

/// Appends the postings of a key to `out`, which holds the section so far, and gives where they begin in
/// units of 4 bytes. The ordinals ascend and are below `events`.
pub fn encode(ordinals: &[u32], events: u32, out: &mut Vec<u8>) -> u32 {
    // More ordinals than events are refused by `Layout::of`, and none of them could be told apart.
    let count = u32::try_from(ordinals.len()).unwrap_or(u32::MAX).min(events);
    let mut encoder = Encoder::new(count, events, out);
    ordinals.iter().for_each(|&ordinal| encoder.push(ordinal));
    encoder.finish()
}

/// Appends the postings of a key as [`encode`] does, one ordinal after the other: for who does not hold all of them.
#[derive(Debug)]
pub struct Encoder<'a> {
    /// The section so far.
    out: &'a mut Vec<u8>,
    /// Where the key's postings begin in it.
    start: usize,
    layout: Layout,
    /// Of differences: the ordinals of the block that is not full yet.
    block: Vec<u32>,
    /// Of differences: how many blocks are written.
    blocks: u32,
}

impl<'a> Encoder<'a> {
    /// For so many ordinals among `events`, behind what `out` holds. Where there are more than events, nothing is
    /// stored of them.
    pub fn new(count: u32, events: u32, out: &'a mut Vec<u8>) -> Encoder<'a> {
        let layout = Layout::of(count, events).unwrap_or(Layout::Nothing);
        let bytes = match layout {
            Layout::Nothing | Layout::Last | Layout::Every => None,
            Layout::Bitmap(bitmap) => Some(bitmap.bytes()),
            Layout::Deltas(deltas) => Some(deltas.table_range().end),
        };
        let mut start = 0;
        if let Some(bytes) = bytes {
            start = out.len().next_multiple_of(4);
            out.resize(start + bytes as usize, 0);
        }
        Encoder { out, start, layout, block: Vec::new(), blocks: 0 }
    }

    /// The next ordinal: more than the one before, and less than `events`. No more are pushed than were announced.
    pub fn push(&mut self, ordinal: u32) {
        match self.layout {
            Layout::Nothing | Layout::Last | Layout::Every => {}
            Layout::Bitmap(bitmap) => bitmap::set(bitmap, ordinal, &mut self.out[self.start..]),
            Layout::Deltas(deltas) => {
                self.block.push(ordinal);
                if self.block.len() == BLOCK as usize {
                    self.end_block(deltas);
                }
            }
        }
    }

    /// Where the postings begin, in units of 4 bytes. Each ordinal that was announced has been pushed.
    #[must_use]
    pub fn finish(mut self) -> u32 {
        match self.layout {
            Layout::Nothing | Layout::Last | Layout::Every => {}
            Layout::Bitmap(bitmap) => bitmap::rank(bitmap, &mut self.out[self.start..]),
            Layout::Deltas(deltas) => self.end_block(deltas),
        }
        u32::try_from(self.start / 4).unwrap_or(u32::MAX)
    }

    /// Writes the block of differences that has been gathered.
    fn end_block(&mut self, deltas: Deltas) {
        let Some(&first) = self.block.first() else { return };
        let at = (self.out.len() - self.start) as u32;
        match deltas.slot_range(self.blocks).filter(|slot| slot.end <= deltas.table_range().end) {
            None => self.out.extend_from_slice(&first.to_le_bytes()),
            Some(slot) => {
                let slot = self.start + slot.start as usize;
                self.out[slot..slot + 4].copy_from_slice(&first.to_le_bytes());
                self.out[slot + 4..slot + 8].copy_from_slice(&at.to_le_bytes());
            }
        }
        let differences = self.block.len() - 1;
        for n in 0..differences {
            self.block[n] = self.block[n + 1].wrapping_sub(self.block[n]).wrapping_sub(1);
        }
        self.block.truncate(differences);
        let width = packed::width_of(&self.block);
        self.out.push(width);
        packed::pack(&self.block, width, self.out);
        self.block.clear();
        self.blocks += 1;
    }
}

/// How many bytes [`encode`] appends for these, what aligns them not counted.
#[must_use]
pub fn encoded_bytes(ordinals: &[u32], events: u32) -> u64 {
    let mut bytes = Vec::new();
    encode(ordinals, events, &mut bytes);
    bytes.len() as u64
}
