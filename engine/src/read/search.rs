//! Which events are to be looked at, one after the other.

use std::collections::VecDeque;
use std::ops::Range;

use quipu_format::Position;
use quipu_format::record::Check;
use quipu_index::Way;

use super::Locator;
use super::locate::Target;
use crate::Result;
use crate::find::{Budget, Lost, Plan, Sight, nearer};
use crate::plant::{self, Bug};
use crate::segments::View;

/// How many events are found ahead of the one that is read, at most.
const AHEAD_MAX: usize = 16;

/// A search by a plan, and for the events that the index calls lost, over a range of positions.
pub(crate) struct Search {
    plan: Plan,
    lost: Option<Lost>,
    pub(super) way: Way,
    /// The positions that are still to be read.
    pub(super) range: Range<Position>,
    check: Check,
    /// The next events that were found.
    ahead: VecDeque<Target>,
    /// How many are to be found the next time.
    burst: usize,
}

impl Search {
    pub(crate) fn new(
        view: &View,
        plan: Plan,
        way: Way,
        range: Range<Position>,
        check: Check,
    ) -> Search {
        // Where every event is looked at, those that are lost are met anyway.
        let keys = &view.store.shelf.keys;
        let by_key = !matches!(plan, Plan::Every(_)) && !plant::is_in(Bug::LossByKeyNotTold);
        let lost = by_key.then(|| Lost::new(keys, way));
        let range = range.start..range.end.min(view.visible_position);
        Search { plan, lost, way, range, check, ahead: VecDeque::new(), burst: 1 }
    }

    /// Expects that so many events will be asked for.
    pub(super) fn expect(&mut self, events: u64) {
        self.burst = usize::try_from(events).unwrap_or(AHEAD_MAX).clamp(1, AHEAD_MAX);
    }

    /// Reading forward: has found all there was, and begins anew in a later view. What the cursors said of this
    /// one does not hold there, and the indexes that they held are let go.
    pub(super) fn rest(&mut self) {
        self.range = self.range.start.max(self.range.end)..self.range.end;
        self.plan.restart();
        if let Some(lost) = &mut self.lost {
            lost.restart();
        }
        self.ahead.clear();
    }

    /// After a rest: goes on to the end of a later view.
    pub(super) fn renew(&mut self, view: &View) {
        self.range.end = view.visible_position;
    }

    /// The next event that may be asked for. What was looked at before the budget was spent lies behind.
    pub(super) fn nearest(
        &mut self,
        view: &View,
        locator: &mut Locator,
        budget: &mut Budget,
    ) -> Result<Sight<Target>> {
        if self.ahead.is_empty() {
            if let Some(reached) = self.look_ahead(view, budget)? {
                self.range = self.range_from(reached);
                return Ok(Sight::Paused(reached));
            }
            locator.prepare(view, self.ahead.make_contiguous());
        }
        Ok(self.ahead.front().copied().into())
    }

    /// What is before `position`, in the direction of reading, and itself, lies behind.
    pub(super) fn pass(&mut self, position: Position) {
        self.range = self.behind(position);
        while self.ahead.front().is_some_and(|target| !self.range.contains(&target.position)) {
            self.ahead.pop_front();
        }
    }

    /// The same of some positions, the nearest of which comes next. Gives those of them that were to be read.
    pub(super) fn pass_all(&mut self, positions: &Range<Position>) -> Range<Position> {
        let start = positions.start.max(self.range.start);
        let end = positions.end.min(self.range.end);
        if start < end {
            self.pass(match self.way {
                Way::Forward => Position(end.0 - 1),
                Way::Backward => start,
            });
        }
        start..end.max(start)
    }

    /// An index made anew fails as the one before did: nothing more is looked for. Where reading goes on in a later
    /// view, it begins where it stood.
    pub(super) fn stop(&mut self) {
        match self.way {
            Way::Forward => self.range.end = self.range.start,
            Way::Backward => self.range.start = self.range.end,
        }
        self.ahead.clear();
    }

    fn behind(&self, position: Position) -> Range<Position> {
        match self.way {
            Way::Forward => position.plus(1)..self.range.end,
            Way::Backward => self.range.start..position,
        }
    }

    /// What is left from this position on, itself included.
    fn range_from(&self, position: Position) -> Range<Position> {
        match self.way {
            Way::Forward => position.max(self.range.start)..self.range.end,
            Way::Backward => self.range.start..position.plus(1).min(self.range.end),
        }
    }

    /// Finds some events. One that fails is met again when those before it have been read. Where there is none before
    /// the budget is spent, gives how far it has come.
    fn look_ahead(&mut self, view: &View, budget: &mut Budget) -> Result<Option<Position>> {
        let mut range = self.range.clone();
        for _ in 0..self.burst {
            match self.seek(view, &range, budget) {
                Ok(Sight::Found(target)) => {
                    range = self.behind(target.position);
                    self.ahead.push_back(target);
                }
                Ok(Sight::Paused(reached)) if self.ahead.is_empty() => return Ok(Some(reached)),
                Err(error) if self.ahead.is_empty() => return Err(error),
                Ok(Sight::Nothing | Sight::Paused(_)) | Err(_) => break,
            }
        }
        self.burst = (self.burst * 2).min(AHEAD_MAX);
        Ok(None)
    }

    /// The first event of a range of positions, in the direction of reading.
    fn seek(
        &mut self,
        view: &View,
        range: &Range<Position>,
        budget: &mut Budget,
    ) -> Result<Sight<Target>> {
        if range.is_empty() {
            return Ok(Sight::Nothing);
        }
        let target = match self.way {
            Way::Forward => range.start,
            Way::Backward => Position(range.end.0 - 1),
        };
        // First: what is found to be lost on the way is known behind this line.
        let planned = self.plan.seek(view, target, budget)?;
        let lost = match &mut self.lost {
            Some(lost) => lost.seek(view, target)?,
            None => None,
        };
        let (Sight::Found(met) | Sight::Paused(met)) = planned else {
            let lost = lost.filter(|position| range.contains(position));
            return Ok(lost.map(Target::lost).into());
        };
        let nearest = nearer(Some(met), lost, self.way);
        Ok(match nearest.filter(|position| range.contains(position)) {
            None => Sight::Nothing,
            Some(position) if lost == Some(position) => Sight::Found(Target::lost(position)),
            Some(position) if matches!(planned, Sight::Paused(_)) => Sight::Paused(position),
            Some(position) => Sight::Found(Target::new(position, self.check)),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use crate::{ExpectedVersion, NewEvent, Store};

    #[test]
    fn a_search_that_was_stopped_comes_to_its_end_and_goes_on_where_it_stood() {
        let store = Store::builder("s").in_memory().open().unwrap();
        let events: Vec<_> = (0..9).map(|_| NewEvent::new("T", vec![1])).collect();
        store.append("a", ExpectedVersion::Any, events).unwrap();
        let view = store.segments().view();
        for (way, passed) in [(Way::Forward, 0..3), (Way::Backward, 6..9)] {
            let range = Position(0)..Position(9);
            let mut search = Search::new(&view, Plan::Every(way), way, range, Check::Sum);
            let mut locator = Locator::default();
            let mut next = |search: &mut Search| {
                let nearest = search.nearest(&view, &mut locator, &mut Budget::unbounded());
                nearest.unwrap().found()
            };
            for _ in passed.clone() {
                let target = next(&mut search).unwrap();
                search.pass(target.position);
            }
            assert!(next(&mut search).is_some());
            search.stop();
            assert!(next(&mut search).is_none());
            if way == Way::Forward {
                search.rest();
                search.renew(&view);
                let next = next(&mut search).unwrap();
                assert_eq!(next.position, Position(passed.end));
            }
        }
    }
}
