//! What the frames of a log consist of.

use quipu_format::frame::FRAME_HEADER_BYTES;
use quipu_format::record::{RECORD_HEADER_BYTES, Record};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Position, Timestamp, UNIT_BYTES};

use crate::frames::{Body, Frame, Frames};
use crate::recovery::SegmentFile;
use crate::{Error, Result, header};

/// After so many bytes it is told how far the reading has come.
const TELL_BYTES: u64 = 1 << 20;

/// What the frames of a log consist of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordBytes {
    /// Headers of the frames of commits.
    pub commit_headers: u64,
    /// Headers of events.
    pub event_headers: u64,
    /// Ids of events, and the times at which they occurred.
    pub ids_and_times: u64,
    /// Names of streams, and types of events.
    pub names: u64,
    /// Tags.
    pub tags: u64,
    /// Metadata.
    pub metadata: u64,
    /// Payloads.
    pub payload: u64,
    /// Zeros between these, so that payloads can be read in place.
    pub padding: u64,
    /// The log's own entries: links, marks and seals.
    pub entries: u64,
    /// What cannot be read, because it is damaged.
    pub unreadable: u64,
}

impl RecordBytes {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let RecordBytes { commit_headers, event_headers, ids_and_times, names, tags, .. } = *self;
        let RecordBytes { metadata, payload, padding, entries, unreadable, .. } = *self;
        let events = [event_headers, ids_and_times, names, tags, metadata, payload, padding];
        events.into_iter().chain([commit_headers, entries, unreadable]).fold(0, u64::saturating_add)
    }

    /// Adds the frames of a segment up to `end`; what does not read as a frame is unreadable.
    pub(super) fn add_segment(
        &mut self,
        file: &SegmentFile,
        end: ByteOffset,
        tell: &mut dyn FnMut(&RecordBytes),
    ) -> Result<()> {
        header::permit(&*file.file)
            .map_err(|error| Error::format(&file.path, ByteOffset(0), &error))?;
        let mut frames = file.frames(end);
        let (mut at, mut told) = (FIRST_FRAME, FIRST_FRAME);
        while at < end {
            at = self.add_next(file, &mut frames, at, end)?;
            if at.0 - told.0 >= TELL_BYTES {
                told = at;
                tell(self);
            }
        }
        tell(self);
        Ok(())
    }

    /// Adds what stands at an offset, and says where it ends.
    fn add_next(
        &mut self,
        file: &SegmentFile,
        frames: &mut Frames<'_>,
        at: ByteOffset,
        end: ByteOffset,
    ) -> Result<ByteOffset> {
        let bad = match frames.frame_at(at).map_err(|error| file.io(error))? {
            Ok(frame) => {
                let next = frame.end();
                match frame.body() {
                    Ok(body) => {
                        self.add_frame(&frame, &body);
                        return Ok(next);
                    }
                    Err(bad) if !is_newer(&bad.error) => {
                        self.add_events(&frame, &frame.good_records());
                        return Ok(next);
                    }
                    Err(bad) => bad,
                }
            }
            Err(bad) => bad,
        };
        if is_newer(&bad.error) {
            return Err(Error::format(&file.path, bad.at, &bad.error));
        }
        let behind = ByteOffset(at.0 + UNIT_BYTES);
        let found = frames.find(behind, Position(0), Timestamp(0));
        let found = found.map_err(|error| file.io(error))?;
        let next = found.map_or(end, |(offset, _)| offset.min(end));
        self.unreadable += next.0 - at.0;
        Ok(next)
    }

    fn add_frame(&mut self, frame: &Frame<'_>, body: &Body<'_>) {
        match body {
            Body::Events(records) => self.add_events(frame, records),
            Body::Link(_) | Body::Mark | Body::Seal(_) | Body::Skipped => {
                self.entries += frame.bytes.len() as u64;
            }
        }
    }

    /// Adds a frame with these records; what is none of theirs is unreadable.
    fn add_events(&mut self, frame: &Frame<'_>, records: &[Record<'_>]) {
        let header = FRAME_HEADER_BYTES as u64;
        let held = records.iter().map(Record::padded_len).fold(header, u64::saturating_add);
        self.commit_headers += header;
        self.unreadable += (frame.bytes.len() as u64).saturating_sub(held);
        for record in records {
            self.add_event(record);
        }
    }

    fn add_event(&mut self, record: &Record<'_>) {
        let optional = record.optional_len() as u64;
        let names = (record.stream().len() + record.kind().len()) as u64;
        // Each has a byte that says how long it is.
        let tags = record.tags().map(|tag| 1 + tag.len() as u64).sum::<u64>();
        let metadata = record.metadata().len() as u64;
        let payload = record.payload().len() as u64;
        let header = RECORD_HEADER_BYTES as u64;
        let held = header + optional + names + tags + metadata + payload;
        self.event_headers += header;
        self.ids_and_times += optional;
        self.names += names;
        self.tags += tags;
        self.metadata += metadata;
        self.payload += payload;
        self.padding += record.padded_len().saturating_sub(held);
    }
}

/// Whether a newer version wrote it: that is no damage.
fn is_newer(error: &FormatError) -> bool {
    matches!(error, FormatError::Unsupported { .. })
}
