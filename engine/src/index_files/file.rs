//! Index files opened and written.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use quipu_disk::Disk;
use quipu_format::{Salt, SegmentId};
use quipu_index::{Identity, IndexError, Run, Sealed};

use super::source::Bytes;
use crate::ballast::sparing;
use crate::create::create_complete;
use crate::directory::Directory;
use crate::segments::Shelf;
use crate::{Error, ReadMode, Result};

/// The index file of a segment, if there is one that can be used. Whatever is wrong with one, the log says
/// the same.
pub(crate) fn open_index(
    disk: &dyn Disk,
    directory: &Directory,
    mode: ReadMode,
    identity: &Identity,
) -> Option<Sealed> {
    let opened = try_index(disk, directory, mode, identity);
    usable(&directory.index(identity.segment), opened)
}

/// The same, of a store that is open.
pub(crate) fn index_on(shelf: &Shelf, identity: &Identity) -> Option<Sealed> {
    open_index(&*shelf.disk, &shelf.directory, shelf.mode, identity)
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
    let opened = try_run(&*shelf.disk, &shelf.directory, shelf.mode, *segments.start(), &last);
    usable(&shelf.directory.run(segments), opened)
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

fn usable<T>(path: &Path, opened: std::result::Result<T, IndexError>) -> Option<T> {
    match opened {
        Ok(opened) => Some(opened),
        Err(IndexError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
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
