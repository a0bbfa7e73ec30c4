//! One event, found by its position.

use std::ops::Range;
use std::sync::Arc;

use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::record::{Check, RECORD_HEADER_BYTES, Record};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Position};
use quipu_index::{IndexError, Part};

use super::Found;
use super::bytes::Lender;
use super::found::undecodable;
use super::frame::header_at;
use crate::find::{ask, parts};
use crate::positions::named;
use crate::segments::{View, hole_error};
use crate::{Damage, Error, ErrorKind, Event, Result};

const FRAME_HEADER: u64 = FRAME_HEADER_BYTES as u64;
const RECORD_HEADER: u64 = RECORD_HEADER_BYTES as u64;

/// Goes to events by their positions. Remembers where it was last.
#[derive(Default)]
pub(crate) struct Locator {
    lender: Lender,
    here: Option<Here>,
    /// The frame read last: its segment's index, where it stands, and its header.
    frame: Option<((usize, ByteOffset), FrameHeader)>,
}

/// The segment looked into last.
struct Here {
    /// Its index in the table.
    index: usize,
    parts: Arc<[Part]>,
    /// The positions that can only be in it.
    positions: Range<Position>,
}

/// An event that is to be read.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) position: Position,
    check: Check,
    /// Where it stands, once that is known.
    place: Option<Spot>,
}

/// Where a record stands: in which segment of the table, and where in its file.
#[derive(Clone, Copy)]
struct Spot {
    index: usize,
    offset: ByteOffset,
}

impl Target {
    pub(crate) fn new(position: Position, check: Check) -> Target {
        Target { position, check, place: None }
    }

    /// An event that the index calls lost. Nothing is known of what stands there, so nothing is taken on trust.
    pub(crate) fn lost(position: Position) -> Target {
        Target::new(position, Check::Sum)
    }
}

/// What was read, or why that is no event of the store.
type Reading<T> = Result<std::result::Result<T, FormatError>>;

impl Locator {
    /// The event at a position that is visible: checked, and shown to `judge`.
    ///
    /// # Errors
    /// Damage where it is not what was written, or stands elsewhere; what the system refuses.
    pub(crate) fn locate<T>(
        &mut self,
        view: &View,
        target: Target,
        judge: impl FnOnce(&Event<'_>) -> T,
    ) -> Result<(Found, T)> {
        let spot = match target.place {
            Some(spot) => spot,
            None => self.spot(view, target.position)?,
        };
        match self.read(view, target, spot, judge)? {
            Ok(judged) => Ok(judged),
            Err(error) => {
                let segment = &view.table.segments[spot.index];
                Err(undecodable(segment, spot.offset, target.position, &error))
            }
        }
    }

    /// Finds out where events stand, and asks for their bytes all at once: one by one, each would be waited
    /// for.
    pub(crate) fn prepare(&mut self, view: &View, targets: &mut [Target]) {
        for target in &mut *targets {
            target.place = self.spot(view, target.position).ok();
        }
        for spot in targets.iter().filter_map(|target| target.place) {
            let segment = &view.table.segments[spot.index];
            self.lender.touch(view, segment, spot.offset.0.saturating_sub(FRAME_HEADER));
        }
    }

    /// The frame that holds a visible position: where it stands in its segment, and the position of its first
    /// event. None where it is not where the index says.
    pub(crate) fn frame_of(
        &mut self,
        view: &View,
        position: Position,
    ) -> Result<Option<(ByteOffset, Position)>> {
        let spot = self.spot(view, position)?;
        let segment = &view.table.segments[spot.index];
        let range = spot.offset.0..spot.offset.0.saturating_add(RECORD_HEADER);
        if spot.offset < FIRST_FRAME || range.end > segment.end(view.visible).0 {
            return Ok(None);
        }
        let bytes = self.lender.lend(view, segment, range)?;
        let Ok(extent) = Record::extent(bytes) else { return Ok(None) };
        let header = self.frame(view, spot, extent.frame_back)?;
        let holds = |header: &FrameHeader| {
            (header.first_position..header.next_position()).contains(&position)
        };
        Ok(header.ok().filter(holds).and_then(|header| {
            let at = ByteOffset(spot.offset.0.checked_sub(extent.frame_back)?);
            Some((at, header.first_position))
        }))
    }

    /// The event that was located.
    pub(crate) fn event(&mut self, view: &View, found: &Found) -> Result<Option<Event<'_>>> {
        found.event(view, &mut self.lender)
    }

    /// Where the record of a position stands.
    fn spot(&mut self, view: &View, position: Position) -> Result<Spot> {
        let here = match &mut self.here {
            Some(here) if here.positions.contains(&position) => here,
            here => here.insert(Here::at(view, position)?),
        };
        let offset = here.offset(view, position)?;
        Ok(Spot { index: here.index, offset })
    }

    /// Reads a record, and believes it only if all of it fits together.
    fn read<T>(
        &mut self,
        view: &View,
        target: Target,
        spot: Spot,
        judge: impl FnOnce(&Event<'_>) -> T,
    ) -> Reading<(Found, T)> {
        let Target { position, check, .. } = target;
        let Spot { index, offset } = spot;
        let segment = &view.table.segments[index];
        let end = segment.end(view.visible).0;
        let start = offset.0;
        if start < FIRST_FRAME.0 + FRAME_HEADER || start + RECORD_HEADER > end {
            return Ok(Err(FormatError::Invalid("place of a record")));
        }
        // A frame of one event has its header right before the record.
        let range = start - FRAME_HEADER..start + RECORD_HEADER;
        let bytes = self.lender.lend(view, segment, range)?;
        let extent = match Record::extent(&bytes[FRAME_HEADER_BYTES..]) {
            Ok(extent) => extent,
            Err(error) => return Ok(Err(error)),
        };
        if extent.len > end - start {
            let (needed, available) = (extent.len, end - start);
            return Ok(Err(FormatError::Truncated { needed, available }));
        }
        let frame = match self.frame(view, spot, extent.frame_back)? {
            Ok(frame) => frame,
            Err(error) => return Ok(Err(error)),
        };
        // Before so much is read: nothing has been summed yet.
        if extent.frame_back + extent.len > u64::from(frame.len) {
            return Ok(Err(FormatError::Invalid("a record of another frame")));
        }
        let range = start..start + extent.len;
        let bytes = self.lender.lend(view, segment, range.clone())?;
        let place = Place::new(segment.salt, offset);
        Ok(Record::parse(bytes, place, check).and_then(|record| {
            let ordinal = u64::from(record.ordinal());
            if record.frame_back() != extent.frame_back
                || ordinal >= u64::from(frame.events)
                || frame.first_position.plus(ordinal) != position
            {
                return Err(FormatError::Invalid("a record of another frame"));
            }
            let judged = judge(&Event::new(record, position, frame.time));
            Ok((Found { segment: index, range, position, time: frame.time }, judged))
        }))
    }

    /// The header of the frame that begins `back` bytes before `offset`.
    fn frame(&mut self, view: &View, spot: Spot, back: u64) -> Reading<FrameHeader> {
        let at = match spot.offset.0.checked_sub(back) {
            Some(at) if at >= FIRST_FRAME.0 && back >= FRAME_HEADER => ByteOffset(at),
            _ => return Ok(Err(FormatError::Invalid("distance of a record from its frame"))),
        };
        if let Some((known, header)) = self.frame
            && known == (spot.index, at)
        {
            return Ok(Ok(header));
        }
        let segment = &view.table.segments[spot.index];
        // Judged as by whoever reads frame by frame, so that both serve the same events.
        let header = header_at(view, segment, &mut self.lender, at, segment.end(view.visible))?;
        Ok(header.and_then(|header| {
            header.permit()?;
            if header.kind != FrameKind::Events {
                return Err(FormatError::Invalid("a record in a frame without events"));
            }
            self.frame = Some(((spot.index, at), header));
            Ok(header)
        }))
    }
}

impl Here {
    fn at(view: &View, position: Position) -> Result<Here> {
        if let Some(hole) = view.table.holes.at(position) {
            return Err(hole_error(hole, position..position.plus(1)));
        }
        let segments = &view.table.segments;
        let after = segments.partition_point(|segment| segment.base <= position);
        let index = after.saturating_sub(1);
        let Some(segment) = segments.get(index) else {
            return Err(Error::new(ErrorKind::Io, "a store without segments"));
        };
        let until = view.table.end_of(index).unwrap_or(view.visible_position);
        Ok(Here { index, parts: parts(view, index)?, positions: segment.base..until })
    }

    /// Where the record of a position stands in the segment.
    fn offset(&mut self, view: &View, position: Position) -> Result<ByteOffset> {
        let ordinal = position.0.saturating_sub(self.positions.start.0);
        let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
        if let Ok(offset) = offset_in(&self.parts, ordinal) {
            return Ok(offset);
        }
        self.parts = parts(view, self.index)?;
        if let Some(error) = self.unknown(view, ordinal) {
            return Err(error);
        }
        let offset = ask(view, self.index, |parts| offset_in(parts, ordinal))?;
        self.parts = parts(view, self.index)?;
        Ok(offset)
    }

    /// What is said of a position of which the log itself says nothing: the index was made from it, and ends before.
    /// That is so where frames of a segment that was tampered with leave out positions, as many as they like.
    fn unknown(&self, view: &View, ordinal: u32) -> Option<Error> {
        let Some(Part::Memory(known)) = self.parts.last() else { return None };
        let positions = self.positions.start.plus(u64::from(known.end()))..self.positions.end;
        if ordinal < known.end() || positions.is_empty() {
            return None;
        }
        let (file, offset) = (view.table.segments[self.index].path.clone(), FIRST_FRAME);
        let what = format!("{} are in none of its frames", named(&positions));
        Some(Error::damaged(Damage { file, offset, bytes: 0, positions, what }))
    }
}

/// Where the record of an ordinal stands.
fn offset_in(parts: &[Part], ordinal: u32) -> std::result::Result<ByteOffset, IndexError> {
    for part in parts.iter().filter(|part| part.ordinals().contains(&ordinal)) {
        if let Some(offset) = part.offset(ordinal)? {
            return Ok(offset);
        }
    }
    let what = "it does not know where an event stands";
    Err(IndexError::Damaged { at: 0, what })
}
