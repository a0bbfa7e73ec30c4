//! Looking among ranges of positions, and naming them.

use std::ops::Range;

use quipu_format::Position;
use quipu_index::Way;

use crate::Error;

/// Whether damage concerns no event: a link or a mark, of which whoever comes there is told once, and goes on behind it.
pub(crate) fn concerns_no_event(error: &Error) -> bool {
    error.damage().is_some_and(|damage| damage.positions.is_empty())
}

/// These positions in words, the last one included: of the range itself it would not be seen that its end is none
/// of them.
pub(crate) fn named(positions: &Range<Position>) -> String {
    let last = positions.end.0.saturating_sub(1);
    match positions.start.0 {
        first if first >= last => format!("the event at position {first}"),
        first => format!("the events at positions {first} to {last}"),
    }
}

/// The first position at or behind `target`, in the direction of reading, that one of these ranges holds. They are
/// in order, none is empty, and no two overlap.
pub(crate) fn nearest<T>(
    ranges: &[T],
    positions: impl Fn(&T) -> &Range<Position>,
    target: Position,
    way: Way,
) -> Option<Position> {
    match way {
        Way::Forward => {
            let at = ranges.partition_point(|range| positions(range).end <= target);
            ranges.get(at).map(|range| positions(range).start.max(target))
        }
        Way::Backward => {
            let after = ranges.partition_point(|range| positions(range).start <= target);
            let range = positions(ranges.get(after.checked_sub(1)?)?);
            Some(Position(range.end.0.saturating_sub(1)).min(target))
        }
    }
}
