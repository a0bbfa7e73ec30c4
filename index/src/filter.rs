//! Building the filter of an index file.

use quipu_format::index::filter::DESCRIPTOR_BYTES;
use xorf::{BinaryFuse8, DmaSerializable};

/// A filter as it stands in a file.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) descriptor: [u8; DESCRIPTOR_BYTES],
    /// Empty where there is no filter: any key may be there.
    pub(crate) prints: Vec<u8>,
}

const _: () = assert!(BinaryFuse8::DESCRIPTOR_LEN == DESCRIPTOR_BYTES);

impl Filter {
    /// The filter of these lower halves of keys, in any order. Two keys may have the same, which must be
    /// built from once.
    pub(crate) fn of(mut halves: Vec<u64>) -> Filter {
        halves.sort_unstable();
        halves.dedup();
        if halves.is_empty() {
            return Filter::default();
        }
        // Building is tried with many seeds; should all fail, the file is only slower.
        let Ok(built) = BinaryFuse8::try_from(halves) else { return Filter::default() };
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        built.dma_copy_descriptor_to(&mut descriptor);
        Filter { descriptor, prints: built.fingerprints.into_vec() }
    }
}
#[cfg(test)]
mod tests;
