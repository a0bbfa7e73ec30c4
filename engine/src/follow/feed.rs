//! The events that a subscription delivers, from one view of the store to the next.

use std::sync::Arc;

use quipu_format::{Position, Timestamp, Version};

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
    /// An event that was found and not delivered yet.
    found: Option<Found>,
    next: Next,
    /// Nothing is left of what the source sees.
    exhausted: bool,
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
        Feed { segments, source, wanted, found: None, next, exhausted: false }
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    pub(crate) fn next(&self) -> Next {
        self.next
    }

    /// Finds the next event of the present view, to be taken by [`Feed::take`]. False at the view's end.
    pub(crate) fn find(&mut self) -> Result<bool> {
        while !self.exhausted {
            if self.found.is_none() {
                self.found = self.advance()?;
            }
            let Some(found) = &self.found else {
                self.exhausted = true;
                break;
            };
            match self.wanted.admits(&mut self.source, found) {
                Ok(true) => return Ok(true),
                Ok(false) => self.drop_found(),
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(self.found.is_some())
    }

    fn advance(&mut self) -> Result<Option<Found>> {
        let found = self.source.next();
        match &found {
            Ok(Some(_)) => {}
            Ok(None) => self.pass(self.source.end()),
            Err(_) => self.pass(self.source.reached()),
        }
        found
    }

    /// Lets go of an event that cannot be served because of what it is; one that could not be read at this
    /// moment is tried again.
    fn fail(&mut self, error: Error) -> Error {
        if is_final(&error) {
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

    /// The event that was found; the next one follows it.
    pub(crate) fn take(&mut self) -> Result<Event<'_>> {
        let nothing = || Error::new(ErrorKind::Io, "the event that was found is not there");
        let Some(found) = &self.found else { return Err(nothing()) };
        let position = found.position;
        match self.source.event(found).and_then(|event| event.ok_or_else(nothing)) {
            Ok(event) => {
                self.found = None;
                self.next = Next { position: position.plus(1), version: event.version().plus(1) };
                Ok(event)
            }
            Err(error) => {
                if is_final(&error) {
                    self.found = None;
                    self.next.position = position.plus(1);
                }
                Err(error)
            }
        }
    }

    /// Goes on to a view that shows more, if there is one. Costs next to nothing if there is not.
    pub(crate) fn renew(&mut self) -> Result<bool> {
        self.segments.refresh()?;
        let seen = self.next.position.max(self.source.end());
        if self.segments.visible_position() <= seen {
            return Ok(false);
        }
        self.source.renew(self.segments.view());
        self.exhausted = false;
        Ok(true)
    }

    /// Whether there is no going on: what a newer version of Quipu wrote stands in the way.
    pub(crate) fn is_over(&self) -> bool {
        self.source.is_over()
    }
}

/// Whether asking again would lead to the same.
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported)
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
