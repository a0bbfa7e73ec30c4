//! The events that a subscription delivers, from one view of the store to the next.

use std::sync::Arc;

use quipu_format::{Position, Timestamp, Version};

use crate::find::{Budget, Sight};
use crate::plant::{self, Bug};
use crate::read::{Found, Source};
use crate::segments::Segments;
use crate::{Error, ErrorKind, Event, Result};

/// Events as they become visible, in order.
///
/// Positions are dense and what is visible only grows, so going on behind what an earlier view showed
/// leaves no gap: there is no switch from catching up to following, only one view after another.
pub(crate) struct Feed {
    segments: Arc<Segments>,
    source: Source,
    wanted: Wanted,
    stand: Stand,
    /// Nothing is left of what the source sees.
    exhausted: bool,
    /// How far it has been told of what keeps it from news.
    told: u64,
}

/// Where a feed stands.
struct Stand {
    /// An event that was found and not delivered yet.
    found: Option<Found>,
    next: Next,
    /// What a newer version of Quipu wrote was met, or an index that cannot be mended: there is no going on.
    over: Option<Error>,
}

/// What came of looking for the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// It is there, to be taken by [`Feed::take`].
    Found,
    /// There is none in the present view.
    Exhausted,
    /// The budget is spent.
    Paused,
}

/// What is asked of an event beside what selects it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// It was recorded at this time or later.
    pub(crate) since: Option<Timestamp>,
    /// It happened in the world between these times.
    pub(crate) occurred: Option<(Timestamp, Timestamp)>,
}

/// Where a subscription goes on: all before was delivered, reported as damaged, or not asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) position: Position,
    /// Of one stream.
    pub(crate) version: Version,
}

impl Feed {
    pub(crate) fn new(segments: Arc<Segments>, source: Source, wanted: Wanted, next: Next) -> Feed {
        Feed {
            segments,
            source,
            wanted,
            stand: Stand { found: None, next, over: None },
            exhausted: false,
            told: 0,
        }
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    pub(crate) fn next(&self) -> Next {
        self.stand.next
    }

    /// Looks for the next event of the present view.
    pub(crate) fn find(&mut self, budget: &mut Budget) -> Result<Sought> {
        while !self.exhausted {
            if self.stand.found.is_none() {
                match self.advance(budget)? {
                    Sight::Paused(_) => return Ok(Sought::Paused),
                    sight => self.stand.found = sight.found(),
                }
            }
            let Some(found) = &self.stand.found else {
                self.exhausted = true;
                self.source.rest();
                break;
            };
            if plant::is_in(Bug::HandedOverEarly) && found.position < self.stand.next.position {
                self.stand.drop_found();
                continue;
            }
            match self.wanted.admits(&mut self.source, found) {
                Ok(true) => return Ok(Sought::Found),
                Ok(false) => self.stand.drop_found(),
                Err(error) => return Err(self.stand.fail(error)),
            }
            if !budget.spend() {
                return Ok(Sought::Paused);
            }
        }
        Ok(Sought::Exhausted)
    }

    fn advance(&mut self, budget: &mut Budget) -> Result<Sight<Found>> {
        match self.source.next_within(budget) {
            Ok(Sight::Found(found)) => Ok(Sight::Found(found)),
            Ok(Sight::Paused(reached)) => {
                self.stand.pass(reached);
                Ok(Sight::Paused(reached))
            }
            Ok(Sight::Nothing) => {
                let end = if plant::is_in(Bug::HandedOverEarly) {
                    self.segments.visible_position()
                } else {
                    self.source.end()
                };
                self.stand.pass(end);
                Ok(Sight::Nothing)
            }
            Err(error) => {
                if error.kind() != ErrorKind::Unsupported {
                    self.stand.pass(self.source.reached());
                }
                Err(self.stand.fail(error))
            }
        }
    }

    /// The event that was found; the next one follows it.
    pub(crate) fn take(&mut self) -> Result<Event<'_>> {
        let nothing = || Error::new(ErrorKind::Io, "the event that was found is not there");
        let Some(found) = &self.stand.found else { return Err(nothing()) };
        let position = found.position;
        match self.source.event(found).and_then(|event| event.ok_or_else(nothing)) {
            Ok(event) => {
                self.stand.found = None;
                self.stand.next =
                    Next { position: position.plus(1), version: event.version().plus(1) };
                Ok(event)
            }
            Err(error) => Err(self.stand.fail(error)),
        }
    }

    /// Goes on to a view that shows more, if there is one. Costs next to nothing if there is not.
    pub(crate) fn renew(&mut self) -> Result<bool> {
        let is_over = || self.segments.news().ending().is_some();
        // What ends it for everybody is told once, by whoever asks for the end.
        match if is_over() { Ok(()) } else { self.segments.refresh() } {
            Err(error) if !is_over() => {
                // Whoever asks is told by this very error.
                let _ = self.segments.trouble_since(&mut self.told);
                return Err(error);
            }
            _ => {}
        }
        let seen = self.stand.next.position.max(self.source.end());
        if self.segments.visible_position() <= seen {
            // Whoever waits is woken for that too: it may have been another that looked.
            let trouble =
                if is_over() { None } else { self.segments.trouble_since(&mut self.told) };
            return trouble.map_or(Ok(false), Err);
        }
        self.source.renew(self.segments.view());
        self.exhausted = false;
        Ok(true)
    }

    /// What cannot be stepped over, if that stands in the way: mostly what a newer version of Quipu wrote.
    pub(crate) fn over(&self) -> Option<&Error> {
        self.stand.over.as_ref()
    }
}

impl Stand {
    /// Steps over an event that is damaged; one that could not be read at this moment is tried again. One that
    /// this version cannot read is neither damaged nor delivered: whoever goes on there finds it again.
    fn fail(&mut self, error: Error) -> Error {
        if error.kind() == ErrorKind::Unsupported || error.is_of_index() {
            self.found = None;
            self.over = Some(error.clone());
        } else if error.kind() == ErrorKind::Damaged {
            self.drop_found();
        }
        error
    }

    fn drop_found(&mut self) {
        if let Some(found) = self.found.take() {
            self.pass(found.position.plus(1));
        }
    }

    fn pass(&mut self, position: Position) {
        self.next.position = self.next.position.max(position);
    }
}

impl Wanted {
    /// Whether an event is among those asked for.
    pub(crate) fn admits(&self, source: &mut Source, found: &Found) -> Result<bool> {
        if self.since.is_some_and(|since| found.time < since) {
            return Ok(false);
        }
        let Some((first, last)) = self.occurred else { return Ok(true) };
        let occurred = source.event(found)?.and_then(|event| event.occurred());
        Ok(occurred.is_some_and(|at| (first..=last).contains(&at)))
    }
}
