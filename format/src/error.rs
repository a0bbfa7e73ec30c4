//! What can be wrong with bytes.

use std::fmt;

/// Why bytes were refused. Says nothing of files: the caller knows which one it read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The structure needs more bytes than there are.
    Truncated {
        /// Bytes the structure needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The file does not begin as a file of this kind does.
    Magic {
        /// The kind of file that was expected.
        file: &'static str,
    },
    /// The checksum does not match: the bytes changed, or belong to another place.
    Checksum {
        /// The checksum found in the bytes.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// The bytes carry a matching checksum but break a rule of the format.
    Invalid(&'static str),
    /// Written by a newer version that uses something this one does not know.
    Unsupported {
        /// What is not known.
        what: &'static str,
        /// Its value in the file.
        value: u64,
    },
}

impl FormatError {
    /// A word for scripts and logs that never changes.
    ///
    /// ```
    /// assert_eq!(quipu_format::FormatError::Invalid("segment capacity").code(), "invalid");
    /// ```
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            FormatError::Truncated { .. } => "truncated",
            FormatError::Magic { .. } => "magic",
            FormatError::Checksum { .. } => "checksum",
            FormatError::Invalid(_) => "invalid",
            FormatError::Unsupported { .. } => "unsupported",
        }
    }

    /// What to do next, in a sentence for people.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            FormatError::Truncated { .. } => {
                "give all of the bytes; if there are no more, the file was cut short: restore it from a backup"
            }
            FormatError::Magic { .. } => "check the path: this is another kind of file",
            FormatError::Checksum { .. } => {
                "check salt and offset; if they are right, the bytes are damaged: restore them from a backup"
            }
            FormatError::Invalid(_) => {
                "take the bytes for damaged: no writer makes such; restore them from a backup"
            }
            FormatError::Unsupported { .. } => {
                "use the version of Quipu that wrote the file, or a newer one"
            }
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Truncated { needed, available } => {
                write!(f, "{needed} bytes are needed where {available} remain")
            }
            FormatError::Magic { file } => {
                write!(f, "this is no {file}: the first eight bytes differ")
            }
            FormatError::Checksum { stored, computed } => {
                write!(f, "checksum mismatch: stored {stored:#010x}, computed {computed:#010x}")
            }
            FormatError::Invalid(rule) => write!(f, "invalid: {rule}"),
            FormatError::Unsupported { what, value } => {
                write!(f, "{what} {value:#x} is not known to this version")
            }
        }
    }
}

impl std::error::Error for FormatError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_these_for_ever_and_each_error_says_what_to_do() {
        let errors = [
            (FormatError::Truncated { needed: 2, available: 1 }, "truncated"),
            (FormatError::Magic { file: "segment" }, "magic"),
            (FormatError::Checksum { stored: 1, computed: 2 }, "checksum"),
            (FormatError::Invalid("a rule"), "invalid"),
            (FormatError::Unsupported { what: "frame kind", value: 9 }, "unsupported"),
        ];
        for (at, (error, code)) in errors.iter().enumerate() {
            assert_eq!(error.code(), *code);
            let others = errors.iter().skip(at + 1);
            assert!(others.clone().all(|(other, _)| other.code() != error.code()));
            assert!(others.clone().all(|(other, _)| other.advice() != error.advice()));
        }
    }
}
