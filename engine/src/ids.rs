//! Ids for events that come without one.

use quipu_disk::Disk;
use quipu_disk::threads::{AtomicU64, Ordering};
use uuid::{Builder, Uuid};

/// Gives out UUIDs of version 7 (RFC 9562): the time in milliseconds, then 74 bits that differ.
///
/// The bits come from a counter scrambled by a bijection (the finaliser of SplitMix64), so no two ids
/// of one opening are equal, and from a secret drawn at opening, so those of two openings differ.
pub(crate) struct EventIds {
    counter: AtomicU64,
    secret: [u8; 8],
}

impl EventIds {
    pub(crate) fn new(seed: [u8; 16]) -> EventIds {
        let (low, high) = seed.split_at(8);
        let mut secret = [0; 8];
        secret.copy_from_slice(high);
        let start = low.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte));
        EventIds { counter: AtomicU64::new(start), secret }
    }

    pub(crate) fn next(&self, disk: &dyn Disk) -> Uuid {
        let scrambled = scramble(self.counter.fetch_add(1, Ordering::Relaxed));
        let mut random = [0; 10];
        random[..8].copy_from_slice(&scrambled.to_be_bytes());
        // The version takes four bits of the first byte and the variant two of the third: what they
        // cover is added again at the end.
        random[8] = random[0] ^ self.secret[0];
        random[9] = random[2] ^ self.secret[1];
        for (byte, secret) in random[..8].iter_mut().zip(self.secret) {
            *byte ^= secret;
        }
        Builder::from_unix_timestamp_millis(disk.now() / 1000, &random).into_uuid()
    }
}

fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_version_seven_and_never_repeat() {
        let disk = quipu_disk::MemoryDisk::new();
        let ids = EventIds::new([7; 16]);
        let many: HashSet<Uuid> = (0..100_000).map(|_| ids.next(&disk)).collect();
        assert_eq!(many.len(), 100_000);
        assert!(many.iter().all(|id| id.get_version_num() == 7));
    }
}
