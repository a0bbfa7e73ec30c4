//! Disks to be harmed, so that the one they are made from is not.

use std::path::Path;

use quipu_disk::{Disk, FaultDisk};

/// A copy of a disk that nobody else writes.
pub(crate) fn copy(disk: &FaultDisk) -> FaultDisk {
    let copy = FaultDisk::new(9);
    for path in disk.files() {
        copy.create_directory(path.parent().unwrap_or(Path::new(""))).unwrap();
        copy.put(&path, &disk.contents(&path).unwrap()).unwrap();
    }
    copy
}
