//! The directory: for each value of a key's top bits, the number of the first entry that is not before it.

use std::ops::Range;

use super::read::pair;
use crate::FormatError;

/// Most bits that lead to a slot.
pub const BITS_MAX: u8 = 32;

/// How many bits a directory for this many entries has: about eight entries a slot.
#[must_use]
pub const fn bits_for(entries: u32) -> u8 {
    let slots = entries.div_ceil(8);
    if slots <= 1 { 0 } else { (u32::BITS - (slots - 1).leading_zeros()) as u8 }
}

/// How many bytes a directory with this many bits takes; nothing for too many bits.
#[must_use]
pub const fn bytes(bits: u8) -> Option<u64> {
    if bits > BITS_MAX { None } else { Some(((1 << bits) + 1) * 4) }
}

/// The slot of a key: its top bits.
#[must_use]
pub fn slot(bits: u8, key: u128) -> u64 {
    match key.checked_shr(u128::BITS - u32::from(bits.min(BITS_MAX))) {
        Some(top) => top as u64,
        None => 0,
    }
}

/// Where the slot of a key and the next one stand within the section.
#[must_use]
pub fn part(bits: u8, key: u128) -> Range<u64> {
    let at = slot(bits, key) * 4;
    at..at + 8
}

/// Reads the two numbers that [`part`] names: the entries of which one may hold the key.
///
/// # Errors
/// [`FormatError::Truncated`], or [`FormatError::Invalid`] for entries that there are not.
pub fn decode(bytes: &[u8], entries: u32) -> Result<Range<u32>, FormatError> {
    let (first, end) = pair(bytes)?;
    if first > end || end > entries {
        return Err(FormatError::Invalid("slot of the directory"));
    }
    Ok(first..end)
}

/// Appends the directory of these keys, which are sorted, to `out`.
pub fn encode(bits: u8, keys: impl IntoIterator<Item = u128>, out: &mut Vec<u8>) {
    let bits = bits.min(BITS_MAX);
    let (mut next, mut count) = (0, 0u32);
    for key in keys {
        let slot = slot(bits, key);
        while next <= slot {
            out.extend_from_slice(&count.to_le_bytes());
            next += 1;
        }
        count += 1;
    }
    while next <= 1 << bits {
        out.extend_from_slice(&count.to_le_bytes());
        next += 1;
    }
}
