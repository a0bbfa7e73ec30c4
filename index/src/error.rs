//! Why an index could not be used.

use std::{fmt, io};

use quipu_format::FormatError;

/// Why an index file could not be used. Whatever it is, the log is not concerned: the file can be
/// rebuilt from it.
#[derive(Debug)]
#[non_exhaustive]
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
    /// A word for scripts and logs that never changes.
    ///
    /// ```
    /// use quipu_index::IndexError;
    ///
    /// assert_eq!(IndexError::Damaged { at: 0, what: "this is no index" }.code(), "damaged");
    /// ```
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            IndexError::Damaged { .. } => "damaged",
            IndexError::Unsupported(_) => "unsupported",
            IndexError::Io(_) => "io",
        }
    }

    /// What to do next, in a sentence for people.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            IndexError::Damaged { .. } => "make the index anew from the log; no event is concerned",
            IndexError::Unsupported(_) => {
                "use the version of Quipu that wrote the index, or make it anew from the log"
            }
            IndexError::Io(_) => "see the system's message; the call can be repeated",
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_these_for_ever_and_each_error_says_what_to_do() {
        let newer = FormatError::Unsupported { what: "incompatible feature", value: 1 };
        let errors = [
            (IndexError::damaged(4, "a checksum does not match"), "damaged"),
            (IndexError::from(newer), "unsupported"),
            (IndexError::from(io::Error::from(io::ErrorKind::NotFound)), "io"),
        ];
        for (at, (error, code)) in errors.iter().enumerate() {
            assert_eq!(error.code(), *code);
            let others = errors.iter().skip(at + 1);
            assert!(others.clone().all(|(other, _)| other.code() != error.code()));
            assert!(others.clone().all(|(other, _)| other.advice() != error.advice()));
        }
    }
}
