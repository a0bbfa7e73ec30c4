//! Verification of one segment.

use std::ops::Range;

use quipu_format::frame::{FRAME_HEADER_BYTES, SEAL_FRAME_BYTES};
use quipu_format::manifest::Ending;
use quipu_format::record::Record;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Position, Timestamp, UNIT_BYTES};
use quipu_index::{Kind, StreamHead};

use super::{Severity, Verifier};
use crate::frames::{Bad, Body, Frame, Frames};
use crate::manifest::SealedAs;
use crate::plant::{self, Bug};
use crate::recovery::{Part, SegmentFile};
use crate::{Result, header, seal};

impl Verifier<'_> {
    /// Verifies a segment; `zeros` says that nothing may stand behind its end.
    pub(super) fn part(&mut self, part: &Part, file: &SegmentFile, zeros: bool) -> Result<()> {
        let (events, findings) = (self.report.events, self.report.findings.len());
        self.expected.begin(part.base);
        let newer = match header::permit(&*file.file) {
            Err(error) => Some(Bad { at: ByteOffset(0), error }),
            // What else is wrong with a header is told by the survey.
            Ok(_) => self.frames(file, part)?,
        };
        if let Some(newer) = newer {
            self.newer(part, file, &newer);
        } else if let Some(sealed) = part.sealed() {
            // What is wrong with its frames has been told; that its sums differ then goes without saying.
            let whole = self.report.findings.len() == findings;
            self.sealed((file, part.end), sealed, whole.then_some(self.report.events - events))?;
        } else if zeros {
            self.end_of_log(file, part.end)?;
        }
        if let Some(sealed) = part.sealed() {
            self.chain(file, part.end, sealed);
        }
        self.advance(file.size.0);
        Ok(())
    }

    /// What only a newer version can read, from there to the segment's end. The rest of the store is verified.
    fn newer(&mut self, part: &Part, file: &SegmentFile, newer: &Bad) {
        let positions = self.next_position..part.next.max(self.next_position);
        let range = newer.at.0..part.end.0.max(newer.at.0);
        self.next_position = positions.end;
        let what = format!("{}: what follows is not verified", newer.error);
        self.find(Severity::Unsupported, file.path.clone(), range, positions, &what);
    }

    /// Verifies all frames, or those before one that only a newer version can read, which is given.
    fn frames(&mut self, file: &SegmentFile, part: &Part) -> Result<Option<Bad>> {
        let end = part.end;
        let mut frames = file.frames(end);
        let mut at = FIRST_FRAME;
        while at < end {
            let bad = match frames.frame_at(at).map_err(|error| file.io(error))? {
                Ok(frame) => {
                    at = frame.end();
                    match frame.body() {
                        Ok(body) => {
                            self.frame(file, &frame, &body);
                            continue;
                        }
                        Err(bad) if is_newer(&bad) => return Ok(Some(bad)),
                        Err(bad) => {
                            self.rest_of_frame(file, &frame, &bad);
                            continue;
                        }
                    }
                }
                Err(bad) => bad,
            };
            if is_newer(&bad) {
                return Ok(Some(bad));
            }
            // Where nothing follows, all that the segment held is lost with it.
            let found = self.search(&mut frames, file, at)?;
            let counts = !plant::is_in(Bug::LossAtEndNotCounted);
            let behind = if counts { part.next } else { self.next_position };
            let (next, position) = found.unwrap_or((end, behind));
            let positions = self.next_position..position.max(self.next_position);
            let range = bad.at.0..next.0.max(bad.at.0);
            self.next_position = positions.end;
            self.find(Severity::Damage, file.path.clone(), range, positions, &lost(&bad));
            at = next;
        }
        Ok(None)
    }

    /// A frame whose header holds and whose body does not: what is left of its events is counted, each
    /// stretch between them is a finding.
    fn rest_of_frame(&mut self, file: &SegmentFile, frame: &Frame<'_>, bad: &Bad) {
        let header = &frame.header;
        self.follow(file, frame);
        let good = frame.good_records();
        let mut next = header.first_position;
        let mut at = frame.place.offset.0 + FRAME_HEADER_BYTES as u64;
        let end = (header.next_position(), frame.end().0);
        let stretches = good.iter().map(|record| {
            let start = frame.place.offset.0 + record.frame_back();
            let position = header.first_position.plus(u64::from(record.ordinal()));
            (position, start, record.padded_len())
        });
        for (position, start, len) in stretches.chain([(end.0, end.1, 0)]) {
            if position > next {
                let positions = next..position;
                self.find(Severity::Damage, file.path.clone(), at..start, positions, &lost(bad));
            }
            (next, at) = (position.plus(1), start + len);
        }
        if header.events == 0 {
            let range = bad.at.0..end.1;
            let nothing = self.next_position..self.next_position;
            self.find(Severity::Damage, file.path.clone(), range, nothing, &bad.error.to_string());
        }
        self.records(file, frame, &good);
    }

    /// The next valid frame behind a bad one and its first position.
    fn search(
        &self,
        frames: &mut Frames<'_>,
        file: &SegmentFile,
        at: ByteOffset,
    ) -> Result<Option<(ByteOffset, Position)>> {
        let from = ByteOffset(at.0 + UNIT_BYTES);
        let found = frames.find(from, self.next_position, Timestamp(0));
        let found = found.map_err(|error| file.io(error))?;
        Ok(found.map(|(offset, header)| (offset, header.first_position)))
    }

    /// Takes a valid frame.
    fn frame(&mut self, file: &SegmentFile, frame: &Frame<'_>, body: &Body<'_>) {
        self.follow(file, frame);
        if let Body::Events(records) = body {
            self.report.commits += 1;
            self.records(file, frame, records);
        }
    }

    /// A frame's positions must follow those before it.
    fn follow(&mut self, file: &SegmentFile, frame: &Frame<'_>) {
        let header = &frame.header;
        if header.first_position != self.next_position {
            let positions = order(self.next_position, header.first_position);
            let range = frame.place.offset.0..frame.end().0;
            let what = "positions do not follow one another";
            self.find(Severity::Damage, file.path.clone(), range, positions, what);
        }
        self.next_position = header.next_position();
    }

    /// Counts events; each version must follow the one before it in its stream, as far as nothing is
    /// lost.
    fn records(&mut self, file: &SegmentFile, frame: &Frame<'_>, records: &[Record<'_>]) {
        self.report.events += records.len() as u64;
        for record in records {
            let key = self.keys.key(Kind::Stream, record.stream());
            let position = frame.header.first_position.plus(u64::from(record.ordinal()));
            let offset = ByteOffset(frame.place.offset.0 + record.frame_back());
            self.expected.add(&self.keys, record, (position, offset));
            let head = StreamHead { version: record.version(), position };
            if self.heads.follow(key, head) {
                continue;
            }
            if !self.incomplete {
                let what = format!(
                    "version {} of stream {:?} does not follow the one before",
                    record.version(),
                    record.stream()
                );
                let range = frame.place.offset.0..frame.end().0;
                let positions = position..position.plus(1);
                self.find(Severity::Damage, file.path.clone(), range, positions, &what);
            }
            // Behind damage the versions before are not known: go on from here.
            self.heads.set(key, head);
        }
    }

    /// Each seal follows from the one before, whatever has become of their segments.
    fn chain(&mut self, file: &SegmentFile, end: ByteOffset, sealed: &SealedAs) {
        let expected = seal::link(self.chain, sealed.seal.origin_hash);
        if expected != sealed.seal.chain {
            let nothing = self.next_position..self.next_position;
            let what = "the seal does not follow from the one before";
            self.find(Severity::Damage, file.path.clone(), end.0..end.0, nothing, what);
        }
    }

    /// Compares a segment with its seal; `events` is their number if all its frames are valid.
    fn sealed(
        &mut self,
        (file, end): (&SegmentFile, ByteOffset),
        sealed: &SealedAs,
        events: Option<u64>,
    ) -> Result<()> {
        let nothing = self.next_position..self.next_position;
        let mut complain = |what: &str| {
            let range = end.0..end.0;
            self.find(Severity::Damage, file.path.clone(), range, nothing.clone(), what);
        };
        if let Some(events) = events {
            // A file that was cut short has been told of.
            let differs = || seal::hash(file, end).map(|hash| hash != sealed.seal.content_hash);
            // A second time too: a byte may be read wrongly.
            if file.size >= end && differs()? && differs()? {
                complain("the segment's bytes are not those that were sealed");
            }
            if events != sealed.seal.events {
                complain("the seal counts other events than there are");
            }
        }
        if sealed.ending == Ending::Framed {
            self.seal_frame(file, end, sealed)?;
        }
        Ok(())
    }

    /// A segment that was sealed in its own time ends with a seal frame that says the same as the
    /// manifest, and zeros.
    fn seal_frame(&mut self, file: &SegmentFile, end: ByteOffset, sealed: &SealedAs) -> Result<()> {
        let mut frames = file.frames(file.capacity);
        let frame = frames.frame_at(end).map_err(|error| file.io(error))?;
        let same = frame.and_then(|frame| match frame.body()? {
            Body::Seal(seal) if *seal == sealed.seal => Ok(frame.end()),
            _ => Err(Bad {
                at: end,
                error: FormatError::Invalid("another seal than the manifest's"),
            }),
        });
        match same {
            Ok(after) => self.zeros(file, after),
            Err(bad) => {
                let range = end.0..end.0 + SEAL_FRAME_BYTES as u64;
                let what = format!("the seal: {}", bad.error);
                let nothing = self.next_position..self.next_position;
                self.find(Severity::Damage, file.path.clone(), range.clone(), nothing, &what);
                self.zeros(file, ByteOffset(range.end))
            }
        }
    }

    /// Everything from `start` on, where the log was closed, must be zero; unless a writer has begun meanwhile, which
    /// notes that before it writes anything.
    pub(super) fn end_of_log(&mut self, file: &SegmentFile, start: ByteOffset) -> Result<()> {
        let first = nonzero(file, start)?;
        self.nobody_wrote(file, first.filter(|_| !(self.is_written_on)()));
        Ok(())
    }

    /// Everything from `start` on must be zero.
    fn zeros(&mut self, file: &SegmentFile, start: ByteOffset) -> Result<()> {
        let first = nonzero(file, start)?;
        self.nobody_wrote(file, first);
        Ok(())
    }

    fn nobody_wrote(&mut self, file: &SegmentFile, first: Option<ByteOffset>) {
        let Some(first) = first else { return };
        let nothing = self.next_position..self.next_position;
        let what = "bytes that nobody wrote";
        self.find(Severity::Damage, file.path.clone(), first.0..first.0 + 1, nothing, what);
    }
}

/// The first byte from `start` on that is not zero.
fn nonzero(file: &SegmentFile, start: ByteOffset) -> Result<Option<ByteOffset>> {
    let rest = start.0..file.size.0.max(start.0);
    file.frames(file.capacity).first_nonzero(rest).map_err(|error| file.io(error))
}

/// What a newer version wrote is not damage.
fn is_newer(bad: &Bad) -> bool {
    matches!(bad.error, FormatError::Unsupported { .. })
}

fn lost(bad: &Bad) -> String {
    format!("{}: the events there cannot be served", bad.error)
}

fn order(one: Position, other: Position) -> Range<Position> {
    one.min(other)..one.max(other)
}
