//! The raw disk: the same bytes a commit, without a store.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::orders::{Random, payload};
use super::writers::{Side, record};
use crate::cli::Acknowledged;
use crate::failure::Failure;

/// Size of the file, which is written over and over.
const FILE_BYTES: u64 = 64 << 20;
/// How much of it is filled with one call.
const FILL_BYTES: usize = 1 << 20;

/// A file that was filled with zeros, and what is written to it.
pub(super) struct Raw {
    path: PathBuf,
    file: File,
    commit: Vec<u8>,
    durability: Acknowledged,
    /// Where the next commit goes.
    at: u64,
    end: u64,
}

impl Raw {
    /// Fills a new file, and has it on disk: a write then changes nothing but its own bytes.
    pub(super) fn create(
        path: &Path,
        commit_bytes: u64,
        durability: Acknowledged,
    ) -> Result<Raw, Failure> {
        let end = FILE_BYTES.max(4 * commit_bytes).next_multiple_of(FILL_BYTES as u64);
        let file = fill(path, end).map_err(|error| failed("fill", path, &error))?;
        // Random bytes, not zeros: a disk may know those.
        let bytes = usize::try_from(commit_bytes).unwrap_or(usize::MAX).max(2);
        let commit = payload(&mut Random::new(0), bytes);
        Ok(Raw { path: path.to_owned(), file, commit, durability, at: 0, end })
    }

    /// Writes commit after commit for so long; at least one.
    pub(super) fn run(&mut self, time: Duration, halt: &AtomicBool) -> Result<Side, Failure> {
        let mut side = Side::default();
        let begun = Instant::now();
        let mut before = begun;
        loop {
            self.write().map_err(|error| failed("write to", &self.path, &error))?;
            let now = Instant::now();
            record(&mut side.latencies, now - before);
            side.commits += 1;
            before = now;
            if now - begun >= time || halt.load(Ordering::Relaxed) {
                break;
            }
        }
        side.seconds = (before - begun).as_secs_f64();
        if self.durability == Acknowledged::Os {
            // What is still to be synced is not left to the store's time.
            self.file.sync_data().map_err(|error| failed("sync", &self.path, &error))?;
        }
        Ok(side)
    }

    fn write(&mut self) -> io::Result<()> {
        if self.at + self.commit.len() as u64 > self.end {
            self.at = 0;
        }
        self.file.write_all_at(&self.commit, self.at)?;
        self.at += self.commit.len() as u64;
        match self.durability {
            Acknowledged::Sync => self.file.sync_data(),
            Acknowledged::Os => Ok(()),
        }
    }
}

fn fill(path: &Path, end: u64) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    let zeros = vec![0; FILL_BYTES];
    for at in (0..end).step_by(FILL_BYTES) {
        file.write_all_at(&zeros, at)?;
    }
    file.sync_all()?;
    Ok(file)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let failure = Failure::file(what, path, error);
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => super::no_room(failure),
        _ => failure,
    }
}
