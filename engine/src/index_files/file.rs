//! Index files opened and written.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Disk, File, write_all_at};
use quipu_format::{Salt, SegmentId};
use quipu_index::{Identity, IndexError, Layer, Run, Sealed, Sink, write_run};

use super::Trouble;
use super::source::Bytes;
use crate::ballast::sparing;
use crate::create::{create_complete, create_written};
use crate::directory::Directory;
use crate::segments::{Segments, Shelf};
use crate::{Error, ReadMode, Result};

/// The index file of a segment, if there is one that can be used. Whatever is wrong with one, the log says
/// the same.
pub(crate) fn open_index(
    disk: &dyn Disk,
    directory: &Directory,
    mode: ReadMode,
    identity: &Identity,
) -> Option<Sealed> {
    let path = directory.index(identity.segment);
    usable(&path, &|| try_index(disk, directory, mode, identity))
}

/// The same, of a store that is open: where there are no descriptors it lets go of those that it keeps.
pub(crate) fn index_on(store: &Segments, identity: &Identity) -> Option<Sealed> {
    let shelf = &store.shelf;
    let open = || {
        let opened = try_index(&*shelf.disk, &shelf.directory, shelf.mode, identity);
        if matches!(&opened, Err(IndexError::Io(error)) if quipu_disk::is_short(error)) {
            store.release();
        }
        opened
    };
    usable(&shelf.directory.index(identity.segment), &open)
}

/// The index file of a segment.
fn try_index(
    disk: &dyn Disk,
    directory: &Directory,
    mode: ReadMode,
    identity: &Identity,
) -> std::result::Result<Sealed, IndexError> {
    let path = directory.index(identity.segment);
    Sealed::open(Box::new(Bytes::open(disk, &path, mode)?), identity)
}

/// The index file of a segment, read into memory as a whole: for who looks at every byte of it.
pub(crate) fn load_index(
    disk: &dyn Disk,
    directory: &Directory,
    identity: &Identity,
) -> std::result::Result<Sealed, IndexError> {
    Sealed::open(Box::new(Bytes::load(disk, &directory.index(identity.segment))?), identity)
}

/// An index that stands in memory only.
pub(crate) fn held_index(bytes: Arc<[u8]>, identity: &Identity) -> Result<Sealed> {
    Ok(Sealed::open(Box::new(Bytes::Held(bytes)), identity)?)
}

/// The heads of these segments, of which the last has this salt, from their file, if there is one that can be used.
pub(crate) fn open_run(
    shelf: &Shelf,
    segments: &RangeInclusive<SegmentId>,
    salt: Salt,
) -> Option<Run> {
    let last = shelf.identity(*segments.end(), salt);
    let first = *segments.start();
    let open = || try_run(&*shelf.disk, &shelf.directory, shelf.mode, first, &last);
    usable(&shelf.directory.run(segments), &open)
}

/// The file with the heads of the segments from `first` to `last`.
pub(crate) fn try_run(
    disk: &dyn Disk,
    directory: &Directory,
    mode: ReadMode,
    first: SegmentId,
    last: &Identity,
) -> std::result::Result<Run, IndexError> {
    let path = directory.run(&(first..=last.segment));
    Run::open(Box::new(Bytes::open(disk, &path, mode)?), first, last)
}

/// What is opened, if it can be used. What cannot be read is tried a second time: a file may know of the log what nothing
/// else knows any more, and is not set aside for what fails only once.
fn usable<T>(path: &Path, open: &dyn Fn() -> std::result::Result<T, IndexError>) -> Option<T> {
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let opened = match open() {
        Err(IndexError::Io(error)) if !is_gone(&error) => open(),
        opened => opened,
    };
    match opened {
        Ok(opened) => Some(opened),
        Err(IndexError::Io(error)) if is_gone(&error) => None,
        Err(error) => {
            tracing::warn!(index = %path.display(), %error, "an index file cannot be used");
            None
        }
    }
}

/// Writes an index file, replacing what has its name. Where there is no room the ballast is given up.
///
/// What is on disk, whenever the power goes: the file of before or none, and beside it perhaps a temporary
/// one that the next opening removes; or the new file, whole. Both say the same of the log, or the one of
/// before says less of it: an index that covers less of its segment is as good.
pub(crate) fn write(shelf: &Shelf, path: &Path, bytes: &[u8]) -> Result<()> {
    let disk = &*shelf.disk;
    let create = || create_complete(disk, path, bytes, bytes.len() as u64);
    sparing(disk, shelf.directory.path(), create)
        .map(drop)
        .map_err(|error| Error::io("writing", path, error))
}

/// Writes the run of these layers, newest first, under this name: as [`write`] does, and piece by piece, because a run
/// may be larger than memory.
///
/// # Errors
/// [`Trouble::Index`] where one of the layers cannot be used; else what the system refuses.
pub(crate) fn write_run_of(
    shelf: &Shelf,
    path: &Path,
    layers: &[Layer],
) -> std::result::Result<(), Trouble> {
    let disk = &*shelf.disk;
    let mut wrong = None;
    let create = || {
        create_written(disk, path, |file| {
            let mut sink = FileSink { file, failed: None };
            let written = write_run(shelf.store, layers, &mut sink);
            let Err(error) = written else { return Ok(()) };
            // What the new file refuses may be want of room; a layer that cannot be read is another matter.
            Err(sink.failed.unwrap_or_else(|| {
                wrong = Some(error);
                io::ErrorKind::InvalidData.into()
            }))
        })
    };
    let created = sparing(disk, shelf.directory.path(), create);
    match (created, wrong) {
        (Ok(_), _) => Ok(()),
        (Err(_), Some(wrong)) => Err(Trouble::Index(wrong)),
        (Err(error), None) => Err(Trouble::Store(Error::io("writing", path, error))),
    }
}

/// A new file that an index is written into.
struct FileSink<'f> {
    file: &'f dyn File,
    /// Why it could not be written.
    failed: Option<io::Error>,
}

impl Sink for FileSink<'_> {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        write_all_at(self.file, bytes, at).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}
