//! What a file demands of its reader.
//!
//! Every file header carries three masks of feature bits. A reader that meets a bit it does not know
//! goes by the mask it stands in: *compatible* bits may be ignored, with an unknown *read-only
//! compatible* bit the file may be read but not written, an unknown *incompatible* bit means that the
//! file cannot be understood.

use crate::FormatError;

/// The three masks of a file header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// May be ignored by who does not know them.
    pub compatible: u32,
    /// Forbid writing to who does not know them.
    pub read_only_compatible: u32,
    /// Forbid reading to who does not know them.
    pub incompatible: u32,
}

/// What a reader may do with a file, by its feature bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Read and write.
    ReadWrite,
    /// Only read: somebody newer wrote something that a writer would have to keep up.
    ReadOnly,
}

impl Features {
    /// The bits that this version knows. None has been needed yet.
    pub const KNOWN: Features =
        Features { compatible: 0, read_only_compatible: 0, incompatible: 0 };

    /// What this version may do with a file that carries these bits.
    ///
    /// # Errors
    /// [`FormatError::Unsupported`] where an incompatible bit is not known.
    pub fn permit(self) -> Result<Use, FormatError> {
        let unknown = self.incompatible & !Features::KNOWN.incompatible;
        if unknown != 0 {
            return Err(FormatError::Unsupported {
                what: "incompatible feature",
                value: u64::from(unknown),
            });
        }
        if self.read_only_compatible & !Features::KNOWN.read_only_compatible != 0 {
            return Ok(Use::ReadOnly);
        }
        Ok(Use::ReadWrite)
    }
}
