//! Frames read from a file with plain reads, for recovery, sealing and verification.
//!
//! Nothing is believed before it is summed, and no buffer grows beyond what a summed header asks for.

#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::ops::Range;

use quipu_disk::{File, read_exact_at};
use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, Link, decode_seal};
use quipu_format::record::{Check, Record};
use quipu_format::{ByteOffset, FormatError, Position, Salt, Seal, Timestamp, UNIT_BYTES};

use crate::plant::{self, Bug};
use crate::zeros::{first_nonzero, last_nonzero};

/// Bytes read at once.
const WINDOW_BYTES: u64 = 256 << 10;
/// Bytes that are searched for headers at once.
const SEARCH_BYTES: u64 = 16 << 10;
const HEADER: u64 = FRAME_HEADER_BYTES as u64;

/// How many bytes that look like a record are summed in vain, in one frame, before the rest of it is given
/// up: the bound on what a hostile frame costs.
pub(crate) const SEARCH_TRIES_MAX: u32 = 64;

/// A part of a file in memory.
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

/// Frames of one segment's file.
pub(crate) struct Frames<'f> {
    file: &'f dyn File,
    salt: Salt,
    /// No frame goes beyond this.
    limit: ByteOffset,
    window: Window,
}

/// A frame whose header is valid.
pub(crate) struct Frame<'w> {
    pub(crate) header: FrameHeader,
    pub(crate) place: Place,
    /// The whole frame.
    pub(crate) bytes: &'w [u8],
}

/// What a valid frame holds.
pub(crate) enum Body<'w> {
    Link(Link),
    Events(Vec<Record<'w>>),
    Mark,
    Seal(Box<Seal>),
    /// Something of a newer version that may be stepped over: what may not was refused before.
    Skipped,
}

/// Bytes that are no valid frame.
#[derive(Clone, Debug)]
pub(crate) struct Bad {
    /// Where it goes wrong: the frame, or a record in it.
    pub(crate) at: ByteOffset,
    pub(crate) error: FormatError,
}

/// What reading a frame comes to: the system's error, or whether the bytes are a frame.
pub(crate) type Reading<T> = io::Result<Result<T, Bad>>;

impl<'f> Frames<'f> {
    /// Frames of a file with this salt, up to `limit`, which is at most its size.
    pub(crate) fn new(file: &'f dyn File, salt: Salt, limit: ByteOffset) -> Frames<'f> {
        Frames { file, salt, limit, window: Window { start: 0, bytes: Vec::new() } }
    }

    fn get(&mut self, range: Range<u64>) -> io::Result<&[u8]> {
        let held = self.window.start..self.window.start + self.window.bytes.len() as u64;
        if range.start < held.start || range.end > held.end {
            let ahead = (range.start + WINDOW_BYTES).min(self.limit.0).max(range.end);
            let bytes = &mut self.window.bytes;
            let kept = match held.contains(&range.start) {
                true => {
                    bytes.drain(..(range.start - held.start) as usize);
                    bytes.len()
                }
                false => 0,
            };
            // Not more than one frame is held, and its length was summed.
            bytes.resize((ahead - range.start) as usize, 0);
            self.window.start = range.start;
            let read = read_exact_at(self.file, &mut bytes[kept..], range.start + kept as u64);
            if let Err(error) = read {
                self.window.bytes.clear();
                return Err(error);
            }
        }
        let start = (range.start - self.window.start) as usize;
        Ok(&self.window.bytes[start..start + (range.end - range.start) as usize])
    }

    /// The header at `offset`, if it is valid and its frame stays below the limit.
    fn header_at(&mut self, offset: ByteOffset) -> Reading<FrameHeader> {
        let bad = |error| Ok(Err(Bad { at: offset, error }));
        let left = self.limit.0.saturating_sub(offset.0);
        if left < HEADER {
            return bad(FormatError::Truncated { needed: HEADER, available: left });
        }
        let place = Place::new(self.salt, offset);
        let bytes = self.get(offset.0..offset.0 + HEADER)?;
        match FrameHeader::decode(bytes, place) {
            Ok(header) if plant::is_in(Bug::LengthUnbounded) => Ok(Ok(header)),
            Ok(header) if u64::from(header.len) > left => {
                bad(FormatError::Truncated { needed: u64::from(header.len), available: left })
            }
            Ok(header) => Ok(Ok(header)),
            Err(error) => bad(error),
        }
    }

    /// Whether a valid header stands at `offset`, whatever follows it.
    pub(crate) fn has_header(&mut self, offset: ByteOffset) -> io::Result<bool> {
        if self.limit.0.saturating_sub(offset.0) < HEADER {
            return Ok(false);
        }
        let place = Place::new(self.salt, offset);
        let bytes = self.get(offset.0..offset.0 + HEADER)?;
        Ok(FrameHeader::decode(bytes, place).is_ok())
    }

    /// The frame at `offset`, its header checked and its body not yet.
    pub(crate) fn frame_at(&mut self, offset: ByteOffset) -> Reading<Frame<'_>> {
        let header = match self.header_at(offset)? {
            Ok(header) => header,
            Err(bad) => return Ok(Err(bad)),
        };
        let place = Place::new(self.salt, offset);
        let bytes = self.get(offset.0..offset.0 + u64::from(header.len))?;
        Ok(Ok(Frame { header, place, bytes }))
    }

    /// The first frame header at or after `offset`, in steps of 16 bytes, that is valid and not before
    /// this position and time.
    pub(crate) fn find(
        &mut self,
        mut offset: ByteOffset,
        position: Position,
        time: Timestamp,
    ) -> io::Result<Option<(ByteOffset, FrameHeader)>> {
        let (salt, limit) = (self.salt, self.limit);
        while offset.0 + HEADER <= limit.0 {
            let bytes = self.get(offset.0..(offset.0 + SEARCH_BYTES).min(limit.0))?;
            // Places in these bytes at which a whole header stands.
            let places = (bytes.len() as u64 - HEADER) / UNIT_BYTES + 1;
            let mut place = 0;
            // No header begins with zeros, and most of what is searched is zeros.
            while let Some(zeros) = first_nonzero(&bytes[(place * UNIT_BYTES) as usize..]) {
                place += zeros as u64 / UNIT_BYTES;
                if place >= places {
                    break;
                }
                let at = ByteOffset(offset.0 + place * UNIT_BYTES);
                let header = &bytes[(place * UNIT_BYTES) as usize..][..FRAME_HEADER_BYTES];
                if FrameHeader::is_plausible(header, Place::new(salt, at), limit)
                    && let Ok(header) = FrameHeader::decode(header, Place::new(salt, at))
                    && header.first_position >= position
                    && header.time >= time
                {
                    return Ok(Some((at, header)));
                }
                place += 1;
            }
            offset.0 += places * UNIT_BYTES;
        }
        Ok(None)
    }

    /// The last byte in `range` that is not zero.
    pub(crate) fn last_nonzero(&mut self, range: Range<u64>) -> io::Result<Option<ByteOffset>> {
        let (mut at, mut last) = (range.start, None);
        while at < range.end {
            let end = (at + WINDOW_BYTES).min(range.end);
            if let Some(index) = last_nonzero(self.get(at..end)?) {
                last = Some(ByteOffset(at + index as u64));
            }
            at = end;
        }
        Ok(last)
    }

    /// The first byte in `range` that is not zero.
    pub(crate) fn first_nonzero(&mut self, range: Range<u64>) -> io::Result<Option<ByteOffset>> {
        let mut at = range.start;
        while at < range.end {
            let end = (at + WINDOW_BYTES).min(range.end);
            if let Some(index) = first_nonzero(self.get(at..end)?) {
                return Ok(Some(ByteOffset(at + index as u64)));
            }
            at = end;
        }
        Ok(None)
    }
}

impl<'w> Frame<'w> {
    /// Where the next frame begins.
    pub(crate) fn end(&self) -> ByteOffset {
        ByteOffset(self.place.offset.0 + u64::from(self.header.len))
    }

    /// The body, every byte of it checked.
    pub(crate) fn body(&self) -> Result<Body<'w>, Bad> {
        let bad = |error| Bad { at: self.place.offset, error };
        // A header is valid only with the length that its kind has.
        let body = &self.bytes[FRAME_HEADER_BYTES..];
        self.header.permit().map_err(bad)?;
        match self.header.kind {
            FrameKind::Link => Ok(Body::Link(Link::decode(body, self.place).map_err(bad)?)),
            FrameKind::Seal => {
                Ok(Body::Seal(Box::new(decode_seal(body, self.place).map_err(bad)?)))
            }
            FrameKind::Mark => Ok(Body::Mark),
            FrameKind::Events => self.records().map(Body::Events),
            FrameKind::Control | FrameKind::Encrypted | FrameKind::Skippable(_) => {
                Ok(Body::Skipped)
            }
        }
    }

    /// The records that are valid, of a frame in which not all are.
    pub(crate) fn good_records(&self) -> Vec<Record<'w>> {
        let events = u64::from(self.header.events);
        let (mut good, mut at, mut tries) = (Vec::new(), FRAME_HEADER_BYTES, 0);
        while at < self.bytes.len() && tries < SEARCH_TRIES_MAX {
            let bytes = &self.bytes[at..];
            at += UNIT_BYTES as usize;
            let back = at as u64 - UNIT_BYTES;
            if !Record::is_plausible(bytes, back, events) {
                continue;
            }
            match Record::parse(bytes, self.place.plus(back), Check::Sum) {
                Ok(record) => {
                    at = back as usize + record.padded_len() as usize;
                    good.push(record);
                }
                Err(_) => tries += 1,
            }
        }
        good
    }

    fn records(&self) -> Result<Vec<Record<'w>>, Bad> {
        let mut records = Vec::with_capacity(usize::from(self.header.events));
        let mut at = FRAME_HEADER_BYTES;
        while at < self.bytes.len() {
            let place = self.place.plus(at as u64);
            let bad = |error| Bad { at: place.offset, error };
            let record = Record::parse(&self.bytes[at..], place, Check::Sum).map_err(bad)?;
            if record.frame_back() != at as u64 || usize::from(record.ordinal()) != records.len() {
                return Err(bad(FormatError::Invalid("a record of another frame")));
            }
            at += record.padded_len() as usize;
            records.push(record);
        }
        if records.len() != usize::from(self.header.events) {
            let error = FormatError::Invalid("number of records in a frame");
            return Err(Bad { at: self.place.offset, error });
        }
        Ok(records)
    }
}
