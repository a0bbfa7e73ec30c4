//! Segments and surveys put together by hand: what no writer leaves behind, or hardly ever.

use std::sync::Arc;

use quipu_disk::MemoryDisk;
use quipu_format::checksum::Place;
use quipu_format::frame::{FLAG_CLOSED, FrameHeader, FrameKind, Link};
use quipu_format::manifest::Edit;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Epoch, Lsn, Position, SegmentId, Timestamp};

use super::candidate::Candidate;
use super::survey::{Part, State, Survey};
use super::unsealed::Unsealed;
use crate::directory::Directory;
use crate::frames::tests::{SALT, commit, frame, header, segment_behind};
use crate::manifest::Manifest;
use crate::{Damage, Error, ReadMode, Store};

/// Who has written the segments, unless something else is said.
pub(super) const EPOCH: Epoch = Epoch([7; 16]);
/// What links name as the end of a segment that there is no other word of.
pub(super) type End = (u32, u64);

/// The frames of a segment, one after the other.
#[derive(Clone)]
pub(super) struct Written {
    id: u32,
    frames: Vec<Vec<u8>>,
    position: u64,
}

impl Written {
    /// Without a frame.
    pub(super) fn nothing(id: u32) -> Written {
        Written { id, frames: Vec::new(), position: 0 }
    }

    /// Begun at this position with a link that names the end of the segment before.
    pub(super) fn begun(id: u32, position: u64, before: Option<End>) -> Written {
        Written { position, ..Written::nothing(id) }.link(before, EPOCH)
    }

    /// Where the next frame stands.
    pub(super) fn end(&self) -> u64 {
        FIRST_FRAME.0 + self.frames.concat().len() as u64
    }

    /// What a link names as the end of this segment.
    pub(super) fn named(&self) -> Option<End> {
        Some((self.id, self.end()))
    }

    fn header(&self, kind: FrameKind, durable_to: u64) -> FrameHeader {
        FrameHeader { durable_to: ByteOffset(durable_to), ..header(kind, self.position, 0) }
    }

    pub(super) fn link(mut self, before: Option<End>, epoch: Epoch) -> Written {
        let end = before.map(|(id, end)| (Lsn::new(SegmentId(id), ByteOffset(end)), SALT));
        let link = Link { predecessor: end, last_time: Timestamp(1), epoch, writer: 0 };
        let body = link.encode(Place::new(SALT, ByteOffset(self.end())));
        let header = self.header(FrameKind::Link, FIRST_FRAME.0);
        self.frames.push(frame(self.end(), header, &body));
        self
    }

    /// A commit of two events, which calls all before `durable_to` durable.
    pub(super) fn commit(mut self, durable_to: u64) -> Written {
        let header = FrameHeader { events: 2, ..self.header(FrameKind::Events, durable_to) };
        self.frames.push(commit(self.end(), header, &[0, 1]));
        self.position += 2;
        self
    }

    /// A mark that calls all before it durable.
    pub(super) fn mark(mut self, closed: bool) -> Written {
        let flags = if closed { FLAG_CLOSED } else { 0 };
        let header = FrameHeader { flags, ..self.header(FrameKind::Mark, self.end()) };
        self.frames.push(frame(self.end(), header, &[]));
        self
    }

    /// The last frame with a bit of its last byte flipped: its header is as it was.
    pub(super) fn damaged(mut self) -> Written {
        let frame = self.frames.last_mut().unwrap();
        *frame.last_mut().unwrap() ^= 1;
        self
    }

    /// So many bytes of which nothing is left, that have held so many events.
    pub(super) fn nothing_of(mut self, bytes: u64, events: u64) -> Written {
        self.frames.push(vec![0; bytes as usize]);
        self.position += events;
        self
    }

    /// As a segment that is not sealed, scanned to its first bad frame.
    pub(super) fn candidate(&self) -> Candidate {
        self.candidate_behind(1)
    }

    /// The same, with this in each byte of its header: nobody looks at it, as long as there is one.
    pub(super) fn candidate_behind(&self, header: u8) -> Candidate {
        let file = segment_behind(header, SegmentId(self.id), &self.frames);
        let scan = file.scan(file.capacity, &mut |_, _| Ok(())).unwrap();
        let mut unsealed = Unsealed::new(file);
        unsealed.has_link = scan.link.is_some();
        Candidate { unsealed, scan }
    }

    /// As a part of the log.
    pub(super) fn part(&self) -> Part {
        let Candidate { unsealed, scan } = self.candidate();
        Part {
            segment: unsealed.file.reference(),
            end: scan.end,
            base: scan.base,
            next: scan.next_position,
            state: State::Unsealed(unsealed),
        }
    }
}

/// A survey of nothing but a manifest that says this.
pub(super) fn survey(edits: &[Edit]) -> Survey {
    let (disk, directory) = (MemoryDisk::new(), Directory::new("store"));
    let store = Store::builder("store").disk(Arc::new(disk.clone())).open().unwrap();
    drop(store);
    for name in quipu_disk::Disk::list(&disk, directory.path()).unwrap() {
        quipu_disk::Disk::remove(&disk, &directory.file(&name)).unwrap();
    }
    let shared: Arc<dyn quipu_disk::Disk> = Arc::new(disk);
    Manifest::create(&shared, &directory).unwrap().add(edits).unwrap();
    let mut survey = Survey::take(&*shared, &directory, ReadMode::Map).unwrap();
    survey.damage.clear();
    survey.next_position = Position(0);
    survey
}

/// The manifest's word that the log was closed at this place.
pub(super) fn closed(at: Option<End>, next_position: u64) -> Edit {
    let (id, end) = at.unwrap();
    let end = Lsn::new(SegmentId(id), ByteOffset(end));
    Edit::Closed { end, next_position: Position(next_position) }
}

/// Notes damage of a segment's file, with the loss of these positions.
pub(super) fn note_damage(survey: &mut Survey, id: u32, positions: std::ops::Range<u64>) {
    survey.damage.push(Error::damaged(Damage {
        file: survey.directory.segment(SegmentId(id)),
        offset: FIRST_FRAME,
        bytes: 0,
        positions: Position(positions.start)..Position(positions.end),
        what: format!("segment {id} is damaged"),
    }));
}
