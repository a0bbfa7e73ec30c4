//! The ballast: room that is set aside, so that a full disk leaves the manifest and the index enough to go on.

use std::io;
use std::path::Path;

use quipu_disk::{Disk, is_full};

use crate::create::create_complete;
use crate::directory::Directory;

/// Sets room aside if that is not done yet. A disk that has none to spare goes without.
///
/// What is on disk, whenever the power goes: the whole ballast, none, or a temporary file that the next
/// opening removes.
pub(crate) fn keep(disk: &dyn Disk, directory: &Directory, bytes: u64) {
    let path = directory.ballast();
    if bytes == 0 {
        return;
    }
    if let Err(error) = create_complete(disk, &path, &[], bytes) {
        tracing::warn!(%error, "no room for a ballast: a full disk will be felt earlier");
    }
}

/// Does something that needs room in this directory. Where there is none the ballast is given up, and it
/// is tried once more.
///
/// # Errors
/// Those of `act`.
pub(crate) fn sparing<T>(
    disk: &dyn Disk,
    directory: &Path,
    mut act: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    match act() {
        Err(error) if is_full(&error) && give_up(disk, directory) => act(),
        done => done,
    }
}

/// Gives the room back. False if there was no ballast.
fn give_up(disk: &dyn Disk, directory: &Path) -> bool {
    let given = disk.remove(&Directory::new(directory).ballast()).is_ok();
    if given {
        tracing::warn!("the disk is full: the ballast is given up");
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_disk::FaultDisk;

    fn write(disk: &FaultDisk, bytes: usize) -> io::Result<()> {
        let path = Path::new("s/file");
        create_complete(disk, path, &vec![1; bytes], bytes as u64).map(drop)
    }

    #[test]
    fn the_ballast_is_given_up_once_for_what_needs_its_room() {
        let disk = FaultDisk::new(1);
        let directory = Directory::new("s");
        disk.create_directory(directory.path()).unwrap();
        keep(&disk, &directory, 0);
        assert!(disk.list(directory.path()).unwrap().is_empty());
        keep(&disk, &directory, 8192);
        assert_eq!(disk.list(directory.path()).unwrap(), ["ballast"]);
        disk.plan_full(Some(100));
        sparing(&disk, directory.path(), || write(&disk, 4000)).unwrap();
        assert_eq!(disk.list(directory.path()).unwrap(), ["file"]);
        let error = sparing(&disk, directory.path(), || write(&disk, 20_000)).unwrap_err();
        assert!(is_full(&error), "there is no second ballast");
    }

    #[test]
    fn a_disk_without_room_goes_without_a_ballast() {
        let disk = FaultDisk::new(2);
        let directory = Directory::new("s");
        disk.create_directory(directory.path()).unwrap();
        disk.plan_full(Some(100));
        keep(&disk, &directory, 8192);
        assert!(disk.list(directory.path()).unwrap().is_empty());
    }
}
