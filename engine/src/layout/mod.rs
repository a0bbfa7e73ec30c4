//! What the bytes of a store are spent on.
//!
//! Every byte of every file in the store's directory is counted once, under one name. The names and sizes of the
//! files say most of it at once; what the log holds is known only by reading it.

mod records;

use std::path::Path;

use quipu_disk::{Access, Disk, RealDisk};
use quipu_format::frame::SEAL_FRAME_BYTES;
use quipu_format::manifest::Ending;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Position, SegmentId};

use crate::bad_sectors::BadSectors;
use crate::directory::{Directory, Role};
use crate::recovery::{Part, SegmentFile, Survey, Tip};
use crate::{Error, ReadMode, Result};

pub use self::records::RecordBytes;

/// How closely a store is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The files alone: at once, however large they are.
    #[default]
    Files,
    /// Every event is read.
    Records,
}

/// How a store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It was closed properly.
    Closed,
    /// It is open for writing, in this process or another.
    InUse,
    /// It was not closed: its writer was killed, or the machine went down, or it is damaged.
    NotClosed,
}

/// What the bytes of a store are spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How the store stands.
    pub standing: Standing,
    /// Segments of the log.
    pub segments: u64,
    /// The position that the next event gets: the number of events.
    pub next_position: Position,
    /// All files.
    pub files: FileBytes,
    /// What [`FileBytes::frames`] consists of, if it was [asked for](Depth::Records).
    pub records: Option<RecordBytes>,
}

/// Bytes of the files in a store's directory, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileBytes {
    /// The log itself: commits, links, marks and seals.
    pub frames: u64,
    /// The header pages of its segments.
    pub segment_headers: u64,
    /// Room in the active segment and in the one that is prepared, for events to come.
    pub free: u64,
    /// What stands behind the log in segments that are not written any more: room that was left, and commits
    /// that a crash cut off.
    pub left: u64,
    /// Indexes of segments.
    pub indexes: u64,
    /// Runs: indexes of many segments.
    pub runs: u64,
    /// The manifest.
    pub manifest: u64,
    /// Room set aside for times without.
    pub ballast: u64,
    /// The page by which other processes follow the writer.
    pub live: u64,
    /// Files that were never finished, and what is none of the store's, as far as it can be opened.
    pub other: u64,
}

impl FileBytes {
    /// All of them: the sizes of all files in the directory, but of strangers' that cannot be opened.
    #[must_use]
    pub fn total(&self) -> u64 {
        let FileBytes { frames, segment_headers, free, left, .. } = *self;
        let FileBytes { indexes, runs, manifest, ballast, live, other, .. } = *self;
        [frames, segment_headers, free, left, indexes, runs, manifest, ballast, live, other]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// How far the reading has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayoutProgress {
    /// Bytes of the log that were read.
    pub done_bytes: u64,
    /// Bytes to be read.
    pub total_bytes: u64,
}

/// Says what the bytes of the store in this directory are spent on. Opens nothing for writing, and runs beside a
/// writer and on a damaged store.
///
/// ```
/// use quipu::{Depth, ErrorKind};
///
/// let nothing = quipu::layout("no-store".as_ref(), Depth::Files, &mut |_| {});
/// assert_eq!(nothing.unwrap_err().kind(), ErrorKind::NoStore);
/// ```
///
/// # Errors
/// [`ErrorKind::NoStore`](crate::ErrorKind::NoStore),
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), and what the system refuses. Damage is counted, as
/// [`RecordBytes::unreadable`], and no error; so is a page that the medium does not give back (`EIO`).
pub fn layout(
    path: &Path,
    depth: Depth,
    progress: &mut dyn FnMut(LayoutProgress),
) -> Result<Layout> {
    layout_on(&RealDisk::new(), path, depth, progress)
}

/// As [`layout`], on another disk.
///
/// # Errors
/// As [`layout`].
pub fn layout_on(
    disk: &dyn Disk,
    path: &Path,
    depth: Depth,
    progress: &mut dyn FnMut(LayoutProgress),
) -> Result<Layout> {
    let directory = Directory::new(path);
    let disk = &BadSectors::of_segments(disk);
    let survey = Survey::take_beside_writer(disk, &directory, ReadMode::Pread)?;
    let standing = standing(disk, &directory, &survey)?;
    let mut counting = Counting {
        disk,
        directory: &directory,
        survey: &survey,
        growing: standing == Standing::InUse || matches!(survey.tip, Tip::Clean | Tip::Empty),
        files: FileBytes::default(),
    };
    let names = disk.list(path).map_err(|error| Error::io("listing", directory.path(), error))?;
    for name in names {
        counting.file(&name)?;
    }
    let files = counting.files;
    let records = match depth {
        Depth::Files => None,
        Depth::Records => Some(counting.records(progress)?),
    };
    let segments = survey.parts.len() as u64;
    Ok(Layout { standing, segments, next_position: survey.next_position, files, records })
}

fn standing(disk: &dyn Disk, directory: &Directory, survey: &Survey) -> Result<Standing> {
    let lock = directory.lock();
    let in_use = disk.is_locked(&lock).map_err(|error| Error::io("reading", &lock, error))?;
    Ok(match (in_use, survey.closed()) {
        (true, _) => Standing::InUse,
        (false, Some(_)) if survey.damage.is_empty() => Standing::Closed,
        (false, _) => Standing::NotClosed,
    })
}

/// Counting under way.
struct Counting<'s> {
    disk: &'s dyn Disk,
    directory: &'s Directory,
    survey: &'s Survey,
    /// Whether the log goes on in its last segment.
    growing: bool,
    files: FileBytes,
}

impl Counting<'_> {
    fn file(&mut self, name: &str) -> Result<()> {
        let stranger = self.survey.strangers.iter().any(|stranger| stranger == name);
        let size = match self.size(name) {
            // What somebody else keeps to themselves is no business of the store's.
            Err(_) if stranger => None,
            size => size?,
        };
        let Some(size) = size else { return Ok(()) };
        let files = &mut self.files;
        let bytes = match Directory::role(name) {
            Role::Segment(id) if !stranger => {
                self.segment(id, size);
                return Ok(());
            }
            Role::Fixed if name == "manifest" => &mut files.manifest,
            Role::Fixed if name == "live" => &mut files.live,
            Role::Ballast => &mut files.ballast,
            Role::Index(_) => &mut files.indexes,
            Role::Run(_) => &mut files.runs,
            _ => &mut files.other,
        };
        *bytes += size;
        Ok(())
    }

    /// Size of a file; nothing if it is gone by now.
    fn size(&self, name: &str) -> Result<Option<u64>> {
        let path = self.directory.file(name);
        let size = self.disk.open(&path, Access::Read).and_then(|file| file.size());
        match size {
            Ok(size) => Ok(Some(size)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("reading", &path, error)),
        }
    }

    fn segment(&mut self, id: SegmentId, size: u64) {
        let last = self.survey.parts.last().map(|part| part.segment.id);
        let part = self.survey.parts.iter().find(|part| part.segment.id == id);
        let header = size.min(FIRST_FRAME.0);
        let end = part.map_or(header, |part| frames_end(part).0.clamp(header, size));
        self.files.segment_headers += header;
        self.files.frames += end - header;
        // One that is prepared has a higher number than those of the log.
        let grows = last.is_none_or(|last| id > last) || (Some(id) == last && self.growing);
        let rest = if grows { &mut self.files.free } else { &mut self.files.left };
        *rest += size - end;
    }

    fn records(&self, progress: &mut dyn FnMut(LayoutProgress)) -> Result<RecordBytes> {
        let mut bytes = RecordBytes::default();
        let total_bytes = self.files.frames;
        for part in &self.survey.parts {
            let file = SegmentFile::open(self.disk, self.directory, part.segment)?;
            let end = frames_end(part).min(file.size);
            bytes.add_segment(&file, end, &mut |bytes| {
                let done_bytes = bytes.total().min(total_bytes);
                progress(LayoutProgress { done_bytes, total_bytes });
            })?;
        }
        Ok(bytes)
    }
}

/// Where the last frame of a segment ends, its seal included.
fn frames_end(part: &Part) -> ByteOffset {
    match part.sealed() {
        Some(sealed) if sealed.ending == Ending::Framed => {
            ByteOffset(part.end.0.saturating_add(SEAL_FRAME_BYTES as u64))
        }
        _ => part.end,
    }
}
