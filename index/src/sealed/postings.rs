//! Reading the ordinals of one key.

use std::ops::Range;

use quipu_format::FormatError;
use quipu_format::index::Span;
use quipu_format::index::bitmap::{Bitmap, Chunk};
use quipu_format::index::postings::{Deltas, Layout, Slot};

use super::Sealed;
use crate::pages::Pages;
use crate::part::BATCH;
use crate::{Held, IndexError};

/// Chunks of a bitmap that are read at once: half a kilobyte.
const CHUNKS_AT_ONCE: u32 = 8;

/// The ordinals of one key.
#[derive(Debug)]
pub(super) struct Postings<'a> {
    pages: &'a Pages,
    /// From where they begin to the end of the section.
    span: Span,
    layout: Layout,
    held: Held,
    /// Number of ordinals in the segment.
    events: u32,
}

impl Sealed {
    pub(super) fn postings(&self, held: &Held) -> Result<Postings<'_>, IndexError> {
        let section = self.pages.header().sections.postings;
        let damaged = |error| IndexError::format(section.start, error);
        let span = section.tail(u64::from(held.postings) * 4).map_err(damaged)?;
        let events = self.covers.events;
        let layout = Layout::of(held.count, events).map_err(damaged)?;
        Ok(Postings { pages: &self.pages, span, layout, held: *held, events })
    }
}

impl Postings<'_> {
    /// The `n`-th ordinal.
    pub(super) fn nth(&self, n: u32) -> Result<u32, IndexError> {
        if n >= self.held.count {
            return Err(self.missing());
        }
        match self.layout {
            Layout::Nothing => Err(self.missing()),
            Layout::Last => Ok(self.held.last),
            Layout::Every => Ok(n),
            Layout::Bitmap(bitmap) => self.nth_bit(bitmap, n),
            Layout::Deltas(deltas) => {
                let (block, index) = deltas.block_of(n);
                let slot = self.slot(deltas, block)?;
                let bytes = self.pages.clip(self.span, deltas.block_range(slot))?;
                deltas.nth(block, slot, &bytes, index).map_err(|error| self.damaged(error))
            }
        }
    }

    /// Appends up to 128 ordinals from `from` on.
    pub(super) fn ascending(&self, from: u32, out: &mut Vec<u32>) -> Result<(), IndexError> {
        match self.layout {
            Layout::Nothing => {}
            Layout::Last => out.extend(Some(self.held.last).filter(|last| *last >= from)),
            Layout::Every => out.extend((from..self.events).take(BATCH)),
            Layout::Bitmap(bitmap) => self.bits_ascending(bitmap, from, out)?,
            Layout::Deltas(deltas) => {
                let mut block = self.find(deltas, from)?;
                while out.is_empty() && block < deltas.blocks() {
                    self.block(deltas, block, out)?;
                    let below = out.partition_point(|&ordinal| ordinal < from);
                    out.drain(..below);
                    block += 1;
                }
            }
        }
        Ok(())
    }

    /// Appends up to 128 ordinals from `from` down.
    pub(super) fn descending(&self, from: u32, out: &mut Vec<u32>) -> Result<(), IndexError> {
        match self.layout {
            Layout::Nothing => {}
            Layout::Last => out.extend(Some(self.held.last).filter(|last| *last <= from)),
            Layout::Every => out.extend((0..self.events).take(from as usize + 1).rev().take(BATCH)),
            Layout::Bitmap(bitmap) => self.bits_descending(bitmap, from, out)?,
            Layout::Deltas(deltas) => {
                self.block(deltas, self.find(deltas, from)?, out)?;
                out.truncate(out.partition_point(|&ordinal| ordinal <= from));
                out.reverse();
            }
        }
        Ok(())
    }

    /// Appends all ordinals.
    pub(super) fn all(&self, out: &mut Vec<u32>) -> Result<(), IndexError> {
        match self.layout {
            Layout::Nothing => {}
            Layout::Last => out.push(self.held.last),
            Layout::Every => out.extend(0..self.events),
            Layout::Bitmap(bitmap) => {
                for first in (0..bitmap.chunks()).step_by(CHUNKS_AT_ONCE as usize) {
                    let chunks = first..bitmap.chunks().min(first + CHUNKS_AT_ONCE);
                    self.chunks(bitmap, chunks, |chunk| out.extend(chunk.ascending()))?;
                }
            }
            Layout::Deltas(deltas) => {
                for block in 0..deltas.blocks() {
                    self.block(deltas, block, out)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the table of a bitmap says how many of these ordinals, which are all, stand before each chunk.
    pub(super) fn is_ranked(&self, ordinals: &[u32]) -> Result<bool, IndexError> {
        let Layout::Bitmap(bitmap) = self.layout else { return Ok(true) };
        let ranks = self.pages.part(self.span, bitmap.ranks_range())?;
        let (ranks, _) = ranks.as_chunks::<4>();
        let before = |chunk| ordinals.partition_point(|&at| bitmap.chunk_of(at) < chunk);
        let mut numbered = (0..).zip(ranks);
        Ok(numbered.all(|(chunk, rank)| u32::from_le_bytes(*rank) as usize == before(chunk)))
    }

    fn nth_bit(&self, bitmap: Bitmap, n: u32) -> Result<u32, IndexError> {
        let ranks = self.pages.part(self.span, bitmap.ranks_range())?;
        let (number, rest) = bitmap.find_nth(&ranks, n);
        let mut found = None;
        self.chunks(bitmap, number..number + 1, |chunk| found = chunk.nth(rest))?;
        found.ok_or_else(|| self.missing())
    }

    fn bits_ascending(
        &self,
        bitmap: Bitmap,
        from: u32,
        out: &mut Vec<u32>,
    ) -> Result<(), IndexError> {
        let mut next = bitmap.chunk_of(from);
        while out.len() < BATCH && next < bitmap.chunks() {
            let end = bitmap.chunks().min(next + CHUNKS_AT_ONCE);
            self.chunks(bitmap, next..end, |chunk| {
                out.extend(chunk.from(from).ascending().take(BATCH - out.len()));
            })?;
            next = end;
        }
        Ok(())
    }

    fn bits_descending(
        &self,
        bitmap: Bitmap,
        from: u32,
        out: &mut Vec<u32>,
    ) -> Result<(), IndexError> {
        let mut end = bitmap.chunks().min(bitmap.chunk_of(from) + 1);
        let mut chunks = Vec::with_capacity(CHUNKS_AT_ONCE as usize);
        while out.len() < BATCH && end > 0 {
            let start = end.saturating_sub(CHUNKS_AT_ONCE);
            chunks.clear();
            self.chunks(bitmap, start..end, |chunk| chunks.push(chunk))?;
            for chunk in chunks.iter().rev() {
                out.extend(chunk.until(from).descending().take(BATCH - out.len()));
            }
            end = start;
        }
        Ok(())
    }

    /// Reads chunks of a bitmap that stand side by side.
    fn chunks(
        &self,
        bitmap: Bitmap,
        numbers: Range<u32>,
        mut each: impl FnMut(Chunk),
    ) -> Result<(), IndexError> {
        let start = bitmap.chunk_range(numbers.start).start;
        let end = bitmap.chunk_range(numbers.end).start;
        let bytes = self.pages.part(self.span, start..end)?;
        for number in numbers {
            let at = (bitmap.chunk_range(number).start - start) as usize;
            let rest = bytes.get(at..).unwrap_or_default();
            each(bitmap.chunk(number, rest).map_err(|error| self.damaged(error))?);
        }
        Ok(())
    }

    /// The last block that begins with an ordinal of at most `from`.
    fn find(&self, deltas: Deltas, from: u32) -> Result<u32, IndexError> {
        let table = self.pages.part(self.span, deltas.table_range())?;
        Ok(deltas.find(&table, from))
    }

    fn slot(&self, deltas: Deltas, block: u32) -> Result<Slot, IndexError> {
        let Some(range) = deltas.slot_range(block) else { return Ok(Slot::ONLY) };
        let bytes = self.pages.part(self.span, range)?;
        deltas.slot(&bytes).map_err(|error| self.damaged(error))
    }

    /// Appends the ordinals of a block.
    fn block(&self, deltas: Deltas, block: u32, out: &mut Vec<u32>) -> Result<(), IndexError> {
        let slot = self.slot(deltas, block)?;
        let bytes = self.pages.clip(self.span, deltas.block_range(slot))?;
        deltas.decode(block, slot, &bytes, out).map_err(|error| self.damaged(error))
    }

    fn damaged(&self, error: FormatError) -> IndexError {
        IndexError::format(self.span.start, error)
    }

    fn missing(&self) -> IndexError {
        IndexError::damaged(self.span.start, "the key has no such ordinal")
    }
}
