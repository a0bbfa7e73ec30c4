//! A segment that is not sealed, and how much of it need not be scanned.
//!
//! A close writes the index of what the active segment holds. The next opening scans only what follows,
//! if the log itself bears the index out: either the manifest says that the log was closed right there, when it was
//! closed last, or a valid frame stands there, of the position that must follow, and says that all before was durable.
//! Otherwise the index is put aside and all of the segment is scanned. So an index that lies costs time, and
//! decides nothing about where the log ends.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use quipu_format::frame::LINK_FRAME_BYTES;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Position, Timestamp, UNIT_BYTES};
use quipu_index::Sealed;

use super::scan::{Scan, SegmentFile};
use crate::Result;
use crate::frames::{Body, Frame, Frames};
use crate::plant::{self, Bug};

/// A segment that is not sealed, its file open.
#[derive(Clone, Debug)]
pub(crate) struct Unsealed {
    pub(crate) file: SegmentFile,
    /// The index of its beginning, if the log bears it out.
    pub(crate) index: Option<Arc<Sealed>>,
    /// Whether it says itself where it begins, once all before it is durable. Else a later frame does, which may not be
    /// durable itself: another one of another position may yet stand there.
    pub(crate) has_link: bool,
    /// Where scans begin: behind what the index covers.
    start: Scan,
}

/// Where the manifest says that the log was closed, and the position that the next event was to get.
pub(super) type Closed = (ByteOffset, Position);

/// How much is read to learn whether a frame stands at a place.
const PROBE_BYTES: u64 = 64;

impl Unsealed {
    /// A segment that has just been made.
    pub(super) fn new(file: SegmentFile) -> Unsealed {
        Unsealed { file, index: None, has_link: true, start: Scan::default() }
    }

    /// Scans a segment to its end: where it was closed, or the first frame that is not valid. Where it was closed before it
    /// was opened for writing again says how much of it was durable then.
    pub(super) fn scan(
        file: SegmentFile,
        index: Option<Arc<Sealed>>,
        closed: Option<Closed>,
        before: Option<Closed>,
    ) -> Result<(Unsealed, Scan)> {
        let closed = match closed {
            Some((end, _)) if written_on(&file, end)? => None,
            closed => closed,
        };
        let limit = closed.map_or(file.capacity, |(end, _)| end);
        if let Some(index) = index
            && let Some(start) = start(&file, &index, limit)?
        {
            let scan = scan_surely(&file, &start, limit)?;
            let covered = start.end;
            let at_close = [closed, before].contains(&Some((covered, start.next_position)));
            let borne_out = at_close || scan.durable >= covered;
            if borne_out || plant::is_in(Bug::SavedIndexBelieved) {
                let (index, has_link) = (Some(index), scan.link.is_some());
                return Ok((Unsealed { file, index, has_link, start }, scan));
            }
            tracing::warn!(index = %file.id, "the log does not bear out the index: scanning all of it");
        }
        let start = Scan::default();
        let scan = scan_surely(&file, &start, limit)?;
        Ok((Unsealed { file, index: None, has_link: scan.link.is_some(), start }, scan))
    }

    /// Scans again, at most to `limit`, and shows each frame that the index does not cover.
    ///
    /// # Errors
    /// As [`SegmentFile::scan`].
    pub(crate) fn scan_to(
        &self,
        limit: ByteOffset,
        visit: &mut dyn FnMut(&Frame<'_>, &Body<'_>) -> Result<()>,
    ) -> Result<Scan> {
        self.file.scan_on(self.start_below(limit), limit, visit)
    }

    /// The position that follows what stands before a place, as far as headers that sum up tell behind the end of a scan, and
    /// a frame which stands right there.
    pub(crate) fn position_at(&self, scan: &Scan, end: ByteOffset) -> Result<Position> {
        let (mut at, mut next) = (scan.end, scan.next_position);
        let mut frames = self.file.frames(self.file.capacity);
        while at < end {
            let found = frames.find(at, next, scan.last_time);
            match found.map_err(|error| self.file.io(error))? {
                Some((offset, header)) if offset < end => {
                    next = header.next_position();
                    at = ByteOffset(offset.0 + u64::from(header.len));
                }
                Some((offset, header)) if offset == end => return Ok(header.first_position),
                _ => break,
            }
        }
        Ok(next)
    }

    /// Whether a place up to which it is durable settles where it begins: the link does, or else a frame that stands before
    /// that place, or right there.
    pub(crate) fn begins_by(&self, durable: ByteOffset) -> Result<bool> {
        if self.has_link {
            return Ok(true);
        }
        let mut frames = self.file.frames(self.file.capacity);
        // What is left of the link itself is not asked where positions begin either.
        let behind = ByteOffset(FIRST_FRAME.0 + UNIT_BYTES);
        let found = frames.find(behind, Position(0), Timestamp(0));
        let found = found.map_err(|error| self.file.io(error))?;
        Ok(durable > FIRST_FRAME && found.is_some_and(|(offset, _)| offset <= durable))
    }

    /// Where a scan to `limit` begins.
    pub(super) fn start_below(&self, limit: ByteOffset) -> Scan {
        if self.start.end <= limit { self.start.clone() } else { Scan::default() }
    }

    /// The index, if it covers nothing beyond `end`.
    pub(crate) fn index_below(&self, end: ByteOffset) -> Option<Arc<Sealed>> {
        self.index.clone().filter(|index| index.covers().end <= end)
    }
}

/// Scans to the first frame that is not valid when it is read a second time either: what sums up then is there, and was
/// misread before.
fn scan_surely(file: &SegmentFile, start: &Scan, limit: ByteOffset) -> Result<Scan> {
    let scan = file.scan_on(start.clone(), limit, &mut |_, _| Ok(()))?;
    if scan.stop.is_none() {
        return Ok(scan);
    }
    file.scan_on(Scan { stop: None, ..scan }, limit, &mut |_, _| Ok(()))
}

/// Where a scan stands behind what an index covers; the link comes from the log. None if the two do not go
/// together.
fn start(file: &SegmentFile, index: &Sealed, limit: ByteOffset) -> Result<Option<Scan>> {
    let covers = index.covers();
    let first = ByteOffset(FIRST_FRAME.0 + LINK_FRAME_BYTES as u64);
    if covers.end < first || covers.end > limit {
        return Ok(None);
    }
    let scan = file.scan(first, &mut |_, _| Ok(()))?;
    if scan.link.is_none() || scan.base != covers.base {
        return Ok(None);
    }
    let next_position = covers.base.plus(u64::from(covers.events));
    let last_time = covers.last_time.max(scan.last_time);
    Ok(Some(Scan { end: covers.end, next_position, last_time, stop: None, ..scan }))
}

/// Whether a frame stands where the log is said to be closed: then the manifest is older than the log.
pub(super) fn written_on(file: &SegmentFile, closed: ByteOffset) -> Result<bool> {
    let limit = ByteOffset(file.size.0.min(closed.0.saturating_add(PROBE_BYTES)));
    let mut frames = Frames::new(&*file.file, file.salt, limit);
    frames.has_header(closed).map_err(|error| file.io(error))
}
