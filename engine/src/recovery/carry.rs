//! What recovery carries over into a new segment.

#[cfg(test)]
mod tests;

use quipu_format::checksum::Place;
use quipu_format::frame::{
    FRAME_HEADER_BYTES, FrameHeader, FrameKind, LINK_FRAME_BYTES, Link, MARK_FRAME_BYTES,
    SEAL_FRAME_BYTES,
};
use quipu_format::record::{self, Record};
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};
use quipu_format::{ByteOffset, Lsn, PAGE_BYTES, Position, Salt, SegmentId, Timestamp};

use super::chain::dropped;
use super::{Part, Recovered, Scan, Survey, Tip, Unsealed};
use crate::frames::{Body, Frame};
use crate::{Damage, Error, Result};

/// A commit on its way into another segment.
struct Commit {
    header: FrameHeader,
    bytes: Vec<u8>,
    /// Where its records begin and how long they are.
    records: Vec<(usize, usize)>,
}

/// Everything that goes into the new segment.
pub(super) struct Carried {
    commits: Vec<Commit>,
    /// Where the log before the new segment ends.
    pub(super) predecessor: Option<(Lsn, Salt)>,
    /// Where the last segment ends from now on.
    pub(super) from: ByteOffset,
    /// The last segment, if nothing of it was known to be durable: all of it that is valid is carried,
    /// and its file is not needed any more.
    pub(super) supersedes: Option<SegmentId>,
    /// Position of the first event carried.
    pub(super) base: Position,
    /// Time of the last frame that is not carried.
    pub(super) last_time: Timestamp,
    pub(super) report: Option<Recovered>,
}

/// Reads the valid frames that are not known to be durable.
pub(super) fn collect(survey: &Survey) -> Result<Carried> {
    let mut carried = Carried {
        commits: Vec::new(),
        predecessor: None,
        from: FIRST_FRAME,
        supersedes: None,
        base: survey.next_position,
        last_time: survey.last_time,
        report: None,
    };
    let (Some(last), Tip::Unclean { durable, dropped_bytes }) = (survey.parts.last(), &survey.tip)
    else {
        return Ok(carried);
    };
    carried.from = last.end;
    match last.unsealed() {
        Some(unsealed) => carried.take(survey, last, unsealed, *durable)?,
        // All of a sealed segment is durable, and nothing was written after it.
        None => {
            carried.predecessor = Some((Lsn::new(last.segment.id, last.end), last.segment.salt));
        }
    }
    let behind = survey.behind.iter().map(|file| dropped(file, FIRST_FRAME));
    let behind = behind.sum::<Result<u64>>()?;
    carried.report = Some(Recovered {
        segment: last.segment.id.0,
        valid_to: last.end.0,
        durable_to: durable.0,
        carried_events: survey.next_position.0 - carried.base.0,
        dropped_bytes: *dropped_bytes + behind,
    });
    Ok(carried)
}

impl Carried {
    /// Takes what stands in the last segment behind the place that is known to be durable.
    fn take(
        &mut self,
        survey: &Survey,
        last: &Part,
        unsealed: &Unsealed,
        durable: ByteOffset,
    ) -> Result<()> {
        let start = unsealed.start_below(last.end);
        let mut last_time = start.link.map(|_| start.last_time);
        let scan = unsealed.scan_to(last.end, &mut |frame, body| {
            if frame.place.offset < durable {
                last_time = Some(frame.header.time);
                return Ok(());
            }
            self.from = self.from.min(frame.place.offset);
            if let Body::Events(records) = body {
                self.base = self.base.min(frame.header.first_position);
                self.commits.push(Commit::copy(frame, records));
            }
            Ok(())
        })?;
        if scan.end != last.end {
            return Err(changed(unsealed, &scan, last));
        }
        // Nothing of it was durable, or it holds no event: its file would only take up room.
        let worthless = scan.base == scan.next_position;
        let segment = last.segment;
        if durable <= FIRST_FRAME || worthless {
            self.supersedes = Some(segment.id);
            self.predecessor = scan.link.and_then(|link| link.predecessor);
            self.last_time = scan.link.map_or(Timestamp(0), |link| link.last_time);
        } else {
            self.predecessor = Some((Lsn::new(segment.id, self.from), segment.salt));
            self.last_time = last_time.unwrap_or(survey.last_time);
        }
        Ok(())
    }
}

/// The end of the log has been read before, and was valid then: what it is built on must not be what was misread.
fn changed(unsealed: &Unsealed, scan: &Scan, last: &Part) -> Error {
    Error::damaged(Damage {
        file: unsealed.file.path.clone(),
        offset: scan.end,
        bytes: last.end.0.saturating_sub(scan.end.0),
        positions: scan.next_position..last.next.max(scan.next_position),
        what: "the end of the log was valid, and is not as it is read again".into(),
    })
}

impl Commit {
    fn copy(frame: &Frame<'_>, records: &[Record<'_>]) -> Commit {
        let mut at = FRAME_HEADER_BYTES;
        let ranges = records.iter().map(|record| {
            let start = at;
            at += record.padded_len() as usize;
            (start, record.padded_len() as usize)
        });
        let records = ranges.collect();
        Commit { header: frame.header, bytes: frame.bytes.to_vec(), records }
    }
}

/// Capacity that the new segment needs.
pub(super) fn bytes_needed(carried: &Carried) -> u64 {
    let commits: usize = carried.commits.iter().map(|commit| commit.bytes.len()).sum();
    let own = LINK_FRAME_BYTES + 2 * MARK_FRAME_BYTES + SEAL_FRAME_BYTES;
    PAGE_BYTES + (commits + own) as u64
}

/// The frames of the new segment: the link, the commits summed anew for their new places, and a mark.
/// The file gets its name only once all of it is durable, so the mark may say so.
pub(super) fn frames(
    carried: &Carried,
    segment: &SegmentHeader,
    link: &Link,
    survey: &Survey,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |header: FrameHeader, write: &dyn Fn(&mut [u8], Place)| {
        let start = bytes.len();
        let place = Place::new(segment.salt, ByteOffset(FIRST_FRAME.0 + start as u64));
        bytes.resize(start + header.len as usize, 0);
        write(&mut bytes[start..], place);
        bytes[start..start + FRAME_HEADER_BYTES].copy_from_slice(&header.encode(place));
    };
    let own = |kind, len: usize, first_position, time, durable_to| FrameHeader {
        kind,
        flags: 0,
        len: len as u32,
        events: 0,
        first_position,
        time,
        durable_to,
    };
    let first = own(FrameKind::Link, LINK_FRAME_BYTES, carried.base, link.last_time, FIRST_FRAME);
    add(first, &|frame, place| frame[FRAME_HEADER_BYTES..].copy_from_slice(&link.encode(place)));
    let mut end = FIRST_FRAME.0 + LINK_FRAME_BYTES as u64;
    for commit in &carried.commits {
        let header = FrameHeader { durable_to: FIRST_FRAME, ..commit.header };
        add(header, &|frame, place| {
            frame.copy_from_slice(&commit.bytes);
            for &(start, len) in &commit.records {
                record::resettle(&mut frame[start..start + len], place.plus(start as u64));
            }
        });
        end += commit.bytes.len() as u64;
    }
    let (position, time) = (survey.next_position, survey.last_time);
    add(own(FrameKind::Mark, MARK_FRAME_BYTES, position, time, ByteOffset(end)), &|_, _| {});
    bytes
}
