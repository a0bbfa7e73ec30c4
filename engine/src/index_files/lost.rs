//! Events whose keys nobody knows any more, by position.

use std::ops::Range;

use quipu_disk::threads::{AtomicUsize, Ordering, RwLock};
use quipu_format::Position;
use quipu_index::Way;

use crate::positions::nearest;

/// More ranges are joined to fewer: then events between them are read too, and found to be sound.
const RANGES_MAX: usize = 4096;

/// Events that were lost together with what an index knew of them, as far as that was found out since the
/// store was opened. An index that was made anew posts them under a key of their own, but neither the heads
/// nor the indexes of later segments lead there, so whoever reads by key asks here too.
#[derive(Default)]
pub(crate) struct LostEvents {
    /// How many ranges there are: asking costs nothing where there are none.
    count: AtomicUsize,
    /// In order, none next to another.
    ranges: RwLock<Vec<Range<Position>>>,
}

impl LostEvents {
    /// Notes events that are lost. Whoever finds them missing in an index finds them here: they are noted first.
    pub(crate) fn note(&self, lost: impl IntoIterator<Item = Range<Position>>) {
        let mut ranges = self.ranges.write();
        ranges.extend(lost);
        join(&mut ranges);
        self.count.store(ranges.len(), Ordering::Release);
    }

    /// The first position at or behind `target`, in the direction of reading, that may be lost.
    pub(crate) fn nearest(&self, target: Position, way: Way) -> Option<Position> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        nearest(&self.ranges.read(), |range| range, target, way)
    }

    /// Notes what another list knows too.
    pub(super) fn adopt(&self, other: &LostEvents) {
        let theirs = other.ranges.read().clone();
        self.note(theirs);
    }
}

/// Puts ranges in order and joins those that meet; neighbours too as long as there are too many.
fn join(ranges: &mut Vec<Range<Position>>) {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let meets = next.start <= range.end;
        if meets {
            range.end = range.end.max(next.end);
        }
        meets
    });
    while ranges.len() > RANGES_MAX {
        let pairs = ranges.chunks(2);
        *ranges = pairs.filter_map(|pair| Some(pair.first()?.start..pair.last()?.end)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(lost: &[Range<u64>]) -> LostEvents {
        let events = LostEvents::default();
        for range in lost {
            events.note([Position(range.start)..Position(range.end)]);
        }
        events
    }

    fn nearest(events: &LostEvents, target: u64, way: Way) -> Option<u64> {
        events.nearest(Position(target), way).map(|position| position.0)
    }

    #[test]
    fn the_nearest_is_found_in_both_directions() {
        let events = noted(&[20..22, 5..6, 21..25, 6..8, 9..9]);
        let forward = |target| nearest(&events, target, Way::Forward);
        let backward = |target| nearest(&events, target, Way::Backward);
        assert_eq!([0, 5, 7, 8, 19, 24].map(forward), [5, 5, 7, 20, 20, 24].map(Some));
        assert_eq!([30, 24, 20, 19, 7, 5].map(backward), [24, 24, 20, 7, 7, 5].map(Some));
        assert_eq!((forward(25), backward(4)), (None, None));
        assert_eq!(nearest(&LostEvents::default(), 0, Way::Forward), None);
    }

    #[test]
    fn none_is_forgotten_where_there_are_too_many() {
        let many = RANGES_MAX as u64 * 2 + 1;
        let lost: Vec<Range<u64>> = (0..many).map(|n| n * 3..n * 3 + 1).collect();
        let other = LostEvents::default();
        other.note(lost.iter().map(|range| Position(range.start)..Position(range.end)));
        let events = noted(&[1..2, 4..5]);
        events.adopt(&other);
        assert!(events.ranges.read().len() <= RANGES_MAX);
        for range in lost {
            assert_eq!(nearest(&events, range.start, Way::Forward), Some(range.start));
            assert_eq!(nearest(&events, range.start, Way::Backward), Some(range.start));
        }
        assert_eq!(nearest(&events, many * 3, Way::Forward), None);
    }
}
