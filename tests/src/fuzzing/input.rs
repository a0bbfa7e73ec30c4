//! The bytes of an input, taken from the front as they are needed.

/// What is left of an input. Behind its end there are zeros, so every input means something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next bytes.
    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.take(N);
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// A number below `bound`; 0 if the bound is 0. Costs two bytes, whatever the bound is.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let drawn = usize::from(u16::from_le_bytes(self.array()));
        // Most bounds are small; for the few that are larger, the number has to reach all of it.
        if bound > usize::from(u16::MAX) {
            return (drawn * bound) >> 16;
        }
        drawn.checked_rem(bound).unwrap_or(0)
    }

    /// At most so many of the next bytes.
    pub(super) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Text of up to 63 bytes, its length first; what is no UTF-8 is replaced.
    pub(super) fn text(&mut self) -> String {
        let len = usize::from(self.byte() % 64);
        String::from_utf8_lossy(self.take(len)).into_owned()
    }
}
