//! Where the bytes of an index file go, and the file as pages that are written one after the other.

use std::io;

use quipu_format::index::checks::Tie;
use quipu_format::index::{IndexHeader, Span};
use quipu_format::{PAGE_BYTES, checksum};

use crate::IndexError;

/// Takes the bytes of an index file.
pub trait Sink {
    /// Writes all of these bytes at this place of the file, which grows as needed.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
}

/// A file in memory.
impl Sink for Vec<u8> {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(at).map_err(io::Error::other)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::InvalidInput)?;
        self.resize(self.len().max(end), 0);
        self[start..end].copy_from_slice(bytes);
        Ok(())
    }
}

/// Bytes that are written at once, as whole pages.
const HELD_BYTES: usize = 64 << 10;
const PAGE: usize = PAGE_BYTES as usize;
const _: () = assert!(HELD_BYTES.is_multiple_of(PAGE));

/// Writes the sections of an index file from the first page behind the header on, and sums them on the way.
pub(crate) struct PageWriter<'s> {
    sink: &'s mut dyn Sink,
    tie: Tie,
    /// What is not written yet.
    held: Vec<u8>,
    /// Where that begins in the file.
    held_at: u64,
    /// The checksums of the pages that are written.
    checks: Vec<u8>,
}

impl<'s> PageWriter<'s> {
    /// For the file with this header, of which only the checksum is not known yet.
    pub(crate) fn new(
        sink: &'s mut dyn Sink,
        header: &IndexHeader,
    ) -> Result<PageWriter<'s>, IndexError> {
        let tie = Tie::of(&header.encode())?;
        let held = Vec::with_capacity(HELD_BYTES);
        Ok(PageWriter { sink, tie, held, held_at: PAGE_BYTES, checks: Vec::new() })
    }

    /// Where the next byte goes.
    pub(crate) fn at(&self) -> u64 {
        self.held_at + self.held.len() as u64
    }

    /// Fills up with zeros to where a section begins, and goes on with these bytes of it.
    pub(crate) fn section(&mut self, section: Span, bytes: &[u8]) -> Result<(), IndexError> {
        self.fill_to(section.start)?;
        self.write(bytes)
    }

    /// Goes on with these bytes.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), IndexError> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(HELD_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            bytes = rest;
            if self.held.len() == HELD_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the checksums, and the header that has theirs.
    pub(crate) fn finish(mut self, header: IndexHeader) -> Result<(), IndexError> {
        self.fill_to(header.sections.checks.start)?;
        self.flush()?;
        self.sink.write_at(self.held_at, &self.checks)?;
        let checks_crc = checksum::plain(&self.checks);
        self.sink.write_at(0, &IndexHeader { checks_crc, ..header }.encode())?;
        Ok(())
    }

    fn fill_to(&mut self, at: u64) -> Result<(), IndexError> {
        while let Some(missing) = at.checked_sub(self.at()).filter(|missing| *missing > 0) {
            self.write(&[0; PAGE][..missing.min(PAGE_BYTES) as usize])?;
        }
        Ok(())
    }

    /// Sums and writes what is held: whole pages.
    fn flush(&mut self) -> Result<(), IndexError> {
        let first = self.held_at / PAGE_BYTES;
        for (number, page) in (first..).zip(self.held.chunks_exact(PAGE)) {
            // A run has less entries than a `u32` counts, and so less pages.
            let sum = self.tie.sum(u32::try_from(number).unwrap_or(u32::MAX), page)?;
            self.checks.extend_from_slice(&sum.to_le_bytes());
        }
        self.sink.write_at(self.held_at, &self.held)?;
        self.held_at += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }
}
