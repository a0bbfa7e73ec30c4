//! What the header page of a segment's file asks of its reader.

use quipu_disk::{File, read_exact_at};
use quipu_format::features::Use;
use quipu_format::segment::SegmentHeader;
use quipu_format::{FormatError, PAGE_BYTES};

/// What this version may do with a segment's file, by its feature bits.
///
/// A page that does not sum up, or that the system cannot read, asks for nothing: that is damage of the page, and the
/// records behind it have checksums of their own.
///
/// # Errors
/// [`FormatError::Unsupported`] where a page that sums up asks for what is not known here.
pub(crate) fn permit(file: &dyn File) -> Result<Use, FormatError> {
    let mut page = [0; PAGE_BYTES as usize];
    if let Err(error) = read_exact_at(file, &mut page, 0) {
        tracing::warn!(%error, "the header of a segment cannot be read");
        return Ok(Use::ReadWrite);
    }
    match SegmentHeader::decode(&page) {
        Ok(header) => header.features.permit(),
        Err(newer @ FormatError::Unsupported { .. }) => Err(newer),
        Err(_) => Ok(Use::ReadWrite),
    }
}
