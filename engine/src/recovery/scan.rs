//! One segment's file, frame by frame, to the first that is not valid.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use quipu_disk::{Access, Disk, File};
use quipu_format::frame::Link;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Lsn, Position, Salt, SegmentId, Timestamp};

use crate::directory::Directory;
use crate::frames::{Bad, Body, Frame, Frames};
use crate::pipeline::SegmentRef;
use crate::{Error, Result};

/// A segment's file, open for reading.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) id: SegmentId,
    pub(crate) salt: Salt,
    pub(crate) capacity: ByteOffset,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    /// Size of the file, where it is shorter than the capacity: the rest has been cut off.
    pub(crate) size: ByteOffset,
}

/// What a scan found; or where one stands that goes on behind what is known already.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// The link that begins the segment; without it nothing of the segment counts.
    pub(crate) link: Option<Link>,
    /// Position of the first event.
    pub(crate) base: Position,
    /// Where the valid frames end.
    pub(crate) end: ByteOffset,
    /// How far the valid frames call the segment durable.
    pub(crate) durable: ByteOffset,
    pub(crate) next_position: Position,
    pub(crate) last_time: Timestamp,
    /// What stopped the scan, if it was not the limit.
    pub(crate) stop: Option<Bad>,
}

impl Default for Scan {
    /// Before the first frame.
    fn default() -> Scan {
        Scan {
            link: None,
            base: Position(0),
            end: FIRST_FRAME,
            durable: FIRST_FRAME,
            next_position: Position(0),
            last_time: Timestamp(0),
            stop: None,
        }
    }
}

impl SegmentFile {
    /// Opens the file of a segment whose salt and capacity are known.
    pub(crate) fn open(
        disk: &dyn Disk,
        directory: &Directory,
        segment: SegmentRef,
    ) -> Result<SegmentFile> {
        let SegmentRef { id, salt, capacity } = segment;
        let path = directory.segment(id);
        let file =
            disk.open(&path, Access::Read).map_err(|error| Error::io("opening", &path, error))?;
        let size = file.size().map_err(|error| Error::io("reading", &path, error))?;
        let size = ByteOffset(size.min(capacity.0));
        Ok(SegmentFile { id, salt, capacity, path, file, size })
    }

    pub(crate) fn reference(&self) -> SegmentRef {
        SegmentRef { id: self.id, salt: self.salt, capacity: self.capacity }
    }

    /// The frames of the file up to `limit`.
    pub(crate) fn frames(&self, limit: ByteOffset) -> Frames<'_> {
        Frames::new(&*self.file, self.salt, limit.min(self.size))
    }

    /// Reads frames from the first one to the first that is not valid, or to `limit`, and shows each
    /// to `visit`.
    ///
    /// # Errors
    /// Those of the system, which are never taken for the end of the log; frames of a newer version;
    /// and what `visit` returns.
    pub(crate) fn scan(
        &self,
        limit: ByteOffset,
        visit: &mut dyn FnMut(&Frame<'_>, &Body<'_>) -> Result<()>,
    ) -> Result<Scan> {
        self.scan_on(Scan::default(), limit, visit)
    }

    /// As [`SegmentFile::scan`], from where another scan stands.
    ///
    /// # Errors
    /// As [`SegmentFile::scan`].
    pub(crate) fn scan_on(
        &self,
        mut scan: Scan,
        limit: ByteOffset,
        visit: &mut dyn FnMut(&Frame<'_>, &Body<'_>) -> Result<()>,
    ) -> Result<Scan> {
        let mut frames = self.frames(limit);
        while scan.end < limit {
            let bad = match frames.frame_at(scan.end).map_err(|error| self.io(error))? {
                Ok(frame) => match frame.body() {
                    Ok(body) => match scan.accept(self.id, &frame, &body) {
                        Ok(()) => {
                            visit(&frame, &body)?;
                            continue;
                        }
                        Err(bad) => bad,
                    },
                    Err(bad) => bad,
                },
                Err(bad) => bad,
            };
            if let FormatError::Unsupported { .. } = bad.error {
                return Err(Error::format(&self.path, bad.at, &bad.error));
            }
            scan.stop = Some(bad);
            break;
        }
        Ok(scan)
    }

    pub(crate) fn io(&self, error: std::io::Error) -> Error {
        Error::io("reading", &self.path, error)
    }
}

impl Scan {
    /// Takes a frame that sums up, if it also follows what was before.
    fn accept(
        &mut self,
        segment: SegmentId,
        frame: &Frame<'_>,
        body: &Body<'_>,
    ) -> std::result::Result<(), Bad> {
        let bad = |what| Bad { at: frame.place.offset, error: FormatError::Invalid(what) };
        let header = &frame.header;
        let (mut next_position, mut last_time) = (self.next_position, self.last_time);
        match (body, &self.link) {
            (Body::Link(link), None) => {
                (next_position, last_time) = (header.first_position, link.last_time);
            }
            (Body::Link(link), Some(_)) => {
                let here = Lsn::new(segment, frame.place.offset);
                if link.predecessor.is_none_or(|(end, _)| end != here) {
                    return Err(bad("a link within a segment that names another place"));
                }
            }
            (_, None) => return Err(bad("a segment that does not begin with a link")),
            (_, Some(_)) => {}
        }
        if header.first_position != next_position {
            return Err(bad("a frame whose position does not follow"));
        }
        if header.time < last_time {
            return Err(bad("a frame whose time goes backwards"));
        }
        // Only now: of a link that is refused nothing is kept.
        if let (Body::Link(link), None) = (body, &self.link) {
            (self.link, self.base) = (Some(*link), header.first_position);
        }
        self.next_position = header.next_position();
        self.last_time = header.time;
        self.durable = self.durable.max(header.durable_to);
        self.end = frame.end();
        Ok(())
    }
}
