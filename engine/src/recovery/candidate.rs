//! A segment that may be part of the log, and how much of it.

#[cfg(test)]
mod tests;

use quipu_format::frame::LINK_FRAME_BYTES;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Position, UNIT_BYTES};

use super::scan::{Scan, SegmentFile};
use super::unsealed::Unsealed;
use crate::Result;

/// A segment that is not sealed, as scanned.
pub(super) struct Candidate {
    pub(super) unsealed: Unsealed,
    pub(super) scan: Scan,
}

impl Candidate {
    pub(super) fn file(&self) -> &SegmentFile {
        &self.unsealed.file
    }

    /// Whether the segment holds an event that was durable, or something durable that cannot be read. One
    /// that is no part of the log may hold neither.
    pub(super) fn holds_more(&self) -> Result<bool> {
        Ok(self.holds(&self.search_on()?))
    }

    /// The same, where what stands behind the first bad frame is known.
    pub(super) fn holds(&self, beyond: &Beyond) -> bool {
        let durable = beyond.durable;
        let events = self.scan.base < self.scan.next_position;
        durable > self.scan.end || (events && durable > FIRST_FRAME)
    }

    /// The position with which a segment begins that has lost its link: that of a frame right behind the link.
    pub(super) fn first_behind_link(&self) -> Result<Option<Position>> {
        let mut frames = self.file().frames(self.file().capacity);
        let behind = ByteOffset(FIRST_FRAME.0 + LINK_FRAME_BYTES as u64);
        let frame = frames.frame_at(behind).map_err(|error| self.file().io(error))?.ok();
        let frame = frame.filter(|frame| frame.body().is_ok());
        Ok(frame.map(|frame| frame.header.first_position))
    }

    /// Where the segment ends, if nothing names its end: as for recovery, at the first bad frame that nothing calls
    /// durable.
    pub(super) fn own_end(&self, beyond: &Beyond) -> Result<ByteOffset> {
        if beyond.durable <= self.scan.end {
            return Ok(self.scan.end);
        }
        let mut frames = self.file().frames(self.file().capacity);
        let mut end = beyond.durable;
        while let Ok(frame) = frames.frame_at(end).map_err(|error| self.file().io(error))?
            && frame.body().is_ok()
        {
            end = frame.end();
        }
        Ok(end)
    }

    /// Looks behind the first bad frame for later ones that are valid.
    pub(super) fn search_on(&self) -> Result<Beyond> {
        let mut frames = self.file().frames(self.file().capacity);
        let mut beyond = Beyond { durable: self.scan.durable, first: None };
        let mut at = ByteOffset(self.scan.end.0 + UNIT_BYTES);
        let (position, time) = (self.scan.next_position, self.scan.last_time);
        while let Some((offset, header)) =
            frames.find(at, position, time).map_err(|error| self.file().io(error))?
        {
            beyond.first.get_or_insert(header.first_position);
            beyond.durable = beyond.durable.max(header.durable_to);
            at = ByteOffset(offset.0 + UNIT_BYTES);
        }
        Ok(beyond)
    }
}

/// What stands behind the first bad frame.
pub(super) struct Beyond {
    /// How far any valid frame, before or behind, calls the segment durable.
    pub(super) durable: ByteOffset,
    /// Position of the first valid frame behind.
    pub(super) first: Option<Position>,
}
