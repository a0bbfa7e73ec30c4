//! Events found by the index, one by one, with damage reported and stepped over.

use std::ops::Range;
use std::sync::Arc;

use quipu_format::record::Check;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Position, Timestamp};
use quipu_index::Way;

use super::locate::Target;
use super::versions::{Verdict, Versions};
use super::{Found, Locator, Search, Selected};
use crate::find::{Budget, Plan, Sight, segment_of};
use crate::positions::named;
use crate::segments::{View, hole_error};
use crate::{Damage, Error, ErrorKind, Event, Result};

/// A cursor over the events that a plan finds.
///
/// Damage is reported once, with the positions that cannot be served; the next step goes on behind it.
/// So are events that the index calls lost: nobody knows whether they were asked for.
pub(crate) struct Picks {
    view: View,
    search: Search,
    selected: Selected,
    locator: Locator,
    /// Follows the versions of a stream.
    versions: Option<Versions>,
}

/// What came of looking at one event.
enum Look {
    Served(Found),
    Passed,
    /// Versions of the stream are missing before it, in the direction of reading.
    Missing(Found, Range<u64>),
}

impl Picks {
    pub(crate) fn new(view: View, selected: Selected, search: Search) -> Picks {
        Picks { view, search, selected, locator: Locator::default(), versions: None }
    }

    /// A cursor over nothing but what is lost, from a position on: over that which nobody knows the keys of. Some
    /// events that it gives are sound.
    pub(crate) fn lost(view: View, from: Position) -> Picks {
        let (way, range) = (Way::Forward, from..view.visible_position);
        let search = Search::new(&view, Plan::AnyOf(Vec::new(), way), way, range, Check::Sum);
        Picks::new(view, Selected::All, search)
    }

    /// The same, of a stream whose versions must follow one another.
    pub(crate) fn with_versions(mut self, versions: Versions) -> Picks {
        self.versions = Some(versions);
        self
    }

    /// Expects that so many events will be asked for.
    pub(crate) fn expect(&mut self, events: u64) {
        self.search.expect(events);
    }

    /// Goes on to the next event.
    pub(crate) fn next(&mut self) -> Result<Option<Found>> {
        self.next_within(&mut Budget::unbounded()).map(Sight::found)
    }

    /// The same, as far as a budget allows. What was looked at lies behind.
    pub(crate) fn next_within(&mut self, budget: &mut Budget) -> Result<Sight<Found>> {
        loop {
            let target = match self.nearest(budget)? {
                Sight::Found(target) => target,
                Sight::Nothing => return self.finish().map(|()| Sight::Nothing),
                Sight::Paused(reached) => return Ok(Sight::Paused(reached)),
            };
            let position = target.position;
            match self.look(target) {
                Ok(Look::Served(found)) => {
                    self.search.pass(position);
                    return Ok(Sight::Found(found));
                }
                Ok(Look::Passed) => {
                    self.search.pass(position);
                    if !budget.spend() {
                        return Ok(Sight::Paused(self.reached()));
                    }
                }
                Ok(Look::Missing(found, versions)) => return Err(self.missing(&found, &versions)),
                Err(error) => return Err(self.fail(position, error)),
            }
        }
    }

    fn nearest(&mut self, budget: &mut Budget) -> Result<Sight<Target>> {
        let nearest = self.search.nearest(&self.view, &mut self.locator, budget);
        // Asked again, both would be said again.
        let is_final =
            |error: &Error| error.is_of_index() || error.kind() == ErrorKind::Unsupported;
        if nearest.as_ref().is_err_and(is_final) {
            self.search.stop();
        }
        nearest
    }

    /// Reading forward: all before this position lies behind.
    pub(crate) fn reached(&self) -> Position {
        self.search.range.start
    }

    /// The position behind the last one that is looked at.
    pub(crate) fn end(&self) -> Position {
        self.search.range.end
    }

    /// Reading forward: has read all it sees, and lets go of files and segments until it is renewed.
    pub(crate) fn rest(&mut self) {
        self.search.rest();
        self.locator = Locator::default();
        self.view.table = Arc::default();
    }

    /// After a rest: goes on to the end of a later view.
    pub(crate) fn renew(&mut self, view: View) {
        self.search.renew(&view);
        self.view = view;
    }

    /// The event that was found.
    pub(crate) fn event(&mut self, found: &Found) -> Result<Option<Event<'_>>> {
        self.locator.event(&self.view, found)
    }

    fn look(&mut self, target: Target) -> Result<Look> {
        let Picks { view, selected, versions, locator, .. } = self;
        let position = target.position;
        let (found, verdict) = locator.locate(view, target, |event| match versions {
            _ if !selected.has(event) => Verdict::Passed,
            Some(versions) => versions.judge(event.version()),
            None => Verdict::Served,
        })?;
        match verdict {
            Verdict::Served => Ok(Look::Served(found)),
            Verdict::Passed => Ok(Look::Passed),
            Verdict::Missing(versions) => Ok(Look::Missing(found, versions)),
            Verdict::Repeated => {
                let what = format!("the event at position {position} repeats a version");
                Err(self.damage(&found, position..position.plus(1), what))
            }
        }
    }

    /// Steps over an event that cannot be served because of what it is; one that could not be read
    /// at this moment is asked for again.
    fn fail(&mut self, position: Position, error: Error) -> Error {
        match error.kind() {
            _ if error.is_of_index() => self.search.stop(),
            ErrorKind::Damaged => {
                if let Some(hole) = self.cross_hole(position) {
                    return hole;
                }
                return self.cross_gap(error).unwrap_or_else(|error| self.gather(position, error));
            }
            ErrorKind::Unsupported => {
                if let Some(newer) = self.view.newer_at(position) {
                    let lost = self.pass_all(&newer.positions);
                    return newer.error(&lost);
                }
                self.search.pass(position);
                self.excuse(1);
            }
            _ => {}
        }
        error
    }

    /// Says that so many events may be missing among those of a stream.
    fn excuse(&mut self, events: u64) {
        if let Some(versions) = &mut self.versions {
            versions.excuse(events);
        }
    }

    /// Reports what is lost with a missing segment, if that is where this position lies, and steps over all of it.
    fn cross_hole(&mut self, position: Position) -> Option<Error> {
        let hole = self.view.table.holes.at(position)?.clone();
        let lost = self.pass_all(&hole.positions);
        Some(hole_error(&hole, lost))
    }

    /// Steps over all that an error is about, if that is more than one event: it is no more worth looking at.
    fn cross_gap(&mut self, error: Error) -> std::result::Result<Error, Error> {
        let Some(gap) = error.damage().filter(|damage| is_gap(damage)).cloned() else {
            return Err(error);
        };
        let positions = self.pass_all(&gap.positions);
        Ok(Error::damaged(Damage { positions, ..gap }))
    }

    /// Steps over all of these positions. Gives those of them that were to be read.
    fn pass_all(&mut self, positions: &Range<Position>) -> Range<Position> {
        let passed = self.search.pass_all(positions);
        self.excuse(passed.end.0 - passed.start.0);
        passed
    }

    /// Reports all that is damaged from here on in one error, as far as it lies in one segment.
    fn gather(&mut self, first: Position, mut error: Error) -> Error {
        let mut last = first;
        self.search.pass(first);
        let mut budget = Budget::unbounded();
        while let Ok(Sight::Found(target)) =
            self.search.nearest(&self.view, &mut self.locator, &mut budget)
            && target.position.0.abs_diff(last.0) == 1
            && segment_of(&self.view, target.position) == segment_of(&self.view, first)
            && self.view.table.holes.at(target.position).is_none()
            && let Some(damage) = self.damage_at(target)
        {
            last = target.position;
            self.search.pass(last);
            if self.search.way == Way::Backward {
                // What comes first in the file is named.
                error = damage;
            }
        }
        let positions = first.min(last)..first.max(last).plus(1);
        self.excuse(positions.end.0 - positions.start.0);
        match error.damage() {
            Some(damage) if last != first => {
                let what = format!("{} are damaged", named(&positions));
                Error::damaged(Damage { positions, what, ..damage.clone() })
            }
            _ => error,
        }
    }

    fn damage_at(&mut self, target: Target) -> Option<Error> {
        let located = self.locator.locate(&self.view, target, |_| ());
        located.err().filter(|error| error.damage().is_some_and(|damage| !is_gap(damage)))
    }

    /// Versions of a stream are missing between the last event and the one that was found.
    fn missing(&self, found: &Found, versions: &Range<u64>) -> Error {
        let positions = match self.search.way {
            Way::Forward => self.search.range.start..found.position,
            Way::Backward => found.position.plus(1)..self.search.range.end,
        };
        let what = match versions.end - versions.start {
            1 => format!("version {} is missing", versions.start),
            _ => format!("versions {} to {} are missing", versions.start, versions.end - 1),
        };
        self.damage(found, positions, what)
    }

    /// A stream that was read back to the store's beginning must have come to its version 0.
    fn finish(&mut self) -> Result<()> {
        let range = &self.search.range;
        let Some(versions) = self.versions.as_mut().filter(|_| range.start == Position(0)) else {
            return Ok(());
        };
        let Some(missing) = versions.finish() else { return Ok(()) };
        let positions = Position(0)..range.end;
        let what = format!("the versions before {} are missing", missing.end);
        let range = FIRST_FRAME.0..FIRST_FRAME.0;
        let found = Found { segment: 0, range, position: positions.end, time: Timestamp(0) };
        Err(self.damage(&found, positions, what))
    }

    fn damage(&self, found: &Found, positions: Range<Position>, what: String) -> Error {
        let segment = self.view.table.segments.get(found.segment);
        let file = segment.map(|segment| segment.path.clone()).unwrap_or_default();
        let offset = ByteOffset(found.range.start);
        Error::damaged(Damage { file, offset, bytes: 0, positions, what })
    }
}

/// Whether this is about more than one event.
fn is_gap(damage: &Damage) -> bool {
    damage.positions.end.0.saturating_sub(damage.positions.start.0) > 1
}
