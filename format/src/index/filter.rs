//! A binary fuse filter with fingerprints of eight bits: whether a key can be in the file at all.
//!
//! As T. M. Graf and D. Lemire describe it ("Binary Fuse Filters", 2022), over the lower 64 bits of the keys. Asking it
//! takes three bytes, which stand far apart; so that a reader can fetch just these, it is asked here.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::FormatError;

/// Size of the descriptor in the header page.
pub const DESCRIPTOR_BYTES: usize = size_of::<Raw>();
const _: () = assert!(DESCRIPTOR_BYTES == 20);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct Raw {
    seed: U64,
    segment_length: U32,
    segment_length_mask: U32,
    segment_count_length: U32,
}

/// The descriptor of a filter of so many segments in which the first fingerprint of a key may be, and two more. The
/// length of a segment is a power of two.
#[must_use]
pub fn descriptor(seed: u64, segment_length: u32, segments: u32) -> [u8; DESCRIPTOR_BYTES] {
    zerocopy::transmute!(Raw {
        seed: seed.into(),
        segment_length: segment_length.into(),
        segment_length_mask: segment_length.wrapping_sub(1).into(),
        segment_count_length: segment_length.wrapping_mul(segments).into(),
    })
}

/// Whether a descriptor keeps within a section of this many fingerprints, whatever key it is asked for.
///
/// # Errors
/// [`FormatError::Invalid`]. An empty section is no filter and needs no descriptor.
pub fn check(descriptor: &[u8; DESCRIPTOR_BYTES], bytes: u64) -> Result<(), FormatError> {
    let raw: Raw = zerocopy::transmute!(*descriptor);
    let (length, count) = (raw.segment_length.get(), raw.segment_count_length.get());
    let needed = u64::from(count) + 2 * u64::from(length);
    let shaped = length.is_power_of_two()
        && raw.segment_length_mask.get() == length - 1
        && count >= length
        && count.is_multiple_of(length);
    if bytes != 0 && !(shaped && needed <= bytes && needed <= u64::from(u32::MAX)) {
        return Err(FormatError::Invalid("descriptor of the filter"));
    }
    Ok(())
}

/// What a key asks of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The three fingerprints to look at, as places in the section.
    pub at: [u32; 3],
    print: u8,
}

impl Probe {
    /// The probe for a key by a descriptor that passed [`check`]; by another, the places are as wrong as
    /// the descriptor.
    #[must_use]
    pub fn of(descriptor: &[u8; DESCRIPTOR_BYTES], key: u128) -> Probe {
        let raw: Raw = zerocopy::transmute!(*descriptor);
        let hash = mix((key as u64).wrapping_add(raw.seed.get()));
        let (length, mask) = (raw.segment_length.get(), raw.segment_length_mask.get());
        let wide = u128::from(hash) * u128::from(raw.segment_count_length.get());
        let first = (wide >> 64) as u32;
        let second = first.wrapping_add(length);
        let third = second.wrapping_add(length);
        Probe {
            at: [first, second ^ ((hash >> 18) as u32 & mask), third ^ (hash as u32 & mask)],
            print: (hash ^ (hash >> 32)) as u8,
        }
    }

    /// What the three fingerprints of the key, XORed, are.
    #[must_use]
    pub const fn print(&self) -> u8 {
        self.print
    }

    /// Whether the key can be in the file, by the three fingerprints.
    #[must_use]
    pub const fn may_hold(&self, prints: [u8; 3]) -> bool {
        self.print == prints[0] ^ prints[1] ^ prints[2]
    }
}

/// The final mix of MurmurHash3 for 64 bits.
const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
