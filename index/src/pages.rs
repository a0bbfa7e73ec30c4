//! An index file as pages, each of which is checked before anything in it is believed.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu_format::PAGE_BYTES;
use quipu_format::index::checks::{self, Tie};
use quipu_format::index::{IndexHeader, Span};

use crate::{IndexError, Source};

/// Pages that [`Pages::verify`] reads at once.
const PAGES_AT_ONCE: u64 = 64;

/// The bytes of an index file.
#[derive(Debug)]
pub(crate) struct Pages {
    source: Box<dyn Source>,
    header: IndexHeader,
    tie: Tie,
    /// The section of checksums.
    checks: Box<[u8]>,
    /// One bit for each page, set once it was found whole. The bytes never change, so who sees a bit need
    /// not see anything else that was done before it was set.
    checked: Box<[AtomicU64]>,
}

impl Pages {
    /// Reads the header page and the checksums. Everything else waits until it is needed.
    pub(crate) fn open(source: Box<dyn Source>) -> Result<Pages, IndexError> {
        let (header, tie) = read_header(&*source)?;
        header.features.permit()?;
        let checks = read_checks(&*source, &header)?;
        let pages = header.sections.checks.start / PAGE_BYTES;
        let checked = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Pages { source, header, tie, checks, checked })
    }

    pub(crate) fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// A part of a section, every byte of it checked.
    pub(crate) fn part(
        &self,
        section: Span,
        range: Range<u64>,
    ) -> Result<Cow<'_, [u8]>, IndexError> {
        self.read(section.part(range).map_err(|error| IndexError::format(section.start, error))?)
    }

    /// A part of a section of which only the start is certain: what lies behind the section is left out.
    pub(crate) fn clip(
        &self,
        section: Span,
        range: Range<u64>,
    ) -> Result<Cow<'_, [u8]>, IndexError> {
        self.read(section.clip(range).map_err(|error| IndexError::format(section.start, error))?)
    }

    /// Checks every byte of the file again, those included that were found whole before.
    pub(crate) fn verify(&self) -> Result<(), IndexError> {
        let (header, _) = read_header(&*self.source)?;
        if header != self.header || read_checks(&*self.source, &header)? != self.checks {
            return Err(IndexError::damaged(0, "the file has changed"));
        }
        let end = self.header.sections.checks.start / PAGE_BYTES;
        let mut page = 1;
        while page < end {
            let next = end.min(page + PAGES_AT_ONCE);
            self.check(page..next)?;
            page = next;
        }
        Ok(())
    }

    /// Bytes of the sections, by their place in the file.
    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>, IndexError> {
        if range.is_empty() {
            return Ok(Cow::Borrowed(&[]));
        }
        if range.start < PAGE_BYTES || range.end > self.header.sections.checks.start {
            return Err(IndexError::damaged(range.start, "a place outside of the sections"));
        }
        let pages = range.start / PAGE_BYTES..range.end.div_ceil(PAGE_BYTES);
        if pages.clone().all(|page| self.is_checked(page)) {
            return exactly(&*self.source, range);
        }
        // What was checked is what is given: a source that copies is not asked twice.
        let start = (range.start - pages.start * PAGE_BYTES) as usize;
        let wanted = start..start + (range.end - range.start) as usize;
        Ok(match self.check(pages)? {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[wanted]),
            Cow::Owned(mut bytes) => {
                bytes.truncate(wanted.end);
                bytes.drain(..wanted.start);
                Cow::Owned(bytes)
            }
        })
    }

    /// Reads whole pages and checks each.
    fn check(&self, pages: Range<u64>) -> Result<Cow<'_, [u8]>, IndexError> {
        let bytes = exactly(&*self.source, pages.start * PAGE_BYTES..pages.end * PAGE_BYTES)?;
        for (page, bytes) in pages.zip(bytes.chunks_exact(PAGE_BYTES as usize)) {
            // The header's decoder refuses a file of more pages than a `u32` counts.
            let number = u32::try_from(page).unwrap_or(u32::MAX);
            self.tie
                .check(number, bytes, &self.checks)
                .map_err(|error| IndexError::format(page * PAGE_BYTES, error))?;
            self.checked[(page / 64) as usize].fetch_or(1 << (page % 64), Ordering::Relaxed);
        }
        Ok(bytes)
    }

    fn is_checked(&self, page: u64) -> bool {
        let word = self.checked[(page / 64) as usize].load(Ordering::Relaxed);
        word & (1 << (page % 64)) != 0
    }
}

fn read_header(source: &dyn Source) -> Result<(IndexHeader, Tie), IndexError> {
    let size = source.size();
    let page = exactly(source, 0..size.min(PAGE_BYTES))?;
    Ok((IndexHeader::decode(&page, size)?, Tie::of(&page)?))
}

fn read_checks(source: &dyn Source, header: &IndexHeader) -> Result<Box<[u8]>, IndexError> {
    let section = header.sections.checks;
    let checks = exactly(source, section.all())?;
    checks::check_all(&checks, header.checks_crc)
        .map_err(|error| IndexError::format(section.start, error))?;
    Ok(checks.into())
}

/// All of these bytes, or an error.
fn exactly(source: &dyn Source, range: Range<u64>) -> Result<Cow<'_, [u8]>, IndexError> {
    let wanted = range.end - range.start;
    let bytes = source.read(range)?;
    if bytes.len() as u64 != wanted {
        return Err(IndexError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}
