//! A disk that notes how much is read at once.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quipu_disk::{Access, Disk, File, Lock, Map, Page};

/// Another disk, watched.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    disk: Arc<dyn Disk>,
    largest: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct WatchedFile {
    file: Arc<dyn File>,
    largest: Arc<AtomicUsize>,
}

impl Watched {
    pub(super) fn new(disk: impl Disk + 'static) -> Watched {
        Watched { disk: Arc::new(disk), largest: Arc::default() }
    }

    /// The most bytes that one read has asked for.
    pub(super) fn largest_read(&self) -> usize {
        self.largest.load(Ordering::Relaxed)
    }
}

impl Disk for Watched {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, access)?;
        Ok(Arc::new(WatchedFile { file, largest: Arc::clone(&self.largest) }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.disk.lock(path)
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        self.disk.page(path, access)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.disk.is_locked(path)
    }

    fn now(&self) -> u64 {
        self.disk.now()
    }

    fn elapsed(&self) -> Duration {
        self.disk.elapsed()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.fill_random(bytes)
    }
}

impl File for WatchedFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.largest.fetch_max(bytes.len(), Ordering::Relaxed);
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn map(&self) -> io::Result<Map> {
        self.file.map()
    }
}
