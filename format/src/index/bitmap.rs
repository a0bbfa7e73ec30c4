//! Ordinals as bits, with a table that says how many stand before each chunk of 512.

use std::ops::Range;

use super::read::short;
use crate::FormatError;

/// Ordinals of a chunk.
pub const CHUNK: u32 = 512;
const WORDS: usize = 8;

/// A bit for each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bitmap {
    events: u32,
}

impl Bitmap {
    pub(super) const fn of(events: u32) -> Bitmap {
        Bitmap { events }
    }

    /// The number of chunks; the last may be shorter.
    #[must_use]
    pub const fn chunks(self) -> u32 {
        self.events.div_ceil(CHUNK)
    }

    /// The chunk that holds an ordinal.
    #[must_use]
    pub const fn chunk_of(self, ordinal: u32) -> u32 {
        ordinal / CHUNK
    }

    /// Where the table of ranks stands: for each chunk how many ordinals stand before it.
    #[must_use]
    pub const fn ranks_range(self) -> Range<u64> {
        0..self.chunks() as u64 * 4
    }

    /// Where the ranks of these chunks stand.
    #[must_use]
    pub const fn ranks_of(self, chunks: Range<u32>) -> Range<u64> {
        chunks.start as u64 * 4..chunks.end as u64 * 4
    }

    /// Where the words of a chunk stand.
    #[must_use]
    pub fn chunk_range(self, chunk: u32) -> Range<u64> {
        let words = self.ranks_range().end.next_multiple_of(8);
        let end = u64::from(self.events.div_ceil(64)) * 8;
        let from = u64::from(chunk) * 64;
        words + from.min(end)..words + (from + 64).min(end)
    }

    /// How many bytes the table and the words take.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.chunk_range(self.chunks()).end
    }

    /// In which chunk the `n`-th ordinal stands, counted from 0, and as which of the chunk.
    #[must_use]
    pub fn find_nth(self, ranks: &[u8], n: u32) -> (u32, u32) {
        let (ranks, _) = ranks.as_chunks::<4>();
        let begun = ranks.partition_point(|rank| u32::from_le_bytes(*rank) <= n);
        let chunk = begun.saturating_sub(1);
        let before = ranks.get(chunk).map_or(0, |rank| u32::from_le_bytes(*rank));
        // As many ranks as chunks, whose number is a `u32`.
        (chunk as u32, n.saturating_sub(before))
    }

    /// Reads a chunk.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], or [`FormatError::Invalid`] for a bit behind the last event.
    pub fn chunk(self, chunk: u32, bytes: &[u8]) -> Result<Chunk, FormatError> {
        if chunk >= self.chunks() {
            return Err(FormatError::Invalid("a chunk of postings that there is not"));
        }
        let range = self.chunk_range(chunk);
        let needed = range.end - range.start;
        let bytes = bytes.get(..needed as usize).ok_or(short(needed, bytes))?;
        let mut words = [0; WORDS];
        let (read, _) = bytes.as_chunks::<8>();
        for (word, read) in words.iter_mut().zip(read) {
            *word = u64::from_le_bytes(*read);
        }
        let found = Chunk { first: chunk * CHUNK, words };
        if found.until(self.events - 1) != found {
            return Err(FormatError::Invalid("a posting behind the last event"));
        }
        Ok(found)
    }
}

/// 512 bits, the first of which is this ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    first: u32,
    words: [u64; WORDS],
}

impl Chunk {
    /// How many ordinals stand in it.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// The ordinal with this index; nothing behind the last.
    #[must_use]
    pub fn nth(&self, n: u32) -> Option<u32> {
        let mut left = n;
        for (at, word) in self.words() {
            let ones = word.count_ones();
            if left < ones {
                // The lowest bit that is set goes away, as often as there are ordinals before.
                let rest = (0..left).fold(word, |word, _| word & (word - 1));
                return Some(at + rest.trailing_zeros());
            }
            left -= ones;
        }
        None
    }

    /// Only the ordinals from this one on.
    #[must_use]
    pub fn from(self, ordinal: u32) -> Chunk {
        self.masked(|at| match ordinal.checked_sub(at) {
            None => u64::MAX,
            Some(below) => u64::MAX.checked_shl(below).unwrap_or(0),
        })
    }

    /// Only the ordinals up to this one, itself included.
    #[must_use]
    pub fn until(self, ordinal: u32) -> Chunk {
        self.masked(|at| match ordinal.checked_sub(at) {
            None => 0,
            Some(above) => u64::MAX.checked_shr(63u32.saturating_sub(above)).unwrap_or(0),
        })
    }

    fn masked(self, mask: impl Fn(u32) -> u64) -> Chunk {
        Chunk { first: self.first, words: self.words().map(|(at, word)| word & mask(at)) }
    }

    /// The ordinals, ascending.
    pub fn ascending(&self) -> impl Iterator<Item = u32> + use<> {
        self.words().into_iter().flat_map(|(at, word)| Ones(word).map(move |bit| at + bit))
    }

    /// The ordinals, descending.
    pub fn descending(&self) -> impl Iterator<Item = u32> + use<> {
        let words = self.words().into_iter().rev();
        words.flat_map(|(at, word)| Ones(word.reverse_bits()).map(move |bit| at + 63 - bit))
    }

    /// Each word with the ordinal of its lowest bit.
    fn words(&self) -> [(u32, u64); WORDS] {
        // Eight words: their numbers are small, and a chunk that there is ends with the last `u32`.
        std::array::from_fn(|number| (self.first + number as u32 * 64, self.words[number]))
    }
}

/// The bits that are set, from the lowest on.
struct Ones(u64);

impl Iterator for Ones {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

/// Sets the bit of an ordinal in these postings; one that no event has is left out.
pub(super) fn set(bitmap: Bitmap, ordinal: u32, postings: &mut [u8]) {
    let (words, bit) = (bitmap.chunk_range(0).start as usize, ordinal as usize);
    if let Some(byte) = postings.get_mut(words + bit / 8) {
        *byte |= 1 << (bit % 8);
    }
}

/// Fills the table of ranks of these postings, whose bits are set.
pub(super) fn rank(bitmap: Bitmap, postings: &mut [u8]) {
    let (ranks, words) = postings.split_at_mut(bitmap.chunk_range(0).start as usize);
    let chunks = words.chunks(CHUNK as usize / 8);
    let mut before = 0u32;
    for (rank, chunk) in ranks.as_chunks_mut::<4>().0.iter_mut().zip(chunks) {
        *rank = before.to_le_bytes();
        before += chunk.iter().map(|byte| byte.count_ones()).sum::<u32>();
    }
}
