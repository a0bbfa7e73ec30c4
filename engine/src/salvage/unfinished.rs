//! The disk on which a copy is made: one that knows when its commits were recorded, and that hides the store until it
//! is whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::threads::{AtomicU64, Ordering};
use quipu_disk::{Access, Disk, File, Lock, Page};
use quipu_format::Timestamp;

use crate::directory::{Directory, UNFINISHED_MANIFEST};

/// Another disk, on which the manifest of one store has another name and the clock shows what it is told.
///
/// The pipeline takes the recorded time of a commit from the clock; so it needs no way around it for commits that
/// were recorded long ago.
#[derive(Debug)]
pub(super) struct Unfinished {
    disk: Arc<dyn Disk>,
    directory: Directory,
    now: AtomicU64,
}

impl Unfinished {
    pub(super) fn new(disk: &Arc<dyn Disk>, directory: &Directory) -> Unfinished {
        let (disk, directory) = (Arc::clone(disk), directory.clone());
        Unfinished { disk, directory, now: AtomicU64::new(0) }
    }

    /// Sets the clock to when the next commit was recorded.
    pub(super) fn set_now(&self, time: Timestamp) {
        self.now.store(u64::try_from(time.0).unwrap_or(0), Ordering::Relaxed);
    }

    /// Gives the manifest its name: from here on the store exists.
    pub(super) fn reveal(&self) -> io::Result<()> {
        let manifest = self.directory.manifest();
        self.disk.rename(&self.real(&manifest), &manifest)?;
        self.disk.sync_directory(self.directory.path())
    }

    fn real(&self, path: &Path) -> PathBuf {
        if path == self.directory.manifest() {
            self.directory.file(UNFINISHED_MANIFEST)
        } else {
            path.to_owned()
        }
    }
}

impl Disk for Unfinished {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        self.disk.open(&self.real(path), access)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let manifest = self.directory.manifest();
        let shown = manifest.file_name().map(|name| name.to_string_lossy());
        let mut names = self.disk.list(directory)?;
        for name in names.iter_mut().filter(|name| *name == UNFINISHED_MANIFEST) {
            *name = shown.clone().unwrap_or_default().into_owned();
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(&self.real(from), &self.real(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(&self.real(path))
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

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.disk.is_locked(path)
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        self.disk.page(&self.real(path), access)
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> Duration {
        self.disk.elapsed()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.fill_random(bytes)
    }
}
