//! Reading events in the order of their positions.

mod bytes;

use std::ops::Range;
use std::sync::Arc;

use quipu_disk::Disk;
use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::limits::FRAME_BYTES_MAX;
use quipu_format::record::{Check, Record};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Position, Timestamp, UNIT_BYTES};

use self::bytes::{Copied, bytes};
use crate::frames::SEARCH_TRIES_MAX;
use crate::segments::{Segment, Segments, View};
use crate::{Damage, Error, Event, Result, Verify};

const HEADER: u64 = FRAME_HEADER_BYTES as u64;

/// All events of a store, to be narrowed down and read.
#[derive(Clone, Copy)]
#[must_use = "nothing is read before `events` is called"]
pub struct All<'s> {
    disk: &'s Arc<dyn Disk>,
    segments: &'s Segments,
    from: Position,
    limit: u64,
    verify: Verify,
}

impl<'s> All<'s> {
    pub(crate) fn new(disk: &'s Arc<dyn Disk>, segments: &'s Segments) -> All<'s> {
        All { disk, segments, from: Position(0), limit: u64::MAX, verify: Verify::Always }
    }

    /// Begins at this position.
    pub fn from(mut self, position: Position) -> All<'s> {
        self.from = position;
        self
    }

    /// Ends after so many events.
    pub fn limit(mut self, events: u64) -> All<'s> {
        self.limit = events;
        self
    }

    /// Says whether each event is summed before it is served.
    pub fn verify(mut self, verify: Verify) -> All<'s> {
        self.verify = verify;
        self
    }

    /// Opens a cursor over what is visible at this moment.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn events(self) -> Result<Events> {
        let view = self.segments.view();
        let after = view.table.partition_point(|segment| segment.base <= self.from);
        let index = after.saturating_sub(1);
        let start = view.table.get(index).map_or(self.from, |segment| segment.base);
        Ok(Events {
            disk: Arc::clone(self.disk),
            cursor: Cursor { index, at: FIRST_FRAME, frame: None, next: start.min(self.from) },
            view,
            from: self.from,
            left: self.limit,
            check: self.verify.check(),
            copy: Copied::default(),
        })
    }
}

/// A cursor over events. It lends each event until the next is asked for.
///
/// Damage is reported once, with the positions that cannot be served; the next call goes on behind it.
pub struct Events {
    disk: Arc<dyn Disk>,
    view: View,
    cursor: Cursor,
    from: Position,
    left: u64,
    check: Check,
    copy: Copied,
}

/// Where a cursor stands.
struct Cursor {
    /// The segment.
    index: usize,
    /// The next frame.
    at: ByteOffset,
    /// The frame being read.
    frame: Option<Open>,
    /// Position of the next event.
    next: Position,
}

/// A frame being read.
#[derive(Clone, Copy)]
struct Open {
    offset: ByteOffset,
    len: u64,
    first_position: Position,
    next_position: Position,
    time: Timestamp,
    /// The next record, in bytes from the frame's start.
    at: u64,
    /// The first of the bytes before it that are no valid record.
    bad: Option<u64>,
}

/// A record that has been found and checked.
struct Found {
    range: Range<u64>,
    position: Position,
    time: Timestamp,
}

impl Events {
    /// The next event; `None` at the end of what was visible when the cursor was opened.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) for events that cannot be served; what the
    /// system refuses.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(found) = self.advance()? else { return Ok(None) };
        self.left -= 1;
        let Some(segment) = self.view.table.get(self.cursor.index) else { return Ok(None) };
        let place = Place::new(segment.salt, ByteOffset(found.range.start));
        let bytes = bytes(&self.disk, &self.view, segment, &mut self.copy, found.range)?;
        let record = Record::parse(bytes, place, Check::Trust)
            .map_err(|error| Error::format(&segment.path, place.offset, &error))?;
        Ok(Some(Event::new(record, found.position, found.time)))
    }

    fn advance(&mut self) -> Result<Option<Found>> {
        while let Some(segment) = self.view.table.get(self.cursor.index).cloned() {
            let end = segment.end(self.view.visible);
            if let Some(open) = self.cursor.frame {
                if open.at >= open.len {
                    self.cursor.frame = None;
                    self.missing_until(&segment, open.damaged(), open.next_position)?;
                } else if let Some(found) = self.record(&segment, open)? {
                    return Ok(Some(found));
                }
            } else if self.cursor.at < end {
                self.open_frame(&segment, end)?;
            } else if self.next_segment().is_none() {
                let (at, position) = (self.cursor.at.0, self.view.visible_position);
                return self.missing_until(&segment, at..at, position).map(|()| None);
            }
        }
        Ok(None)
    }

    /// Goes to the next segment that may be seen.
    fn next_segment(&mut self) -> Option<()> {
        let next = self.view.table.get(self.cursor.index + 1)?;
        if next.id > self.view.visible.segment() {
            return None;
        }
        self.cursor.index += 1;
        self.cursor.at = FIRST_FRAME;
        Some(())
    }

    /// Opens the frame at the cursor, or steps over it if nothing in it is asked for.
    fn open_frame(&mut self, segment: &Arc<Segment>, end: ByteOffset) -> Result<()> {
        let offset = self.cursor.at;
        let header = match self.header_at(segment, offset, end)? {
            Ok(header) => header,
            Err(error @ FormatError::Unsupported { .. }) => {
                self.left = 0;
                return Err(Error::format(&segment.path, offset, &error));
            }
            Err(_) => return self.skip_damage(segment, end),
        };
        let len = u64::from(header.len);
        let after = ByteOffset(offset.0 + len);
        // A frame that was carried into a later segment by a recovery is met only there.
        if header.kind != FrameKind::Events || header.next_position() <= self.cursor.next {
            self.cursor.at = after;
            return Ok(());
        }
        self.missing_until(segment, offset.0..offset.0, header.first_position)?;
        self.cursor.at = after;
        if header.next_position() <= self.from {
            self.cursor.next = header.next_position();
            return Ok(());
        }
        self.cursor.frame = Some(Open {
            offset,
            len,
            first_position: header.first_position,
            next_position: header.next_position(),
            time: header.time,
            at: HEADER,
            bad: None,
        });
        Ok(())
    }

    /// The header at `offset`, if it is valid.
    fn header_at(
        &mut self,
        segment: &Segment,
        offset: ByteOffset,
        end: ByteOffset,
    ) -> Result<std::result::Result<FrameHeader, FormatError>> {
        let left = end.0.saturating_sub(offset.0);
        if left < HEADER {
            return Ok(Err(FormatError::Truncated { needed: HEADER, available: left }));
        }
        let range = offset.0..offset.0 + HEADER;
        let bytes = bytes(&self.disk, &self.view, segment, &mut self.copy, range)?;
        let header = FrameHeader::decode(bytes, Place::new(segment.salt, offset));
        Ok(header.and_then(|header| match u64::from(header.len) {
            len if len > left => Err(FormatError::Truncated { needed: len, available: left }),
            len if len > FRAME_BYTES_MAX as u64 => Err(FormatError::Invalid("frame length")),
            _ => Ok(header),
        }))
    }

    /// Finds the next valid frame behind a bad one, or the segment's end.
    fn skip_damage(&mut self, segment: &Arc<Segment>, end: ByteOffset) -> Result<()> {
        let start = self.cursor.at;
        let mut at = ByteOffset(start.0 + UNIT_BYTES);
        let mut next = None;
        while at < end {
            if let Ok(header) = self.header_at(segment, at, end)?
                && header.first_position >= self.cursor.next
            {
                next = Some(header.first_position);
                break;
            }
            at.0 += UNIT_BYTES;
        }
        self.cursor.at = at.min(end);
        let following = self.view.table.get(self.cursor.index + 1).map(|segment| segment.base);
        let next = next.or(following).unwrap_or(self.view.visible_position);
        let range = start.0..self.cursor.at.0;
        if next > self.cursor.next {
            return self.missing_until(segment, range, next);
        }
        // Nothing that could be served is lost, yet the bytes are not what was written.
        Err(self.damage(segment, range, next))
    }

    /// The record at the open frame's cursor; `None` where it lies before what is asked for.
    fn record(&mut self, segment: &Arc<Segment>, open: Open) -> Result<Option<Found>> {
        let start = open.offset.0 + open.at;
        let frame_end = open.offset.0 + open.len;
        match self.check_record(segment, open, start..frame_end)? {
            Ok((ordinal, len)) => {
                let position = open.first_position.plus(u64::from(ordinal));
                self.missing_until(segment, open.damaged(), position)?;
                self.cursor.frame = Some(Open { at: open.at + len, bad: None, ..open });
                self.cursor.next = position.plus(1);
                let range = start..start + len;
                let wanted = position >= self.from;
                Ok(wanted.then_some(Found { range, position, time: open.time }))
            }
            Err(_) => {
                let at = self.search_record(segment, open)?;
                let bad = open.bad.or(Some(open.at));
                self.cursor.frame = Some(Open { at, bad, ..open });
                Ok(None)
            }
        }
    }

    /// The next valid record of a frame behind a bad one, or the frame's end.
    fn search_record(&mut self, segment: &Arc<Segment>, open: Open) -> Result<u64> {
        let frame_end = open.offset.0 + open.len;
        let mut tries = 0;
        let mut at = open.at + UNIT_BYTES;
        while at < open.len && tries < SEARCH_TRIES_MAX {
            let range = open.offset.0 + at..frame_end;
            let bytes = bytes(&self.disk, &self.view, segment, &mut self.copy, range.clone())?;
            if Record::is_plausible(bytes, at, open.next_position.0 - open.first_position.0) {
                if self.check_record(segment, open, range)?.is_ok() {
                    return Ok(at);
                }
                tries += 1;
            }
            at += UNIT_BYTES;
        }
        Ok(open.len)
    }

    /// Ordinal and length of the record that begins `range`, if it is valid.
    fn check_record(
        &mut self,
        segment: &Segment,
        open: Open,
        range: Range<u64>,
    ) -> Result<std::result::Result<(u16, u64), FormatError>> {
        let place = Place::new(segment.salt, ByteOffset(range.start));
        let back = range.start - open.offset.0;
        let (check, next) = (self.check, self.cursor.next);
        let events = open.next_position.0 - open.first_position.0;
        let bytes = bytes(&self.disk, &self.view, segment, &mut self.copy, range)?;
        Ok(Record::parse(bytes, place, check).and_then(|record| {
            let position = open.first_position.plus(u64::from(record.ordinal()));
            let follows = position >= next && u64::from(record.ordinal()) < events;
            if record.frame_back() == back && follows {
                Ok((record.ordinal(), record.padded_len()))
            } else {
                Err(FormatError::Invalid("a record of another frame"))
            }
        }))
    }

    /// Reports events between the cursor and `position`, if there should be any: bytes in `range` are
    /// not what was written. Asked again, the cursor goes on behind them.
    fn missing_until(
        &mut self,
        segment: &Segment,
        range: Range<u64>,
        position: Position,
    ) -> Result<()> {
        let missing = self.cursor.next.max(self.from);
        if position <= self.cursor.next {
            return Ok(());
        }
        self.cursor.next = position;
        if position <= missing {
            return Ok(());
        }
        self.cursor.next = missing;
        let error = self.damage(segment, range, position);
        self.cursor.next = position;
        Err(error)
    }

    fn damage(&self, segment: &Segment, range: Range<u64>, until: Position) -> Error {
        let positions = self.cursor.next..until.max(self.cursor.next);
        let what =
            format!("the events from position {} up to {until} are damaged", positions.start);
        let offset = ByteOffset(range.start);
        let bytes = range.end.saturating_sub(range.start);
        Error::damaged(Damage { file: segment.path.clone(), offset, bytes, positions, what })
    }
}

impl Open {
    /// The bytes before the next record that are no valid one.
    fn damaged(&self) -> Range<u64> {
        let end = self.offset.0 + self.at;
        self.offset.0 + self.bad.unwrap_or(self.at)..end
    }
}
