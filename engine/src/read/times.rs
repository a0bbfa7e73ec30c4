//! Where in the log a time lies: positions follow recorded time.

use quipu_format::record::Check;
use quipu_format::{Position, Timestamp};

use super::Locator;
use super::locate::Target;
use crate::Result;
use crate::segments::View;

/// The first visible position that was recorded at `time` or later. Events that cannot be read right before
/// it count as later: they may be.
pub(crate) fn first_since(view: &View, time: Timestamp) -> Result<Position> {
    search(view, |recorded| recorded < time).map(|(position, _)| position)
}

/// The position after the last visible one that was recorded at `time` or earlier. Events that cannot be
/// read right behind it count as earlier: they may be.
pub(crate) fn end_until(view: &View, time: Timestamp) -> Result<Position> {
    search(view, |recorded| recorded <= time).map(|(_, position)| position)
}

/// The boundary between the events whose time is `before` and the others: the positions around those that
/// cannot be read there.
fn search(view: &View, before: impl Fn(Timestamp) -> bool) -> Result<(Position, Position)> {
    let mut locator = Locator::default();
    let (mut low, mut high) = (0, view.visible_position.0);
    // The positions from `high` up to here cannot be read.
    let mut unread = high;
    while low < high {
        let middle = low + (high - low) / 2;
        match readable(view, &mut locator, middle..high)? {
            Some((position, time)) if before(time) => low = position + 1,
            // What lies between the middle and the event cannot be read.
            Some((position, _)) => (high, unread) = (middle, position),
            None => high = middle,
        }
    }
    Ok((Position(high), Position(unread)))
}

/// The first event among some positions that can be read, and its time.
fn readable(
    view: &View,
    locator: &mut Locator,
    mut positions: std::ops::Range<u64>,
) -> Result<Option<(u64, Timestamp)>> {
    while let Some(position) = positions.next() {
        if let Some(hole) = view.table.holes.at(Position(position)) {
            positions.start = hole.positions.end.0;
            continue;
        }
        match locator.locate(view, Target::new(Position(position), Check::Sum), |_| ()) {
            Ok((found, ())) => return Ok(Some((position, found.time))),
            Err(error) if error.is_of_events() => {
                // Of a segment that only a newer version can read none can.
                let newer = view.newer_at(Position(position));
                positions.start = newer.map_or(positions.start, |newer| newer.positions.end.0);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
