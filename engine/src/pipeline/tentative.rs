//! Heads of streams as they will be once everything sequenced is on disk.

use std::mem;

use quipu_format::Position;
use quipu_index::{Key, StreamHead, StreamHeads};

/// Heads in one generation after which another one is begun: some 6 MiB.
const HEADS_MAX: usize = 1 << 17;

/// The heads of all streams that were appended to and that the index does not know yet, and of as many
/// others as were in use lately. The rest is looked up in the index, outside the lock.
///
/// Two generations, so that old heads are let go all at once and without a search.
pub(crate) struct Tentative {
    young: StreamHeads,
    old: StreamHeads,
    /// All heads in `old` are before this position.
    old_end: Position,
    /// How often heads were let go: what was looked up before may have been forgotten here since.
    generation: u64,
    created: u64,
    heads_max: usize,
}

impl Tentative {
    /// No heads, in a log whose next event gets this position.
    pub(crate) fn new(next_position: Position) -> Tentative {
        Tentative {
            young: StreamHeads::new(),
            old: StreamHeads::new(),
            old_end: next_position,
            generation: 0,
            created: 0,
            heads_max: HEADS_MAX,
        }
    }

    pub(crate) fn get(&self, stream: Key) -> Option<StreamHead> {
        self.young.get(stream).or_else(|| self.old.get(stream))
    }

    /// Notes the last event of a stream.
    pub(crate) fn set(&mut self, stream: Key, head: StreamHead) {
        self.young.set(stream, head);
    }

    /// Notes that streams came into being.
    pub(crate) fn count_created(&mut self, streams: u64) {
        self.created += streams;
    }

    /// Streams that got their first event.
    pub(crate) fn created(&self) -> u64 {
        self.created
    }

    /// The index knows all heads before `indexed`; `next_position` is that of the next event. If there are
    /// many heads, those of the old generation go, unless one of them is not in the index yet.
    pub(crate) fn forget(
        &mut self,
        indexed: Position,
        next_position: Position,
    ) -> Option<StreamHeads> {
        if self.young.len() < self.heads_max || self.old_end > indexed {
            return None;
        }
        self.generation += 1;
        self.old_end = next_position;
        Some(mem::replace(&mut self.old, mem::take(&mut self.young)))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_format::Version;

    fn head(position: u64) -> StreamHead {
        StreamHead { version: Version(position), position: Position(position) }
    }

    #[test]
    fn heads_are_let_go_once_they_are_many_and_the_index_has_them() {
        let mut heads = Tentative::new(Position(0));
        heads.heads_max = 2;
        heads.set(Key(1), head(0));
        assert!(heads.forget(Position(1), Position(1)).is_none(), "one is not many");
        heads.set(Key(2), head(1));
        assert_eq!(heads.forget(Position(1), Position(2)).map(|gone| gone.len()), Some(0));
        heads.set(Key(1), head(2));
        heads.set(Key(3), head(3));
        assert!(heads.forget(Position(1), Position(4)).is_none(), "the index lacks the second");
        assert_eq!((heads.get(Key(1)), heads.get(Key(2))), (Some(head(2)), Some(head(1))));

        let before = heads.generation();
        assert_eq!(heads.forget(Position(2), Position(4)).map(|gone| gone.len()), Some(2));
        assert_eq!((heads.get(Key(1)), heads.get(Key(2))), (Some(head(2)), None));
        assert_ne!(heads.generation(), before, "whoever looked heads up before looks again");
    }
}
