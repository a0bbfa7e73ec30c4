//! What the store knows of each stream without reading the log.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use quipu_format::{Position, Version};

use crate::Key;

/// What is known of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Version of the last event.
    pub version: Version,
    /// Position of the last event.
    pub position: Position,
}

/// The heads of all streams, in memory: some 48 bytes a stream.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    by_key: HashMap<Key, Head, BuildKeyHasher>,
}

impl Heads {
    /// No stream yet.
    #[must_use]
    pub fn new() -> Heads {
        Heads::default()
    }

    /// The head of a stream, if it has any event.
    #[must_use]
    pub fn get(&self, stream: Key) -> Option<Head> {
        self.by_key.get(&stream).copied()
    }

    /// Notes the last event of a stream.
    pub fn set(&mut self, stream: Key, head: Head) {
        self.by_key.insert(stream, head);
    }

    /// Notes one more event read from the log. False, and nothing changes, when its version is not
    /// the one that must follow.
    #[must_use]
    pub fn follow(&mut self, stream: Key, head: Head) -> bool {
        match self.by_key.entry(stream) {
            Entry::Vacant(vacant) => {
                if head.version != Version(0) {
                    return false;
                }
                vacant.insert(head);
            }
            Entry::Occupied(mut known) => {
                if head.version != known.get().version.plus(1) {
                    return false;
                }
                known.insert(head);
            }
        }
        true
    }

    /// Number of streams.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is no stream.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

/// Keys are hashes already: the table takes their lower half as it is.
#[derive(Clone, Copy, Debug, Default)]
struct BuildKeyHasher;

impl std::hash::BuildHasher for BuildKeyHasher {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(0)
    }
}

struct KeyHasher(u64);

impl std::hash::Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: u64) -> Head {
        Head { version: Version(version), position: Position(version * 10) }
    }

    #[test]
    fn a_stream_follows_its_versions_without_gaps() {
        let mut heads = Heads::new();
        assert!(!heads.follow(Key(1), head(1)), "a stream begins at version 0");
        assert!(heads.follow(Key(1), head(0)));
        assert!(!heads.follow(Key(1), head(0)), "a version comes once");
        assert!(!heads.follow(Key(1), head(2)), "no version is left out");
        assert!(heads.follow(Key(1), head(1)));
        assert_eq!(heads.get(Key(1)), Some(head(1)));
        assert_eq!(heads.get(Key(2)), None);
        assert_eq!(heads.len(), 1);
    }
}
