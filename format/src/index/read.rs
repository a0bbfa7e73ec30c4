//! The first numbers of some bytes.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::FormatError;

/// There are less bytes than are needed.
pub(super) fn short(needed: u64, bytes: &[u8]) -> FormatError {
    FormatError::Truncated { needed, available: bytes.len() as u64 }
}

/// The structure that begins these bytes.
pub(super) fn front<T>(bytes: &[u8]) -> Result<&T, FormatError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let (raw, _) = T::ref_from_prefix(bytes).map_err(|_| short(size_of::<T>() as u64, bytes))?;
    Ok(raw)
}

/// The two `u32` that begin these bytes.
pub(super) fn pair(bytes: &[u8]) -> Result<(u32, u32), FormatError> {
    let both = u64::from_le_bytes(*front(bytes)?);
    Ok((both as u32, (both >> 32) as u32))
}
