//! A disk on which every run is the same.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quipu_disk::{Access, Disk, File, Lock, MemoryDisk, Page};

use crate::orders::Random;

/// When it is, on this disk, as it is made.
const BEGINNING: u64 = 1_700_000_000_000_000;

/// A disk in memory whose clock moves on by a microsecond with each look, and whose random bytes are always the same: a
/// store gets the same ids and secrets, and its keys the same places, every time.
#[derive(Debug)]
pub struct StillDisk {
    memory: MemoryDisk,
    looks: AtomicU64,
    draws: AtomicU64,
}

impl StillDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> StillDisk {
        let (looks, draws) = (AtomicU64::new(0), AtomicU64::new(0));
        StillDisk { memory: MemoryDisk::new(), looks, draws }
    }

    fn look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for StillDisk {
    fn default() -> StillDisk {
        StillDisk::new()
    }
}

impl Disk for StillDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        self.memory.open(path, access)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.memory.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.memory.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.memory.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.memory.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.memory.sync_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.memory.lock(path)
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        self.memory.page(path, access)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.memory.is_locked(path)
    }

    fn now(&self) -> u64 {
        BEGINNING + self.look()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.look())
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut random = Random::new(self.draws.fetch_add(1, Ordering::Relaxed));
        for bytes in bytes.chunks_mut(8) {
            bytes.copy_from_slice(&random.draw().to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
}
