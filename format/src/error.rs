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
