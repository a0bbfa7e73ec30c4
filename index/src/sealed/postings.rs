//! Reading the ordinals of one key.

use std::ops::Range;

use quipu_format::FormatError;
use quipu_format::index::bitmap::{Bitmap, Chunk};
use quipu_format::index::postings::{Deltas, Layout, Slot};
use quipu_format::index::{Entry, Span};

use super::{Sealed, held};
use crate::pages::Pages;
use crate::part::BATCH;
use crate::{Held, IndexError};

/// Chunks of a bitmap that are read at once: half a kilobyte.
const CHUNKS_AT_ONCE: u32 = 8;

/// Chunks of a bitmap that are read at once by who reads all of it: 32 KiB.
const CHUNKS_OF_ALL: u32 = 512;

/// The chunks of a bitmap, as many at a time as are read at once.
fn walk(bitmap: Bitmap) -> impl Iterator<Item = Range<u32>> {
    let firsts = (0..bitmap.chunks()).step_by(CHUNKS_OF_ALL as usize);
    firsts.map(move |first| first..bitmap.chunks().min(first.saturating_add(CHUNKS_OF_ALL)))
}

const OVERLAP: &str = "postings that overlap";

/// Goes through the postings of entries in order: those of each stand behind those of the one before, and all are no
/// more than the covered part of the segment can ask for. So nobody can make a small file long to read, or have much
/// made of it.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    sealed: &'a Sealed,
    /// Where those of the entries so far end in the section.
    end: u64,
    /// So many more there may be.
    left: u64,
}

impl<'a> Places<'a> {
    pub(super) fn of(sealed: &'a Sealed) -> Places<'a> {
        Places { sealed, end: 0, left: sealed.covers().postings_max() }
    }

    /// Shows all ordinals of the next entry, some at a time.
    pub(crate) fn each(
        &mut self,
        entry: &Entry,
        each: &mut dyn FnMut(&[u32]),
    ) -> Result<(), IndexError> {
        let postings = self.sealed.postings(&held(entry))?;
        let Some(left) = self.left.checked_sub(entry.count.into()) else {
            return Err(IndexError::damaged(
                postings.span.start,
                "more postings than events can have",
            ));
        };
        self.left = left;
        let is_stored = matches!(postings.layout, Layout::Bitmap(_) | Layout::Deltas(_));
        if is_stored && entry.postings_at() < self.end {
            return Err(IndexError::damaged(postings.span.start, OVERLAP));
        }
        let bytes = postings.each(each)?;
        if is_stored {
            self.end = entry.postings_at() + bytes;
        }
        Ok(())
    }
}

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

    /// Shows all ordinals, some at a time. Gives how many bytes they take from where they begin: no block is read for
    /// two.
    pub(super) fn each(&self, each: &mut dyn FnMut(&[u32])) -> Result<u64, IndexError> {
        let mut some = Vec::new();
        match self.layout {
            Layout::Nothing => {}
            Layout::Last => each(&[self.held.last]),
            Layout::Every => {
                for first in (0..self.events).step_by(BATCH) {
                    some.clear();
                    some.extend((first..self.events).take(BATCH));
                    each(&some);
                }
            }
            Layout::Bitmap(bitmap) => {
                for chunks in walk(bitmap) {
                    self.chunks(bitmap, chunks, |chunk| {
                        some.clear();
                        some.extend(chunk.ascending());
                        each(&some);
                    })?;
                }
                return Ok(bitmap.bytes());
            }
            Layout::Deltas(deltas) => {
                let mut free = deltas.table_range().end;
                for block in 0..deltas.blocks() {
                    some.clear();
                    let taken = self.block(deltas, block, &mut some)?;
                    if taken.start < free {
                        return Err(IndexError::damaged(self.span.start, OVERLAP));
                    }
                    free = taken.end;
                    each(&some);
                }
                return Ok(free);
            }
        }
        Ok(0)
    }

    /// Whether the table of a bitmap says how many ordinals stand before each chunk.
    pub(super) fn is_ranked(&self) -> Result<bool, IndexError> {
        let Layout::Bitmap(bitmap) = self.layout else { return Ok(true) };
        let (mut before, mut agree) = (0u32, true);
        for chunks in walk(bitmap) {
            let ranks = self.pages.part(self.span, bitmap.ranks_of(chunks.clone()))?;
            let mut ranks = ranks.as_chunks::<4>().0.iter();
            self.chunks(bitmap, chunks, |chunk| {
                agree &= ranks.next() == Some(&before.to_le_bytes());
                before += chunk.count();
            })?;
        }
        Ok(agree)
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

    /// Appends the ordinals of a block. Gives where they stand, from where the postings begin.
    fn block(
        &self,
        deltas: Deltas,
        block: u32,
        out: &mut Vec<u32>,
    ) -> Result<Range<u64>, IndexError> {
        let slot = self.slot(deltas, block)?;
        let range = deltas.block_range(slot);
        let bytes = self.pages.clip(self.span, range.clone())?;
        let taken = deltas.decode(block, slot, &bytes, out).map_err(|error| self.damaged(error))?;
        Ok(range.start..range.start + taken)
    }

    fn damaged(&self, error: FormatError) -> IndexError {
        IndexError::format(self.span.start, error)
    }

    fn missing(&self) -> IndexError {
        IndexError::damaged(self.span.start, "the key has no such ordinal")
    }
}
