//! Edits that are written as a whole wherever the system takes them so.

use std::io;
use std::path::Path;

use quipu_disk::{Disk, File};

use crate::ballast::sparing;
use crate::{Error, ErrorKind, Result};

/// How often edits are written as a whole in vain before they are written in parts.
const WHOLE_TRIES: usize = 4;

/// Writes edits and syncs them, by one call each if the system ever takes all of them at once. If it does not, a part is
/// durable before the next is written: of two that are not, a sector may keep the second without the first, and an
/// edit that follows a torn one, or lacks a byte in its middle, looks like damage.
pub(super) fn write_durably(
    disk: &dyn Disk,
    path: &Path,
    file: &dyn File,
    bytes: &[u8],
    offset: u64,
) -> Result<()> {
    let directory = path.parent().unwrap_or(path);
    let mut written = 0;
    loop {
        let (left, at) = (&bytes[written..], offset + written as u64);
        written += sparing(disk, directory, || write_at_once(file, left, at))
            .map_err(|error| Error::io("writing", path, error))?;
        file.sync_data().map_err(|error| unsynced(path, error))?;
        if written == bytes.len() {
            return Ok(());
        }
    }
}

/// Tries to write bytes by one call, and says how many of them the last try wrote. Tries before have written some of the
/// same.
pub(super) fn write_at_once(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let mut tries = 0;
    loop {
        match file.write_at(bytes, offset) {
            Ok(0) if !bytes.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) if count == bytes.len() => return Ok(count),
            Ok(count) if tries == WHOLE_TRIES => return Ok(count),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(_) => tries += 1,
            Err(_) => {}
        }
    }
}

/// A failed sync: it is never tried again, not even if it failed for want of room.
pub(super) fn unsynced(path: &Path, error: io::Error) -> Error {
    let error = io::Error::other(error);
    Error::because(ErrorKind::Io, format!("syncing {}", path.display()), error)
}
