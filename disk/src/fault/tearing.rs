//! What reaches the medium of a write that was on its way there as the power went off.

use std::ops::Range;

use super::random::Random;

/// The unit in which a medium writes.
const SECTOR_BYTES: usize = 512;
/// The unit in which a system writes back what it keeps in memory.
pub(super) const PAGE_BYTES: usize = 4096;

/// The parts of a write of `length` bytes at `offset` that reach the medium, in order. The write is torn at a byte, so
/// that a prefix is there; into sectors, any of them, and of some a prefix; or into whole pages, any of them.
pub(super) fn torn(offset: usize, length: usize, random: &mut Random) -> Vec<Range<usize>> {
    match random.below(8) {
        0 => std::iter::once(0..random.below(length)).collect(),
        1..6 => units(offset, length, SECTOR_BYTES)
            .map(|sector| {
                let kept = match random.below(8) {
                    0..3 => 0,
                    3 => random.below(sector.len()),
                    _ => sector.len(),
                };
                sector.start..sector.start + kept
            })
            .collect(),
        _ => units(offset, length, PAGE_BYTES).filter(|_| random.coin()).collect(),
    }
}

/// The pieces into which the boundaries of units in the file cut a write.
pub(super) fn units(
    offset: usize,
    length: usize,
    unit: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let start = done;
        done = length.min(start + unit - (offset + start) % unit);
        (start < done).then_some(start..done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 2000;

    /// The ends of the parts that are there of a write at `offset`, as places in the file.
    fn cuts(offset: usize, length: usize, seed: u64) -> Vec<usize> {
        let parts = torn(offset, length, &mut Random::new(seed));
        let kept = parts.iter().filter(|part| !part.is_empty());
        kept.flat_map(|part| [offset + part.start, offset + part.end]).collect()
    }

    #[test]
    fn writes_are_cut_where_units_of_the_file_begin_and_end() {
        let pieces: Vec<_> = units(300, 1000, 512).collect();
        assert_eq!(pieces, [0..212, 212..724, 724..1000]);
        assert_eq!(units(4096, 4096, 4096).next(), Some(0..4096));
        assert_eq!(units(7, 0, 512).count(), 0);
    }

    #[test]
    fn writes_tear_at_bytes_at_sectors_and_at_pages() {
        let (offset, length) = (100, 20_000);
        let inner = |unit: usize| {
            let whole = move |seed: &u64| {
                let cuts = cuts(offset, length, *seed);
                let inner = |cut: &usize| ![offset, offset + length].contains(cut);
                let mut inner = cuts.iter().filter(|cut| inner(cut)).peekable();
                inner.peek().is_some() && inner.all(|cut| cut.is_multiple_of(unit))
            };
            (0..SEEDS).filter(whole).count() as u64
        };
        let prefixes = (0..SEEDS).filter(|&seed| {
            let cuts = cuts(offset, length, seed);
            matches!(cuts[..], [first, last] if first == offset && !last.is_multiple_of(512))
        });
        assert!(prefixes.count() as u64 > SEEDS / 20, "a prefix of any length");
        assert!(inner(PAGE_BYTES) > SEEDS / 8, "whole pages");
        assert!(inner(SECTOR_BYTES) < SEEDS, "sectors are torn too");
    }

    #[test]
    fn the_parts_of_a_torn_write_lie_in_it_in_order() {
        for seed in 0..SEEDS {
            let mut random = Random::new(seed);
            let (offset, length) = (random.below(5000), 1 + random.below(10_000));
            let parts = torn(offset, length, &mut random);
            let ends: Vec<usize> = parts.iter().flat_map(|part| [part.start, part.end]).collect();
            assert!(ends.is_sorted() && ends.iter().all(|&end| end <= length), "{parts:?}");
        }
    }
}
