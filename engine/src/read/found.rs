//! A record of the log that was found.

use std::ops::Range;

use quipu_format::checksum::Place;
use quipu_format::record::{Check, Record};
use quipu_format::{ByteOffset, FormatError, Position, Timestamp};

use super::bytes::Lender;
use crate::segments::{Segment, View};
use crate::{Damage, Error, Event, Result};

/// A record that has been found and checked.
pub(crate) struct Found {
    /// Index of its segment in the view's table.
    pub(crate) segment: usize,
    pub(crate) range: Range<u64>,
    pub(crate) position: Position,
    pub(crate) time: Timestamp,
}

impl Found {
    /// The event, read in place.
    pub(crate) fn event<'l>(
        &self,
        view: &View,
        lender: &'l mut Lender,
    ) -> Result<Option<Event<'l>>> {
        let Some(segment) = view.table.segments.get(self.segment) else { return Ok(None) };
        let place = Place::new(segment.salt, ByteOffset(self.range.start));
        let bytes = lender.lend(view, segment, self.range.clone())?;
        let record = Record::parse(bytes, place, Check::Trust)
            .map_err(|error| undecodable(segment, place.offset, self.position, &error))?;
        Ok(Some(Event::new(record, self.position, self.time)))
    }
}

/// The bytes of a record that are no event.
pub(super) fn undecodable(
    segment: &Segment,
    offset: ByteOffset,
    position: Position,
    error: &FormatError,
) -> Error {
    if let FormatError::Unsupported { .. } = error {
        return Error::format(&segment.path, offset, error);
    }
    Error::damaged(Damage {
        file: segment.path.clone(),
        offset,
        bytes: 0,
        positions: position..position.plus(1),
        what: format!("the event at position {position} is damaged: {error}"),
    })
}
