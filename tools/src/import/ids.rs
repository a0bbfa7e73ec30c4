//! Ids that name a line and the whole input before it.

use quipu::Uuid;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// An id has 40 bits for the number of its line.
const LINES_MAX: u64 = 1 << 40;

/// The ids of an input's lines, one after the other.
#[derive(Debug, Default)]
pub(super) struct Ids {
    next_line: u64,
    /// Hash of all lines so far.
    hash: u128,
}

impl Ids {
    /// Number of the line that comes next, from 0.
    pub(super) fn next_line(&self) -> u64 {
        self.next_line
    }

    /// The id of the next line; `None` if there are more lines than can be named.
    pub(super) fn next(&mut self, line: &[u8]) -> Option<Uuid> {
        if self.next_line == LINES_MAX {
            return None;
        }
        // The upper half goes into the id; the lower half carries the chain.
        self.hash = xxh3_128_with_seed(line, self.hash as u64);
        let id = id_of(self.next_line, self.hash);
        self.next_line += 1;
        Some(id)
    }
}

/// A UUID of version 8: the line's number in the first 40 bits, so that ids sort as the lines do, then 82
/// bits of the hash, around the version and the variant.
fn id_of(number: u64, hash: u128) -> Uuid {
    const VERSION: u128 = 8 << 76;
    const VARIANT: u128 = 2 << 62;
    let hash = hash >> (128 - 82);
    let (first, second, third) = (hash >> 74, (hash >> 62) & 0xfff, hash & ((1 << 62) - 1));
    Uuid::from_u128(
        (u128::from(number) << 88) | (first << 80) | VERSION | (second << 64) | VARIANT | third,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ids_of(lines: &[&str]) -> Vec<Uuid> {
        let mut ids = Ids::default();
        lines.iter().map(|line| ids.next(line.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn an_id_names_the_line_and_all_before_it() {
        let ids = ids_of(&["a", "b", "a", "a"]);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4);
        assert_eq!(ids_of(&["a", "b"]), ids[..2], "a prefix has the same ids");
        let changed = ids_of(&["a", "B", "a", "a"]);
        assert_eq!(changed[0], ids[0]);
        for (changed, id) in changed.iter().zip(&ids).skip(1) {
            assert_ne!(changed, id, "a changed line changes all ids from there on");
        }
        assert_ne!(ids_of(&["ab"])[0], ids[0]);
    }

    #[test]
    fn an_id_is_a_uuid_of_version_8_that_sorts_by_line() {
        let ids = ids_of(&["a", "b", "c", "d"]);
        assert!(ids.is_sorted());
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(id.get_version_num(), 8);
            assert_eq!(id.as_bytes()[8] >> 6, 0b10, "the variant of RFC 9562");
            assert_eq!(id.as_u128() >> 88, number as u128);
        }
        let last = id_of(LINES_MAX - 1, u128::MAX);
        assert_eq!(last.as_u128(), !(0x7 << 76) & !(1 << 62));
    }

    #[test]
    fn ids_do_not_change_from_release_to_release() {
        let ids = ids_of(&["{\"stream\":\"a\"}", ""]);
        assert_eq!(ids.iter().map(ToString::to_string).collect::<Vec<_>>(), GOLDEN);
    }

    const GOLDEN: [&str; 2] =
        ["00000000-0018-8dc0-ae42-d4132490ee3d", "00000000-0123-8fa5-9382-c0ae93823a91"];
}
