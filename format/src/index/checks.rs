//! The checksum of each page of an index file, so that any page can be verified alone.
//!
//! The CRC-32 of a page runs over its 4,096 bytes, then over bytes 20 to 88 of the header page, which say
//! what the file is about, and the number of the page. So the bytes of another page, or of another
//! version of the same file, do not pass.

use std::ops::Range;

use super::read::short;
use crate::{FormatError, PAGE_BYTES};

/// The bytes of the header page that say what the file is about.
pub(super) const TIE: Range<usize> = 20..88;
const TIE_BYTES: usize = TIE.end - TIE.start;

/// What ties pages to their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tie([u8; TIE_BYTES]);

impl Tie {
    /// That of the file with this header page, as it stands there: what is reserved in it is summed too.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn of(page: &[u8]) -> Result<Tie, FormatError> {
        let about = page.get(TIE).and_then(|bytes| bytes.first_chunk());
        about.map(|about| Tie(*about)).ok_or(short(PAGE_BYTES, page))
    }

    /// The checksum of the page with this number, counted from 0 for the header page.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] where there are less bytes than a page. What follows it is not summed.
    pub fn sum(&self, page: u32, bytes: &[u8]) -> Result<u32, FormatError> {
        let whole = bytes.get(..PAGE_BYTES as usize).ok_or(short(PAGE_BYTES, bytes))?;
        Ok(crc(&self.0, page, whole))
    }

    /// Checks a page against the section of checksums.
    ///
    /// # Errors
    /// [`FormatError::Checksum`] where it does not match, [`FormatError::Truncated`] for less than a page,
    /// [`FormatError::Invalid`] for a page that has no checksum.
    pub fn check(&self, page: u32, bytes: &[u8], checks: &[u8]) -> Result<(), FormatError> {
        let stored = stored(checks, page).ok_or(FormatError::Invalid("a page without checksum"))?;
        let computed = self.sum(page, bytes)?;
        if stored == computed { Ok(()) } else { Err(FormatError::Checksum { stored, computed }) }
    }
}

/// Checks the section of checksums itself, against the header's
/// [`checks_crc`](super::IndexHeader::checks_crc).
///
/// # Errors
/// [`FormatError::Checksum`].
pub fn check_all(checks: &[u8], stored: u32) -> Result<(), FormatError> {
    let computed = crate::checksum::plain(checks);
    if stored == computed { Ok(()) } else { Err(FormatError::Checksum { stored, computed }) }
}

/// Where the checksum of a page stands within the section. The header page has none there.
#[must_use]
pub fn part(page: u32) -> Option<Range<u64>> {
    let at = u64::from(page.checked_sub(1)?) * 4;
    Some(at..at + 4)
}

/// The checksum of a page in the section of checksums.
#[must_use]
pub fn stored(checks: &[u8], page: u32) -> Option<u32> {
    let at = part(page)?;
    let bytes = checks.get(at.start as usize..at.end as usize)?;
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The section of checksums of a file with this header page and these pages behind it.
pub(super) fn encode(header: &[u8], pages: &[u8]) -> Vec<u8> {
    let numbered = (1..).zip(pages.chunks_exact(PAGE_BYTES as usize));
    numbered.flat_map(|(number, page)| crc(&header[TIE], number, page).to_le_bytes()).collect()
}

fn crc(about: &[u8], page: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes);
    hasher.update(about);
    hasher.update(&page.to_le_bytes());
    hasher.finalize()
}
