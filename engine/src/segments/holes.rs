//! Positions whose events are lost together with the segments that they stood in.

use std::ops::Range;
use std::sync::Arc;

use quipu_format::Position;
use quipu_index::Way;

use crate::positions::{named, nearest};
use crate::{Damage, Error};

/// The holes that missing segments leave in the log. No index knows the keys of what stood there, so whoever
/// reads, in whichever way, must learn of them.
#[derive(Clone, Default)]
pub(crate) struct Holes {
    /// In the order of their positions, none empty.
    holes: Arc<[Damage]>,
}

impl Holes {
    pub(crate) fn new(holes: impl IntoIterator<Item = Damage>) -> Holes {
        let mut holes: Vec<Damage> = holes.into_iter().collect();
        holes.retain(|hole| !hole.positions.is_empty());
        holes.sort_by_key(|hole| hole.positions.start);
        Holes { holes: holes.into() }
    }

    /// The holes that begin at or behind a position.
    pub(crate) fn from(&self, position: Position) -> &[Damage] {
        let before = self.holes.partition_point(|hole| hole.positions.start < position);
        &self.holes[before..]
    }

    /// The hole that a position lies in.
    pub(crate) fn at(&self, position: Position) -> Option<&Damage> {
        let behind = self.holes.partition_point(|hole| hole.positions.end <= position);
        self.holes.get(behind).filter(|hole| hole.positions.contains(&position))
    }

    /// Whether all of these positions lie in holes.
    pub(crate) fn cover(&self, positions: Range<Position>) -> bool {
        let mut next = positions.start;
        while next < positions.end {
            let Some(hole) = self.at(next) else { return false };
            next = hole.positions.end;
        }
        true
    }

    /// The first position at or behind `target`, in the direction of reading, that lies in a hole.
    pub(crate) fn nearest(&self, target: Position, way: Way) -> Option<Position> {
        nearest(&self.holes, |hole| &hole.positions, target, way)
    }
}

/// As much of a hole as somebody asks for.
pub(crate) fn hole_error(hole: &Damage, positions: Range<Position>) -> Error {
    let what = lost_with(hole, &positions);
    Error::damaged(Damage { positions, what, ..hole.clone() })
}

/// What is wrong with a hole, and which of its events somebody asks for.
pub(crate) fn lost_with(hole: &Damage, positions: &Range<Position>) -> String {
    format!("{}, and with it {}", hole.what, named(positions))
}

#[cfg(test)]
mod tests {
    use quipu_format::ByteOffset;

    use super::*;

    fn holes(positions: &[Range<u64>]) -> Holes {
        Holes::new(positions.iter().map(|range| Damage {
            file: "s".into(),
            offset: ByteOffset(0),
            bytes: 0,
            positions: Position(range.start)..Position(range.end),
            what: "the segment is missing".into(),
        }))
    }

    #[test]
    fn the_nearest_hole_is_found_in_both_directions() {
        let holes = holes(&[20..25, 5..8, 9..9, 8..10]);
        let nearest = |target, way| holes.nearest(Position(target), way).map(|found| found.0);
        let forward = |target| nearest(target, Way::Forward);
        let backward = |target| nearest(target, Way::Backward);
        assert_eq!([0, 5, 7, 9, 10, 24].map(forward), [5, 5, 7, 9, 20, 24].map(Some));
        assert_eq!([30, 24, 19, 9, 7, 5].map(backward), [24, 24, 9, 9, 7, 5].map(Some));
        assert_eq!((forward(25), backward(4)), (None, None));
    }

    #[test]
    fn positions_are_covered_by_holes_that_touch() {
        let holes = holes(&[20..25, 5..8, 8..10]);
        let covered = |range: Range<u64>| holes.cover(Position(range.start)..Position(range.end));
        assert!(covered(5..10) && covered(6..9) && covered(24..25) && covered(30..30));
        assert!(!covered(4..6) && !covered(9..11) && !covered(8..21) && !covered(24..26));
    }

    #[test]
    fn a_position_is_in_one_hole_at_most() {
        let holes = holes(&[20..25, 5..8, 8..10]);
        let at = |position| holes.at(Position(position)).map(|hole| hole.positions.start.0);
        assert_eq!([4, 5, 7, 8, 10, 19, 24, 25].map(at), {
            [None, Some(5), Some(5), Some(8), None, None, Some(20), None]
        });
    }
}
