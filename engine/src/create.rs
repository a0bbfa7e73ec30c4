//! Files that appear complete or not at all: written under a temporary name, synced, renamed, and the
//! name synced with its directory.

use std::io;
use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Access, Disk, File, write_all_at};

use crate::directory::Directory;
use crate::plant::{self, Bug};

/// What files are filled with, one write at a time, where it can be written past the page cache.
#[repr(align(4096))]
struct Zeros([u8; 1 << 20]);

static ZEROS: Zeros = Zeros([0; 1 << 20]);

/// Creates the file `path` of `size` bytes that begins with `start` and goes on with zeros, replacing
/// what has that name. Whatever goes wrong before the rename leaves nothing behind; want of room is
/// reported only then.
pub(crate) fn create_complete(
    disk: &dyn Disk,
    path: &Path,
    start: &[u8],
    size: u64,
) -> io::Result<Arc<dyn File>> {
    create_filled(disk, path, |temporary| {
        let file = if size > start.len() as u64 {
            fill_with_zeros(disk, temporary, size)?;
            disk.open(temporary, Access::Write)?
        } else {
            disk.open(temporary, Access::Create)?
        };
        write_all_at(&*file, start, 0)?;
        Ok(file)
    })
}

/// Creates the file `path` of what is written into it, as [`create_complete`] does of bytes.
pub(crate) fn create_written(
    disk: &dyn Disk,
    path: &Path,
    write: impl FnOnce(&dyn File) -> io::Result<()>,
) -> io::Result<Arc<dyn File>> {
    create_filled(disk, path, |temporary| {
        let file = disk.open(temporary, Access::Create)?;
        write(&*file)?;
        Ok(file)
    })
}

/// Has a temporary file made, syncs it, and gives it its name.
fn create_filled(
    disk: &dyn Disk,
    path: &Path,
    fill: impl FnOnce(&Path) -> io::Result<Arc<dyn File>>,
) -> io::Result<Arc<dyn File>> {
    let temporary = Directory::temporary(path);
    let filled = remove_if_there(disk, &temporary).and_then(|()| fill(&temporary));
    let created = filled.and_then(|file| {
        if !plant::is_in(Bug::NamedBeforeSync) {
            file.sync_data()?;
        }
        disk.rename(&temporary, path)?;
        Ok(file)
    });
    match created {
        Ok(file) => {
            // The file has its name, and nobody knows whether it keeps it: not even a full disk is a
            // reason to go on as if nothing had happened.
            sync_parent(disk, path).map_err(io::Error::other)?;
            Ok(file)
        }
        Err(error) => {
            // The error that counts is the first; what cannot be removed now is removed by the next
            // opening, by its name.
            let _ = disk.remove(&temporary);
            Err(error)
        }
    }
}

/// Creates a file of zeros, not yet synced.
fn fill_with_zeros(disk: &dyn Disk, path: &Path, size: u64) -> io::Result<()> {
    let file = disk.open(path, Access::Fill)?;
    let mut at = 0;
    while at < size {
        let step = (size - at).min(ZEROS.0.len() as u64);
        write_all_at(&*file, &ZEROS.0[..step as usize], at)?;
        at += step;
    }
    Ok(())
}

/// Removes a file. One that is not there is no error.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Syncs all directories that a directory stands in: whoever has made it may not have, or have failed to. Those that
/// nobody may sync here are left to whoever has made what they hold.
pub(crate) fn sync_ancestors(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    for above in directory.ancestors().skip(1) {
        match disk.sync_directory(above) {
            Err(error)
                if !matches!(
                    error.kind(),
                    InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported
                ) =>
            {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Syncs the directory that `path` stands in.
pub(crate) fn sync_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match path.parent().filter(|_| !plant::is_in(Bug::NoDirectorySync)) {
        Some(parent) => disk.sync_directory(parent),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use quipu_disk::MemoryDisk;

    use super::*;

    #[test]
    fn a_complete_file_is_as_large_as_it_was_to_be() {
        let (disk, path) = (MemoryDisk::new(), Path::new("s/file"));
        disk.create_directory(Path::new("s")).unwrap();
        let step = ZEROS.0.len() as u64;
        for size in [0, 5, 6, step - 1, step, step + 4096, 2 * step + 1] {
            let file = create_complete(&disk, path, b"start", size).unwrap();
            assert_eq!(file.size().unwrap(), size.max(5));
            disk.remove(path).unwrap();
        }
    }
}
