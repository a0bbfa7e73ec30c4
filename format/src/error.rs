//! What can be wrong with bytes.

/// Why bytes were refused. Says nothing of files: the caller knows which one it read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The structure needs more bytes than there are.
    #[error("{needed} bytes are needed where {available} remain")]
    Truncated {
        /// Bytes the structure needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The file does not begin as a file of this kind does.
    #[error("this is no {file}: the first eight bytes differ")]
    Magic {
        /// The kind of file that was expected.
        file: &'static str,
    },
    /// The checksum does not match: the bytes changed, or belong to another place.
    #[error("checksum mismatch: stored {stored:#010x}, computed {computed:#010x}")]
    Checksum {
        /// The checksum found in the bytes.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// The bytes carry a matching checksum but break a rule of the format.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// Written by a newer version that uses something this one does not know.
    #[error("{what} {value:#x} is not known to this version")]
    Unsupported {
        /// What is not known.
        what: &'static str,
        /// Its value in the file.
        value: u64,
    },
}
