//! Reading all of an active index in the order of keys.

use parking_lot::RwLock;

use super::shard::{Copied, Posted, Shard};

/// Walks over what is posted, in the order of keys. Holds a copy of one shard at a time and no lock, so
/// posting goes on.
#[derive(Debug)]
pub(crate) struct Sorted<'a> {
    shards: &'a [RwLock<Shard>],
    /// What is posted from here on is left out.
    end: u32,
    copied: Copied,
    /// Index of the present key in `copied`.
    at: usize,
}

impl<'a> Sorted<'a> {
    /// At the first key.
    pub(super) fn new(shards: &'a [RwLock<Shard>], end: u32) -> Sorted<'a> {
        let mut sorted = Sorted { shards, end, copied: Copied::default(), at: 0 };
        sorted.refill();
        sorted
    }

    /// The present key. None at the end.
    pub(crate) fn get(&self) -> Option<Posted<'_>> {
        self.copied.get(self.at)
    }

    /// Moves on to the next key.
    pub(crate) fn advance(&mut self) {
        self.at += 1;
        self.refill();
    }

    fn refill(&mut self) {
        while self.copied.get(self.at).is_none() {
            let Some((shard, rest)) = self.shards.split_first() else { return };
            self.copied = shard.read().copy(self.end);
            self.shards = rest;
            self.at = 0;
        }
    }
}
