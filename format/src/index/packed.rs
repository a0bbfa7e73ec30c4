//! Numbers of a few bits each, one after the other: the lowest bit of the first is the lowest bit of the
//! first byte. The last byte is filled up with zeros.

use super::read::short;
use crate::FormatError;

/// Most bits of a number.
pub const WIDTH_MAX: u8 = 32;

/// The least width that holds all of these.
#[must_use]
pub fn width_of(values: &[u32]) -> u8 {
    let all = values.iter().fold(0, |all, value| all | value);
    (u32::BITS - all.leading_zeros()) as u8
}

/// How many bytes so many numbers of this width take.
#[must_use]
pub const fn bytes(count: usize, width: u8) -> usize {
    count.saturating_mul(width as usize).div_ceil(8)
}

/// Appends numbers of at most `width` bits to `out`; higher bits are lost, as is any width beyond 32.
pub fn pack(values: &[u32], width: u8, out: &mut Vec<u8>) {
    let width = u32::from(width.min(WIDTH_MAX));
    let mask = (1u64 << width) - 1;
    let (mut held, mut bits) = (0u64, 0);
    for value in values {
        held |= (u64::from(*value) & mask) << bits;
        bits += width;
        if bits >= 32 {
            out.extend_from_slice(&(held as u32).to_le_bytes());
            held >>= 32;
            bits -= 32;
        }
    }
    out.extend_from_slice(&held.to_le_bytes()[..bits.div_ceil(8) as usize]);
}

/// So many packed numbers that begin these bytes.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    bytes: &'a [u8],
    count: usize,
    width: u8,
}

impl<'a> Packed<'a> {
    /// Takes the numbers from the front of `bytes`, of which the first says the width: the form in which
    /// postings and offsets hold them.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] where the numbers need more bytes, [`FormatError::Invalid`] for a width
    /// beyond 32.
    pub fn with_width(bytes: &'a [u8], count: usize) -> Result<Packed<'a>, FormatError> {
        let (width, bytes) = bytes.split_first().ok_or(short(1, bytes))?;
        Packed::new(bytes, count, *width)
    }

    /// Takes the numbers from the front of `bytes`.
    ///
    /// # Errors
    /// As [`Packed::with_width`].
    pub fn new(bytes: &'a [u8], count: usize, width: u8) -> Result<Packed<'a>, FormatError> {
        if width > WIDTH_MAX {
            return Err(FormatError::Invalid("width of packed numbers"));
        }
        let needed = self::bytes(count, width);
        let bytes = bytes.get(..needed).ok_or(short(needed as u64, bytes))?;
        Ok(Packed { bytes, count, width })
    }

    /// How many bytes they take.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The number with this index; nothing behind the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<u32> {
        (index < self.count).then(|| self.at(index))
    }

    /// All of them.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        (0..self.count).map(move |index| self.at(index))
    }

    fn at(&self, index: usize) -> u32 {
        let bit = index * usize::from(self.width);
        let rest = self.bytes.get(bit / 8..).unwrap_or_default();
        // 32 bits that begin anywhere in a byte lie within eight bytes.
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [0; 8];
                word[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(word)
            }
        };
        ((word >> (bit % 8)) & ((1 << self.width) - 1)) as u32
    }
}
