//! Why an index could not be used.

use std::{fmt, io};

use quipu_format::FormatError;

/// Why an index file could not be used. Whatever it is, the log is not concerned: the file can be
/// rebuilt from it.
#[derive(Debug)]
pub enum IndexError {
    /// The bytes are not those that were written, or not those of the file that was asked for.
    Damaged {
        /// Where in the file, as far as it is known.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Written by a newer version that uses something this one does not know.
    Unsupported(FormatError),
    /// The bytes could not be read.
    Io(io::Error),
}

impl IndexError {
    /// Damage at this byte of the file.
    pub(crate) const fn damaged(at: u64, what: &'static str) -> IndexError {
        IndexError::Damaged { at, what }
    }

    /// What is wrong with a structure that begins at this byte of the file.
    pub(crate) fn format(at: u64, error: FormatError) -> IndexError {
        let what = match error {
            FormatError::Truncated { .. } => "it ends too early",
            FormatError::Magic { .. } => "this is no index",
            FormatError::Checksum { .. } => "a checksum does not match",
            FormatError::Invalid(what) => what,
            unsupported @ FormatError::Unsupported { .. } => {
                return IndexError::Unsupported(unsupported);
            }
            _ => "a rule of the format is broken",
        };
        IndexError::Damaged { at, what }
    }
}

impl From<FormatError> for IndexError {
    fn from(error: FormatError) -> IndexError {
        IndexError::format(0, error)
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> IndexError {
        IndexError::Io(error)
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::Damaged { at, what } => {
                write!(f, "the index is damaged at byte {at}: {what}")
            }
            IndexError::Unsupported(error) => write!(f, "the index cannot be understood: {error}"),
            IndexError::Io(error) => write!(f, "the index could not be read: {error}"),
        }
    }
}

impl std::error::Error for IndexError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            IndexError::Damaged { .. } => None,
            IndexError::Unsupported(error) => Some(error),
            IndexError::Io(error) => Some(error),
        }
    }
}
