//! Lists of ordinals that grow, side by side in one piece of memory.

/// Ordinals of a list that has left its entry: fewer stay there.
pub(super) const LIST_MIN: usize = 4;

/// The lists of one shard. A list of `n` ordinals has room for the next power of two, so its place and
/// its length say everything; one that is full moves to a room of twice the size.
#[derive(Debug, Default)]
pub(super) struct Arena {
    words: Vec<u32>,
    /// Rooms that were left, by the binary logarithm of their size.
    left: Vec<Vec<usize>>,
}

impl Arena {
    /// The first `count` ordinals of the list at `start`.
    pub(super) fn list(&self, start: usize, count: usize) -> &[u32] {
        &self.words[start..start + count]
    }

    /// A new list of these ordinals, a power of two of them. Returns its place.
    pub(super) fn begin(&mut self, ordinals: [u32; LIST_MIN]) -> usize {
        let start = self.room(LIST_MIN);
        self.words[start..start + LIST_MIN].copy_from_slice(&ordinals);
        start
    }

    /// Adds to the list of `count` ordinals at `start`. Returns its place from now on.
    pub(super) fn push(&mut self, start: usize, count: usize, ordinal: u32) -> usize {
        let mut place = start;
        if count.is_power_of_two() {
            place = self.room(2 * count);
            self.words.copy_within(start..start + count, place);
            self.leave(start, count);
        }
        self.words[place + count] = ordinal;
        place
    }

    fn room(&mut self, size: usize) -> usize {
        let class = size.ilog2() as usize;
        if let Some(start) = self.left.get_mut(class).and_then(Vec::pop) {
            return start;
        }
        let start = self.words.len();
        self.words.resize(start + size, 0);
        start
    }

    fn leave(&mut self, start: usize, size: usize) {
        let class = size.ilog2() as usize;
        if self.left.len() <= class {
            self.left.resize_with(class + 1, Vec::new);
        }
        self.left[class].push(start);
    }
}
