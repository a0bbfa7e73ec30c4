//! The log read in order, frame by frame, with damage reported and stepped over.

mod onward;

use std::ops::Range;
use std::sync::Arc;

use quipu_format::checksum::Place;
use quipu_format::frame::{FrameHeader, FrameKind};
use quipu_format::record::{Check, Record};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Position, UNIT_BYTES};

use super::Found;
use super::bytes::Lender;
use super::frame::{Open, header_at, next_frame};
use crate::frames::SEARCH_TRIES_MAX;
use crate::positions::named;
use crate::segments::{Segment, View, hole_error};
use crate::{Damage, Error, ErrorKind, Event, Result};

/// A walk over the log from a position on, to the end of what was visible as it began, or of one segment.
///
/// Damage is reported once, with the positions that cannot be served; the next step goes on behind it.
pub(crate) struct Walk {
    view: View,
    cursor: Cursor,
    from: Position,
    extent: Extent,
    check: Check,
    lender: Lender,
    /// What a newer version wrote was met: there is no going on.
    over: bool,
}

/// How far a walk goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// To the end of the log, also over segments that are missing.
    Log,
    /// To the end of the segment in which it begins.
    Segment,
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

impl Walk {
    /// A walk over everything from a position on.
    pub(crate) fn new(view: View, from: Position, check: Check) -> Walk {
        let segments = &view.table.segments;
        let after = segments.partition_point(|segment| segment.base <= from);
        let index = after.saturating_sub(1);
        let start = segments.get(index).map_or(from, |segment| segment.base);
        let mut cursor = Cursor { index, at: FIRST_FRAME, frame: None, next: start.min(from) };
        cursor.leap(&view, from);
        let (extent, lender) = (Extent::Log, Lender::default());
        Walk { view, cursor, from, extent, check, lender, over: false }
    }

    /// A walk over one segment, from a frame on whose first position is known.
    pub(crate) fn within(view: View, index: usize, at: ByteOffset, from: Position) -> Walk {
        let cursor = Cursor { index, at, frame: None, next: from };
        let (extent, lender) = (Extent::Segment, Lender::default());
        Walk { view, cursor, from, extent, check: Check::Sum, lender, over: false }
    }

    /// Goes on to the next event.
    pub(crate) fn next(&mut self) -> Result<Option<Found>> {
        while !self.over {
            let next = match self.follow() {
                Ok(None) => self.advance(),
                next => next,
            };
            match next {
                Err(error) if error.kind() == ErrorKind::Unsupported => self.pass_newer(error)?,
                next => return next,
            }
        }
        Ok(None)
    }

    /// The next event where all is as it should be: it stands right behind the last one, in the same frame or
    /// at the beginning of the next, and is sound. None where it takes a closer look; nothing has changed then.
    fn follow(&mut self) -> Result<Option<Found>> {
        let Walk { view, cursor, lender, .. } = self;
        let Some(segment) = view.table.segments.get(cursor.index) else { return Ok(None) };
        let open = match cursor.frame {
            Some(open) if open.bad.is_some() => return Ok(None),
            Some(open) if open.at < open.len => open,
            Some(open) if open.next_position != cursor.next => return Ok(None),
            _ => match next_frame(view, segment, lender, cursor.at)? {
                Some(open) => open,
                None => return Ok(None),
            },
        };
        let range = open.offset.0 + open.at..open.offset.0 + open.len;
        let place = Place::new(segment.salt, ByteOffset(range.start));
        let bytes = lender.lend(view, segment, range.clone())?;
        let Ok(record) = Record::sum(bytes, place, self.check) else { return Ok(None) };
        let position = open.first_position.plus(u64::from(record.ordinal));
        let expected = record.frame_back == open.at && position == cursor.next;
        if !expected || position < self.from || position >= open.next_position {
            return Ok(None);
        }
        cursor.frame = Some(Open { at: open.at + record.len, ..open });
        cursor.at = ByteOffset(open.offset.0 + open.len);
        cursor.next = position.plus(1);
        let range = range.start..range.start + record.len;
        Ok(Some(Found { segment: cursor.index, range, position, time: open.time }))
    }

    /// An event that was found.
    pub(crate) fn event(&mut self, found: &Found) -> Result<Option<Event<'_>>> {
        found.event(&self.view, &mut self.lender)
    }

    fn advance(&mut self) -> Result<Option<Found>> {
        loop {
            self.cross_hole()?;
            let segment = self.view.table.segments.get(self.cursor.index).cloned();
            let Some(segment) = segment else { return Ok(None) };
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
            } else {
                let at = self.cursor.at.0;
                self.missing_until(&segment, at..at, self.end_of_segment())?;
                self.cross_hole()?;
                if self.next_segment().is_none() {
                    return Ok(None);
                }
            }
        }
    }

    /// The position after the last event of the segment that is walked.
    fn end_of_segment(&self) -> Position {
        let (end, visible) =
            (self.view.table.end_of(self.cursor.index), self.view.visible_position);
        end.map_or(visible, |end| end.min(visible))
    }

    /// Reports what is lost with a segment that is missing, if the walk has come to that.
    fn cross_hole(&mut self) -> Result<()> {
        while self.extent == Extent::Log
            && let Some(hole) = self.view.table.holes.at(self.cursor.next)
        {
            let lost = self.reached()..hole.positions.end.min(self.view.visible_position);
            let error = (!lost.is_empty()).then(|| hole_error(hole, lost.clone()));
            if lost.end <= self.cursor.next {
                break;
            }
            self.cursor.next = lost.end;
            error.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Goes to the next segment that may be seen.
    fn next_segment(&mut self) -> Option<()> {
        let next = self.view.table.segments.get(self.cursor.index + 1)?;
        if self.extent == Extent::Segment || next.id > self.view.visible.segment() {
            return None;
        }
        self.cursor.index += 1;
        self.cursor.at = FIRST_FRAME;
        Some(())
    }

    /// Opens the frame at the cursor, or steps over it if nothing in it is asked for.
    fn open_frame(&mut self, segment: &Arc<Segment>, end: ByteOffset) -> Result<()> {
        let offset = self.cursor.at;
        let header = self.header_at(segment, offset, end)?;
        let header = match header.and_then(|header| header.permit().map(|()| header)) {
            Ok(header) => header,
            Err(error @ FormatError::Unsupported { .. }) => {
                self.over = true;
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
        self.cursor.frame = Some(Open::new(offset, &header));
        Ok(())
    }

    /// The header at `offset`, if it is valid.
    fn header_at(
        &mut self,
        segment: &Arc<Segment>,
        offset: ByteOffset,
        end: ByteOffset,
    ) -> Result<std::result::Result<FrameHeader, FormatError>> {
        header_at(&self.view, segment, &mut self.lender, offset, end)
    }

    /// Finds the next valid frame behind a bad one, or the segment's end.
    fn skip_damage(&mut self, segment: &Arc<Segment>, end: ByteOffset) -> Result<()> {
        let start = self.cursor.at;
        let mut at = ByteOffset(start.0 + UNIT_BYTES);
        let mut next = None;
        // The manifest says where the segment ends, and may say more than there is.
        let searched = end.0.min(self.lender.file_bytes(&self.view, segment)?);
        while at.0 < searched {
            if let Ok(header) = self.header_at(segment, at, end)?
                && header.first_position >= self.cursor.next
            {
                next = Some(header.first_position);
                break;
            }
            at.0 += UNIT_BYTES;
        }
        self.cursor.at = if next.is_some() { at.min(end) } else { end };
        let next = next.unwrap_or_else(|| self.end_of_segment());
        let range = start.0..self.cursor.at.0;
        if next > self.cursor.next {
            return self.missing_until(segment, range, next);
        }
        // Nothing that could be served is lost, yet the bytes are not what was written. What lies before the
        // events that are asked for is nobody's concern: a follower has been told of it.
        if self.cursor.next < self.from {
            return Ok(());
        }
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
                let (segment, time) = (self.cursor.index, open.time);
                Ok(wanted.then_some(Found { segment, range, position, time }))
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
            let bytes = self.lender.lend(&self.view, segment, range.clone())?;
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
        segment: &Arc<Segment>,
        open: Open,
        range: Range<u64>,
    ) -> Result<std::result::Result<(u16, u64), FormatError>> {
        let place = Place::new(segment.salt, ByteOffset(range.start));
        let back = range.start - open.offset.0;
        let (check, next) = (self.check, self.cursor.next);
        let events = open.next_position.0 - open.first_position.0;
        let bytes = self.lender.lend(&self.view, segment, range)?;
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
        segment: &Arc<Segment>,
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

    fn damage(&self, segment: &Arc<Segment>, range: Range<u64>, until: Position) -> Error {
        let positions = self.cursor.next..until.max(self.cursor.next);
        let what = match positions.end.0 - positions.start.0 {
            0 => format!("bytes before position {} are damaged, and no event", positions.start),
            1 => format!("{} is damaged", named(&positions)),
            _ => format!("{} are damaged", named(&positions)),
        };
        let offset = ByteOffset(range.start);
        let bytes = range.end.saturating_sub(range.start);
        Error::damaged(Damage { file: segment.path.clone(), offset, bytes, positions, what })
    }
}
