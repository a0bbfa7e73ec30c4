//! Verification of one segment.

use std::ops::Range;

use quipu_format::manifest::Ending;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Position, Timestamp, UNIT_BYTES};
use quipu_index::{Head, Kind};

use super::{Severity, Verifier};
use crate::frames::{Body, Frame, Frames};
use crate::manifest::SealedAs;
use crate::recovery::{Part, SegmentFile};
use crate::{Error, Result, seal};

impl Verifier<'_> {
    /// Verifies a segment; `zeros` says that nothing may stand behind its end.
    pub(super) fn part(&mut self, part: &Part, zeros: bool) -> Result<()> {
        let file = &part.file;
        let before = self.report.events;
        self.frames(file, part.end)?;
        if let Some(sealed) = &part.sealed {
            self.sealed(part, sealed, self.report.events - before)?;
        } else if zeros {
            self.zeros(file, part.end)?;
        }
        self.advance(file.size.0);
        Ok(())
    }

    fn frames(&mut self, file: &SegmentFile, end: ByteOffset) -> Result<()> {
        let mut frames = file.frames(end);
        let mut at = FIRST_FRAME;
        while at < end {
            let checked = match frames.frame_at(at).map_err(|error| file.io(error))? {
                Ok(frame) => match frame.body() {
                    Ok(body) => {
                        let after = frame.end();
                        self.frame(file, &frame, &body);
                        at = after;
                        continue;
                    }
                    // The header holds: the damage ends with the frame.
                    Err(bad) => Err((bad, Some((frame.end(), frame.header.next_position())))),
                },
                Err(bad) => Err((bad, None)),
            };
            let Err((bad, frame_end)): std::result::Result<(), _> = checked else { continue };
            if let FormatError::Unsupported { .. } = bad.error {
                return Err(Error::format(&file.path, bad.at, &bad.error));
            }
            let (next, position) = match frame_end {
                Some(known) => known,
                None => self.search(&mut frames, file, at, end)?,
            };
            let positions = self.next_position..position.max(self.next_position);
            let range = bad.at.0..next.0.max(bad.at.0);
            let what = format!("{}: the events there cannot be served", bad.error);
            self.find(Severity::Damage, file.path.clone(), range, positions.clone(), &what);
            self.next_position = positions.end;
            at = next;
        }
        Ok(())
    }

    /// The next valid frame behind a bad one and its first position, or the segment's end.
    fn search(
        &self,
        frames: &mut Frames<'_>,
        file: &SegmentFile,
        at: ByteOffset,
        end: ByteOffset,
    ) -> Result<(ByteOffset, Position)> {
        let from = ByteOffset(at.0 + UNIT_BYTES);
        let found = frames.find(from, self.next_position, Timestamp(0));
        let found = found.map_err(|error| file.io(error))?;
        Ok(found
            .map_or((end, self.next_position), |(offset, header)| (offset, header.first_position)))
    }

    /// Takes a valid frame: it must follow what came before.
    fn frame(&mut self, file: &SegmentFile, frame: &Frame<'_>, body: &Body<'_>) {
        let header = &frame.header;
        let range = frame.place.offset.0..frame.end().0;
        if header.first_position != self.next_position {
            let positions = order(self.next_position, header.first_position);
            let what = "positions do not follow one another";
            self.find(Severity::Damage, file.path.clone(), range.clone(), positions, what);
        }
        self.next_position = header.next_position();
        let Body::Events(records) = body else { return };
        self.report.commits += 1;
        self.report.events += records.len() as u64;
        for record in records {
            let key = self.keys.key(Kind::Stream, record.stream());
            let position = header.first_position.plus(u64::from(record.ordinal()));
            let head = Head { version: record.version(), position };
            if !self.heads.follow(key, head) {
                if self.report.is_sound() {
                    let positions = position..position.plus(1);
                    let what = format!(
                        "version {} of stream {:?} does not follow the one before",
                        record.version(),
                        record.stream()
                    );
                    self.find(Severity::Damage, file.path.clone(), range.clone(), positions, &what);
                }
                // Behind damage the versions before are not known: go on from here.
                self.heads.set(key, head);
            }
        }
    }

    fn sealed(&mut self, part: &Part, sealed: &SealedAs, events: u64) -> Result<()> {
        let file = &part.file;
        let expected = seal::link(self.chain, sealed.seal.origin_hash);
        self.chain = sealed.seal.chain;
        let positions = sealed.seal.first_position..sealed.seal.next_position;
        let mut complain = |what: &str| {
            let range = part.end.0..part.end.0;
            self.find(Severity::Damage, file.path.clone(), range, positions.clone(), what);
        };
        if seal::hash(file, part.end)? != sealed.seal.content_hash {
            complain("the segment's bytes are not those that were sealed");
        }
        if expected != sealed.seal.chain {
            complain("the seal does not follow from the one before");
        }
        if events != sealed.seal.events {
            complain("the seal counts other events than there are");
        }
        if sealed.ending == Ending::Framed {
            self.seal_frame(part, sealed)?;
        }
        Ok(())
    }

    /// A segment that was sealed in its own time ends with a seal frame that says the same as the
    /// manifest, and zeros.
    fn seal_frame(&mut self, part: &Part, sealed: &SealedAs) -> Result<()> {
        let file = &part.file;
        let mut frames = file.frames(file.capacity);
        let frame = frames.frame_at(part.end).map_err(|error| file.io(error))?;
        let same = frame.and_then(|frame| match frame.body()? {
            Body::Seal(seal) if *seal == sealed.seal => Ok(frame.end()),
            _ => Err(crate::frames::Bad {
                at: part.end,
                error: FormatError::Invalid("another seal than the manifest's"),
            }),
        });
        match same {
            Ok(end) => self.zeros(file, end),
            Err(bad) => {
                let range = part.end.0..part.end.0 + quipu_format::frame::SEAL_FRAME_BYTES as u64;
                let what = format!("the seal: {}", bad.error);
                let nothing = self.next_position..self.next_position;
                self.find(Severity::Damage, file.path.clone(), range.clone(), nothing, &what);
                self.zeros(file, ByteOffset(range.end))
            }
        }
    }

    /// Everything from `start` on must be zero.
    pub(super) fn zeros(&mut self, file: &SegmentFile, start: ByteOffset) -> Result<()> {
        let mut frames = file.frames(file.capacity);
        let rest = start.0..file.size.0.max(start.0);
        let first = frames.first_nonzero(rest).map_err(|error| file.io(error))?;
        if let Some(first) = first {
            let nothing = self.next_position..self.next_position;
            let what = "bytes that nobody wrote";
            self.find(Severity::Damage, file.path.clone(), first.0..first.0 + 1, nothing, what);
        }
        Ok(())
    }
}

fn order(one: Position, other: Position) -> Range<Position> {
    one.min(other)..one.max(other)
}
