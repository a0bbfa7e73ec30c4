//! What the store knows of each stream without reading the log.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use quipu_format::{Position, Version};

use crate::Key;
use crate::hasher::BuildKeyHasher;

/// What is known of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// Version of the last event.
    pub version: Version,
    /// Position of the last event.
    pub position: Position,
}

/// The heads of all streams, in memory: some 48 bytes a stream.
#[derive(Clone, Debug, Default)]
pub struct StreamHeads {
    by_key: HashMap<Key, StreamHead, BuildKeyHasher>,
}

impl StreamHeads {
    /// No stream yet.
    #[must_use]
    pub fn new() -> StreamHeads {
        StreamHeads::default()
    }

    /// The head of a stream, if it has any event.
    #[must_use]
    pub fn get(&self, stream: Key) -> Option<StreamHead> {
        self.by_key.get(&stream).copied()
    }

    /// Notes the last event of a stream.
    pub fn set(&mut self, stream: Key, head: StreamHead) {
        self.by_key.insert(stream, head);
    }

    /// Notes one more event read from the log. False, and nothing changes, when its version is not
    /// the one that must follow.
    #[must_use]
    pub fn follow(&mut self, stream: Key, head: StreamHead) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: u64) -> StreamHead {
        StreamHead { version: Version(version), position: Position(version * 10) }
    }

    #[test]
    fn a_stream_follows_its_versions_without_gaps() {
        let mut heads = StreamHeads::new();
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
