//! Building the filter of an index file: a binary fuse filter of three segments (T. M. Graf, D. Lemire: "Binary Fuse
//! Filters", 2022).
//!
//! Each key has three slots. A slot of one key alone is put aside with its key, which leaves others alone in theirs, and
//! so on until none is left; then, in the opposite order, each slot put aside gets the fingerprint that makes up its
//! key's. Where a rest remains it is tried again with another seed. Keys of a file that somebody forged may have been
//! chosen so that they meet: then every attempt fails, and the file goes without a filter.

use quipu_format::index::filter::{DESCRIPTOR_BYTES, Probe, descriptor};

/// A filter as it stands in a file.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) descriptor: [u8; DESCRIPTOR_BYTES],
    /// Empty where there is no filter: any key may be there.
    pub(crate) prints: Vec<u8>,
}

/// Seeds that are tried. One in a few does for keys that are hashes.
const ATTEMPTS_MAX: u32 = 100;

impl Filter {
    /// The filter of these lower halves of keys, in any order. Two keys may have the same, which must be
    /// built from once. Takes some 17 bytes a key beside those.
    pub(crate) fn of(mut halves: Vec<u64>) -> Filter {
        halves.sort_unstable();
        halves.dedup();
        let Some(shape) = Shape::of(halves.len()) else { return Filter::default() };
        let mut seed = 1;
        for attempt in 1..=ATTEMPTS_MAX {
            let shape = if attempt % 4 == 2 { shape.finer(halves.len()) } else { shape };
            let descriptor = descriptor(next(&mut seed), shape.segment_length, shape.segments);
            if let Some(prints) = Graph::prints(&descriptor, &shape, &halves) {
                return Filter { descriptor, prints };
            }
        }
        Filter::default()
    }
}

/// The next of S. Vigna's numbers called SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How the slots are laid out.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Slots of a segment: a power of two.
    segment_length: u32,
    /// Segments in which the first slot of a key may be; there are two more.
    segments: u32,
}

/// Of so many keys it is not tried whether shorter segments do.
const FINER_KEYS: std::ops::Range<usize> = 5..1_000_000;

impl Shape {
    /// That for so many keys, by the formulas of the paper. None for none, and for more than can be.
    #[allow(clippy::cast_sign_loss, reason = "of one key or more neither number is negative")]
    fn of(keys: usize) -> Option<Shape> {
        if keys == 0 {
            return None;
        }
        let count = keys as f64;
        let bits = (count.ln() / 3.33_f64.ln() + 2.25).floor() as u32;
        let segment_length = 1u32 << bits.min(18);
        let factor = (0.875 + 0.25 * 1e6_f64.ln() / count.ln()).max(1.125);
        let slots = if keys > 1 { (count * factor).round() as u64 } else { 0 };
        let segments = slots.div_ceil(segment_length.into()).saturating_sub(2).max(1);
        let all = (segments + 2) * u64::from(segment_length);
        u32::try_from(all).ok()?;
        Some(Shape { segment_length, segments: u32::try_from(segments).ok()? })
    }

    /// As many slots in twice as many segments: right behind a step of the formula it asks for too long ones.
    fn finer(self, keys: usize) -> Shape {
        if !FINER_KEYS.contains(&keys) {
            return self;
        }
        let Shape { segment_length, segments } = self;
        Shape { segment_length: segment_length / 2, segments: segments * 2 + 2 }
    }

    fn slots(&self) -> usize {
        (self.segments as usize + 2) * self.segment_length as usize
    }
}

/// Which keys have which slots.
struct Graph<'a> {
    descriptor: &'a [u8; DESCRIPTOR_BYTES],
    /// Of each slot four times the number of its keys, and the lowest two bits of all their places, XORed: with one
    /// key left, which of its three slots this is.
    counts: Vec<u8>,
    /// Of each slot its keys, XORed.
    keys: Vec<u64>,
}

impl Graph<'_> {
    /// The fingerprints of these keys; none where they cannot be put apart.
    fn prints(descriptor: &[u8; DESCRIPTOR_BYTES], shape: &Shape, keys: &[u64]) -> Option<Vec<u8>> {
        let slots = shape.slots();
        let mut graph = Graph { descriptor, counts: vec![0; slots], keys: vec![0; slots] };
        keys.iter().try_for_each(|key| graph.add(*key))?;
        let order = graph.peel(keys.len())?;
        let mut prints = vec![0; slots];
        for slot in order.into_iter().rev() {
            let probe = graph.probe(*graph.keys.get(slot as usize)?);
            let others = probe.at.iter().filter_map(|at| prints.get(*at as usize));
            let print = others.fold(probe.print(), |print, other| print ^ other);
            *prints.get_mut(slot as usize)? = print;
        }
        Some(prints)
    }

    fn probe(&self, key: u64) -> Probe {
        Probe::of(self.descriptor, key.into())
    }

    /// Adds a key. None where one of its slots has more than can be counted.
    fn add(&mut self, key: u64) -> Option<()> {
        for (which, at) in (0..).zip(self.probe(key).at) {
            let count = self.counts.get_mut(at as usize)?;
            *count = count.checked_add(4)? ^ which;
            *self.keys.get_mut(at as usize)? ^= key;
        }
        Some(())
    }

    /// The slots as they come to have one key alone, for each key one; the key stays in `keys` there. None where
    /// there is not one for each.
    fn peel(&mut self, keys: usize) -> Option<Vec<u32>> {
        let mut order = Vec::with_capacity(keys);
        let numbered = (0..).zip(&self.counts);
        let mut alone: Vec<u32> =
            numbered.filter(|(_, count)| **count >> 2 == 1).map(|(slot, _)| slot).collect();
        while let Some(slot) = alone.pop() {
            let count = *self.counts.get(slot as usize)?;
            if count >> 2 != 1 {
                continue;
            }
            order.push(slot);
            let key = *self.keys.get(slot as usize)?;
            let probe = self.probe(key);
            for step in 1..3 {
                let which = ((count & 3) + step) % 3;
                let at = *probe.at.get(usize::from(which))?;
                let other = self.counts.get_mut(at as usize)?;
                if *other >> 2 == 2 {
                    alone.push(at);
                }
                *other = other.checked_sub(4)? ^ which;
                *self.keys.get_mut(at as usize)? ^= key;
            }
        }
        (order.len() == keys).then_some(order)
    }
}

#[cfg(test)]
mod tests;
