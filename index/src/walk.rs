//! Going through a section whose items have one size.

use std::borrow::Cow;

use quipu_format::index::Span;

use crate::IndexError;
use crate::pages::Pages;

/// Bytes that are read at once.
const CHUNK_BYTES: u64 = 64 << 10;

/// Goes through the items of a section.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    pages: &'a Pages,
    section: Span,
    item_bytes: u64,
    /// Where the present item begins in the section.
    at: u64,
    chunk: Cow<'a, [u8]>,
    /// Where the chunk begins in the section.
    chunk_at: u64,
}

impl<'a> Walk<'a> {
    /// At the first item of a section.
    pub(crate) fn new(pages: &'a Pages, section: Span, item_bytes: u64) -> Walk<'a> {
        Walk { pages, section, item_bytes, at: 0, chunk: Cow::Borrowed(&[]), chunk_at: 0 }
    }

    /// The present item. None at the end.
    pub(crate) fn item(&mut self) -> Result<Option<&[u8]>, IndexError> {
        if self.at + self.item_bytes > self.section.bytes {
            return Ok(None);
        }
        if self.at + self.item_bytes > self.chunk_at + self.chunk.len() as u64 {
            let items = CHUNK_BYTES / self.item_bytes;
            self.chunk =
                self.pages.clip(self.section, self.at..self.at + items * self.item_bytes)?;
            self.chunk_at = self.at;
        }
        let start = (self.at - self.chunk_at) as usize;
        Ok(self.chunk.get(start..start + self.item_bytes as usize))
    }

    /// Moves on to the next item.
    pub(crate) fn advance(&mut self) {
        self.at += self.item_bytes;
    }

    /// Where the present item begins in the file.
    pub(crate) fn at(&self) -> u64 {
        self.section.start + self.at
    }
}
