//! Heads of streams as they will be once everything sequenced is on disk.

use std::collections::VecDeque;

use quipu_format::SegmentId;
use quipu_index::{Key, StreamHead, StreamHeads};

/// The heads of all streams that were appended to in a segment that is not sealed yet. Older ones are
/// looked up in the index, outside the lock.
///
/// One table a segment, so that those of a sealed one are let go at once.
pub(crate) struct Tentative {
    /// Oldest first; the last is the active segment's.
    tables: VecDeque<(SegmentId, StreamHeads)>,
    /// How often a table was let go: what was looked up before may have been forgotten here since.
    generation: u64,
    created: u64,
}

impl Tentative {
    pub(crate) fn new(active: SegmentId) -> Tentative {
        let tables = VecDeque::from([(active, StreamHeads::new())]);
        Tentative { tables, generation: 0, created: 0 }
    }

    pub(crate) fn get(&self, stream: Key) -> Option<StreamHead> {
        self.tables.iter().rev().find_map(|(_, heads)| heads.get(stream))
    }

    /// Notes the last event of a stream in the active segment.
    pub(crate) fn set(&mut self, stream: Key, head: StreamHead) {
        if let Some((_, heads)) = self.tables.back_mut() {
            heads.set(stream, head);
        }
    }

    /// Notes that streams came into being.
    pub(crate) fn count_created(&mut self, streams: u64) {
        self.created += streams;
    }

    /// Streams that got their first event.
    pub(crate) fn created(&self) -> u64 {
        self.created
    }

    /// Goes on in another segment.
    pub(crate) fn enter(&mut self, segment: SegmentId) {
        self.tables.push_back((segment, StreamHeads::new()));
    }

    /// Lets go of the tables of segments whose heads the index has from now on.
    pub(crate) fn forget(&mut self, sealed: SegmentId) -> Vec<StreamHeads> {
        let mut forgotten = Vec::new();
        while self.tables.front().is_some_and(|(segment, _)| *segment <= sealed) {
            forgotten.extend(self.tables.pop_front().map(|(_, heads)| heads));
            self.generation += 1;
        }
        forgotten
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_format::{Position, Version};

    #[test]
    fn the_newest_segment_counts_and_a_sealed_one_is_forgotten() {
        let head = |version| StreamHead { version: Version(version), position: Position(version) };
        let mut heads = Tentative::new(SegmentId(1));
        heads.set(Key(1), head(0));
        heads.set(Key(2), head(0));
        heads.enter(SegmentId(2));
        heads.set(Key(1), head(1));
        assert_eq!(heads.get(Key(1)), Some(head(1)));
        assert_eq!(heads.get(Key(2)), Some(head(0)));
        let before = heads.generation();
        assert_eq!(heads.forget(SegmentId(1)).len(), 1);
        assert_eq!((heads.get(Key(1)), heads.get(Key(2))), (Some(head(1)), None));
        assert_ne!(heads.generation(), before, "whoever looked heads up before looks again");
    }
}
