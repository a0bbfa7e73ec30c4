//! A frame of the log as it is read in order.

use std::ops::Range;
use std::sync::Arc;

use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::limits::FRAME_BYTES_MAX;
use quipu_format::{ByteOffset, FormatError, Position, Timestamp};

use super::bytes::Lender;
use crate::Result;
use crate::segments::{Segment, View};

const HEADER: u64 = FRAME_HEADER_BYTES as u64;

/// A frame being read.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) offset: ByteOffset,
    pub(super) len: u64,
    pub(super) first_position: Position,
    pub(super) next_position: Position,
    pub(super) time: Timestamp,
    /// The next record, in bytes from the frame's start.
    pub(super) at: u64,
    /// The first of the bytes before it that are no valid record.
    pub(super) bad: Option<u64>,
}

/// The header at `offset`, if it is valid and its frame ends before `end`.
pub(super) fn header_at(
    view: &View,
    segment: &Arc<Segment>,
    lender: &mut Lender,
    offset: ByteOffset,
    end: ByteOffset,
) -> Result<std::result::Result<FrameHeader, FormatError>> {
    let left = end.0.saturating_sub(offset.0);
    if left < HEADER {
        return Ok(Err(FormatError::Truncated { needed: HEADER, available: left }));
    }
    let bytes = lender.lend(view, segment, offset.0..offset.0 + HEADER)?;
    let header = FrameHeader::decode(bytes, Place::new(segment.salt, offset));
    Ok(header.and_then(|header| match u64::from(header.len) {
        len if len > left => Err(FormatError::Truncated { needed: len, available: left }),
        len if len > FRAME_BYTES_MAX as u64 => Err(FormatError::Invalid("frame length")),
        _ => Ok(header),
    }))
}

/// The frame at `offset`, if it is a valid one of events.
pub(super) fn next_frame(
    view: &View,
    segment: &Arc<Segment>,
    lender: &mut Lender,
    offset: ByteOffset,
) -> Result<Option<Open>> {
    let end = segment.end(view.visible);
    if offset >= end {
        return Ok(None);
    }
    let header = header_at(view, segment, lender, offset, end)?;
    let is_read =
        |header: &FrameHeader| header.kind == FrameKind::Events && header.permit().is_ok();
    let header = header.ok().filter(is_read);
    Ok(header.map(|header| Open::new(offset, &header)))
}

impl Open {
    pub(super) fn new(offset: ByteOffset, header: &FrameHeader) -> Open {
        Open {
            offset,
            len: u64::from(header.len),
            first_position: header.first_position,
            next_position: header.next_position(),
            time: header.time,
            at: HEADER,
            bad: None,
        }
    }

    /// The bytes before the next record that are no valid one.
    pub(super) fn damaged(&self) -> Range<u64> {
        let end = self.offset.0 + self.at;
        self.offset.0 + self.bad.unwrap_or(self.at)..end
    }
}
