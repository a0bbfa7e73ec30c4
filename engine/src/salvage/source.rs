//! The damaged store, read in order: the commits that are whole, and what is lost between them.
//!
//! Which segments and how much of each belong to the log, the survey says, as it does for recovery, readers and
//! verification. Positions are dense, so two valid frames tell how many events are lost between them, and so do seals
//! and the place where the store was closed.

mod ends;

use std::ops::Range;
use std::path::{Path, PathBuf};

use quipu_disk::{Disk, read_exact_at};
use quipu_format::features::Use;
use quipu_format::frame::FrameHeader;
use quipu_format::record::Record;
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};
use quipu_format::{
    ByteOffset, FormatError, PAGE_BYTES, Position, SegmentId, Timestamp, UNIT_BYTES,
};

use super::report::{Lost, SalvageProgress, SalvageReport, SalvageStep};
use super::tally::Tally;
use crate::bad_sectors::BadSectors;
use crate::directory::Directory;
use crate::frames::{Bad, Body, Frame, Frames};
use crate::manifest::draw;
use crate::plant::{self, Bug};
use crate::recovery::{Part, SegmentFile, Survey};
use crate::{Error, ErrorKind, ReadMode, Result, header};

/// A commit that is whole.
pub(super) struct Commit<'a> {
    pub(super) header: FrameHeader,
    pub(super) records: &'a [Record<'a>],
}

/// What takes the commits.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&Commit<'_>) -> Result<()>;

/// A store to be salvaged.
pub(super) struct Source {
    survey: Survey,
}

impl Source {
    /// Surveys the store. No lock is taken, because that would write: a writer that comes later adds only what
    /// follows.
    pub(super) fn survey(disk: &dyn Disk, path: &Path) -> Result<Source> {
        let directory = Directory::new(path);
        let lock = directory.lock();
        if disk.is_locked(&lock).map_err(|error| Error::io("reading", &lock, error))? {
            let detail = format!("{} is open for writing elsewhere", path.display());
            return Err(Error::new(ErrorKind::InUse, detail));
        }
        let survey = Survey::take(disk, &directory, ReadMode::Pread)?;
        let source = Source { survey };
        source.refuse_newer(disk)?;
        if source.survey.manifest.is_none() {
            source.refuse_several_stores(disk)?;
        }
        Ok(source)
    }

    /// The copy is written by this version: it would be without what a newer one needs kept up. Headers that are
    /// damaged ask for nothing.
    fn refuse_newer(&self, disk: &dyn Disk) -> Result<()> {
        if let Some(manifest) = &self.survey.manifest {
            self.survey.permit_writing(manifest)?;
        }
        for part in &self.survey.parts {
            let file = SegmentFile::open(disk, &self.survey.directory, part.segment)?;
            match header::permit(&*file.file) {
                Ok(Use::ReadWrite) => {}
                Ok(Use::ReadOnly) => {
                    let what = "a newer version wrote something that would be lost on the way";
                    return Err(newer(&file, ByteOffset(0), what));
                }
                Err(error) => return Err(Error::format(&file.path, ByteOffset(0), &error)),
            }
        }
        Ok(())
    }

    /// Without a manifest nobody knows whose segments these are, unless all of them are of one store.
    fn refuse_several_stores(&self, disk: &dyn Disk) -> Result<()> {
        let mut known = None;
        for part in &self.survey.parts {
            let file = SegmentFile::open(disk, &self.survey.directory, part.segment)?;
            let mut page = vec![0; PAGE_BYTES.min(file.size.0) as usize];
            read_exact_at(&*file.file, &mut page, 0).map_err(|error| file.io(error))?;
            let Ok(header) = SegmentHeader::decode(&page) else { continue };
            if *known.get_or_insert(header.origin) != header.origin {
                let detail = format!(
                    "{} is of another store than the segments before, and no manifest says which of them belong \
                     here: take away those that do not",
                    file.path.display()
                );
                return Err(Error::invalid(detail));
            }
        }
        Ok(())
    }

    /// Reads the log, and hands on every commit that is whole.
    pub(super) fn read(
        &self,
        disk: &BadSectors<&dyn Disk>,
        progress: &mut dyn FnMut(SalvageProgress),
        sink: Sink<'_>,
    ) -> Result<SalvageReport> {
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&draw(disk)?.to_le_bytes());
        secret[8..].copy_from_slice(&draw(disk)?.to_le_bytes());
        let mut reading = Reading {
            survey: &self.survey,
            next: Position(0),
            last_time: Timestamp(0),
            hole: None,
            tally: Tally::new(secret),
            sink,
            progress,
            done_bytes: 0,
            total_bytes: self.survey.bytes(),
        };
        let mut gone = self.survey.gone.iter().copied().peekable();
        for part in &self.survey.parts {
            while let Some(id) = gone.next_if(|&id| id < part.segment.id) {
                reading.gone(id);
            }
            let file = SegmentFile::open(disk, &self.survey.directory, part.segment)?;
            reading.part(part, &file)?;
        }
        gone.for_each(|id| reading.gone(id));
        Ok(reading.finish(disk.found()))
    }
}

/// Bytes that were passed over since the last valid frame. The next one tells what is lost with them.
struct Hole {
    file: PathBuf,
    offset: u64,
    bytes: u64,
    what: String,
    /// A whole segment is gone, so something is lost even if nothing tells how much.
    segment: bool,
}

/// The log, as far as it has been read.
struct Reading<'a, 's> {
    survey: &'a Survey,
    /// Position and time that no later event may precede.
    next: Position,
    last_time: Timestamp,
    hole: Option<Hole>,
    tally: Tally,
    sink: Sink<'s>,
    progress: &'s mut dyn FnMut(SalvageProgress),
    done_bytes: u64,
    total_bytes: u64,
}

impl Reading<'_, '_> {
    /// Reads a segment as far as it belongs to the log.
    fn part(&mut self, part: &Part, file: &SegmentFile) -> Result<()> {
        let seal = part.sealed().map(|sealed| sealed.seal);
        if let (Some(seal), Some(_)) = (seal, &self.hole) {
            self.reach(seal.first_position, None);
        }
        let mut frames = file.frames(part.end);
        let mut at = FIRST_FRAME;
        while at < part.end {
            self.tell(at.0);
            at = self.step(file, &mut frames, at..part.end)?;
        }
        self.done_bytes += part.segment.capacity.0;
        self.tell(0);
        if let Some(seal) = seal {
            let otherwise = hole(file, part.end, 0, "the seal counts more events than there are");
            self.reach(seal.next_position, Some(otherwise));
        } else if file.size < file.capacity {
            // Whatever stood behind is lost; what follows, or the last close, tells how much that was.
            let what = "the segment was cut short";
            let cut = hole(file, file.size, file.capacity.0 - file.size.0, what);
            self.hole = Some(Hole { segment: true, ..self.hole.take().unwrap_or(cut) });
        }
        Ok(())
    }

    /// Reads the frame at the beginning of a range, or passes over what is none. Gives where the next frame stands, or
    /// the end of the range.
    fn step(
        &mut self,
        file: &SegmentFile,
        frames: &mut Frames<'_>,
        range: Range<ByteOffset>,
    ) -> Result<ByteOffset> {
        let at = range.start;
        let bad = match frames.frame_at(at).map_err(|error| file.io(error))? {
            Ok(frame) if self.follows(&frame.header) => {
                self.frame(file, &frame)?;
                return Ok(frame.end());
            }
            // A recovery has copied it into another segment, and it has been met there.
            Ok(frame) if frame.header.next_position() <= self.next => return Ok(frame.end()),
            Ok(_) => Bad { at, error: FormatError::Invalid("a frame that does not follow") },
            Err(bad) => bad,
        };
        refuse_unsupported(file, &bad)?;
        let behind = ByteOffset(at.0 + UNIT_BYTES);
        let found = frames.find(behind, self.next, self.last_time);
        let found = found.map_err(|error| file.io(error))?;
        let next = found.map_or(range.end, |(offset, _)| offset);
        if self.hole.as_ref().is_none_or(|hole| !hole.segment) {
            self.hole = Some(hole(file, at, next.0.saturating_sub(at.0), &bad.error.to_string()));
        }
        Ok(next)
    }

    /// Whether a frame can come next: neither positions nor times ever go backwards.
    fn follows(&self, header: &FrameHeader) -> bool {
        header.first_position >= self.next && header.time >= self.last_time
    }

    /// Takes a frame whose header is valid.
    fn frame(&mut self, file: &SegmentFile, frame: &Frame<'_>) -> Result<()> {
        let header = frame.header;
        let at = frame.place.offset;
        let body = frame.body();
        let missing = header.first_position > self.next && self.hole.is_none();
        let otherwise = missing.then(|| self.before(file, at, body.as_ref().ok()));
        self.reach(header.first_position, otherwise);
        match body {
            Ok(Body::Events(records)) => {
                let commit = Commit { header, records: &records };
                self.tally.keep(&commit);
                (self.sink)(&commit)?;
            }
            Ok(Body::Skipped) => return Err(newer(file, at, "a frame of a kind not known here")),
            Ok(Body::Link(_) | Body::Mark | Body::Seal(_)) => {}
            Err(bad) => {
                refuse_unsupported(file, &bad)?;
                if plant::is_in(Bug::DamagedCommitKept) {
                    let commit = Commit { header, records: &frame.good_records() };
                    self.tally.keep(&commit);
                    (self.sink)(&commit)?;
                }
                let what = bad.error.to_string();
                let damaged = hole(file, at, u64::from(header.len), &what);
                self.reach(header.next_position(), Some(damaged));
            }
        }
        self.next = header.next_position();
        self.last_time = header.time;
        Ok(())
    }

    /// What must be missing where nothing was passed over and positions do not follow: the segment that a link names
    /// as the one before, if it is not there; else nobody knows.
    fn before(&self, file: &SegmentFile, at: ByteOffset, body: Option<&Body<'_>>) -> Hole {
        let named = match body {
            Some(Body::Link(link)) => link.predecessor.map(|(end, _)| end),
            _ => None,
        };
        match named.filter(|end| !self.is_part(end.segment())) {
            Some(end) => self.missing(end.segment()),
            None => hole(file, at, 0, "events are missing before this frame"),
        }
    }

    fn is_part(&self, id: SegmentId) -> bool {
        self.survey.parts.iter().any(|part| part.segment.id == id)
    }

    /// A segment of which nothing can be read. If it was sealed, the manifest knows what it held.
    fn gone(&mut self, id: SegmentId) {
        let manifest = self.survey.manifest.as_ref();
        let seal = manifest
            .and_then(|manifest| manifest.listing.segments.get(&id)?.sealed)
            .map(|sealed| sealed.seal);
        let missing = self.missing(id);
        match seal {
            Some(seal) => {
                self.reach(seal.first_position, Some(self.missing(id)));
                self.reach(seal.next_position, Some(missing));
            }
            None => self.hole = Some(missing),
        }
    }

    fn missing(&self, id: SegmentId) -> Hole {
        let what = "the segment is missing, or nothing in it can be read".to_owned();
        let file = self.survey.directory.segment(id);
        Hole { file, offset: 0, bytes: 0, what, segment: true }
    }

    /// The next event has this position. If it should have had a lower one, those between are lost: with what was
    /// passed over, else with `otherwise`.
    fn reach(&mut self, position: Position, otherwise: Option<Hole>) {
        if let Some(hole) = self.hole.take().or(otherwise)
            && position > self.next
        {
            self.lose(hole, position);
        }
    }

    fn lose(&mut self, hole: Hole, until: Position) {
        let positions = self.next..until;
        self.next = until;
        let Hole { file, offset, bytes, what, .. } = hole;
        if plant::is_in(Bug::LossNotListed) {
            return;
        }
        self.tally.lose(Lost { file, offset, bytes, positions, what });
    }

    fn tell(&mut self, at: u64) {
        let total_bytes = self.total_bytes;
        let done_bytes = self.done_bytes.saturating_add(at).min(total_bytes);
        let step = SalvageStep::Copying;
        (self.progress)(SalvageProgress { step, done_bytes, total_bytes });
    }
}

fn hole(file: &SegmentFile, offset: ByteOffset, bytes: u64, what: &str) -> Hole {
    let (file, what) = (file.path.clone(), what.to_owned());
    Hole { file, offset: offset.0, bytes, what, segment: false }
}

/// What a newer version wrote is not damage, and must not be lost in silence.
fn refuse_unsupported(file: &SegmentFile, bad: &Bad) -> Result<()> {
    match bad.error {
        FormatError::Unsupported { .. } => Err(Error::format(&file.path, bad.at, &bad.error)),
        _ => Ok(()),
    }
}

fn newer(file: &SegmentFile, at: ByteOffset, what: &str) -> Error {
    let detail = format!("{} at offset {at}: {what}", file.path.display());
    Error::new(ErrorKind::Unsupported, detail)
}
