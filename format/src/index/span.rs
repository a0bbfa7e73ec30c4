//! A run of bytes in a file, and ranges within it.

use std::ops::Range;

use crate::FormatError;

/// A run of bytes of a file: a section, or what remains of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it begins, in bytes from the start of the file.
    pub start: u64,
    /// How long it is.
    pub bytes: u64,
}

const BEYOND: FormatError = FormatError::Invalid("a place beyond its section");

impl Span {
    /// Where it ends. Saturates; a span of a decoded header ends within its file.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.bytes)
    }

    /// All of it, as a range of the file.
    #[must_use]
    pub const fn all(self) -> Range<u64> {
        self.start..self.end()
    }

    /// A range that counts from the span's start, as a range of the file.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] where it does not lie within the span.
    pub fn part(self, range: Range<u64>) -> Result<Range<u64>, FormatError> {
        if range.start > range.end || range.end > self.bytes {
            return Err(BEYOND);
        }
        Ok(self.start + range.start..self.start + range.end)
    }

    /// The same for a range of which only the start is certain: what of it lies behind the span's end is
    /// left out.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] where it begins behind the span's end.
    pub fn clip(self, range: Range<u64>) -> Result<Range<u64>, FormatError> {
        self.part(range.start..range.end.min(self.bytes))
    }

    /// What remains of the span from `at` on, counted from its start.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] where that is behind its end.
    pub fn tail(self, at: u64) -> Result<Span, FormatError> {
        let bytes = self.bytes.checked_sub(at).ok_or(BEYOND)?;
        Ok(Span { start: self.start + at, bytes })
    }
}
