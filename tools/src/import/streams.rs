//! How many different streams an input names.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

/// Beyond this many, streams are no longer told apart: what a set of them takes has to end somewhere.
const STREAMS_MAX: usize = 10_000_000;

/// Counts different names by their 64-bit hashes.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    hashes: HashSet<u64, BuildHasherDefault<Hashed>>,
    more: bool,
}

impl Streams {
    pub(super) fn add(&mut self, name: &str) {
        let hash = xxh3_64(name.as_bytes());
        if self.hashes.len() < STREAMS_MAX {
            self.hashes.insert(hash);
        } else if !self.hashes.contains(&hash) {
            self.more = true;
        }
    }

    /// Number of different names.
    pub(crate) fn count(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// Whether there are more than counted.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }
}

/// Takes a hash as it is.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
