//! The disk on which a copy is made: one that knows when its commits were recorded, and that hides the store until it
//! is whole.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::threads::{AtomicU64, Mutex, Ordering};
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
    /// The files that were made through it and may be there.
    made: Mutex<BTreeSet<PathBuf>>,
}

impl Unfinished {
    pub(super) fn new(disk: &Arc<dyn Disk>, directory: &Directory) -> Unfinished {
        let (disk, directory) = (Arc::clone(disk), directory.clone());
        Unfinished { disk, directory, now: AtomicU64::new(0), made: Mutex::default() }
    }

    /// Removes the files that were made through it, and no others: somebody else may have made a store there meanwhile.
    ///
    /// The manifest goes last, under the name by which it is that of no store, and only once the others are gone for good:
    /// whatever of them is left beside it, whenever the power goes, is what was never finished.
    pub(super) fn remove_made(&self) {
        let mut made = std::mem::take(&mut *self.made.lock());
        let (shown, hidden) = (self.directory.manifest(), self.real(&self.directory.manifest()));
        let failed = |path: &Path, error: &io::Error| {
            tracing::warn!(file = %path.display(), %error, "removing what there is of a copy");
        };
        let remove = |path: &Path| match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                failed(path, &error);
                false
            }
            _ => true,
        };
        let mut are_gone = true;
        if made.remove(&shown) {
            // It may never have had that name. If it has, there is a store as long as it is there.
            are_gone = self.disk.rename(&shown, &hidden).is_ok() || remove(&shown);
            if let Err(error) = self.disk.sync_directory(self.directory.path()) {
                // Whatever is there is whole as long as nothing is removed.
                return failed(self.directory.path(), &error);
            }
        }
        let is_hidden = made.remove(&hidden);
        for path in &made {
            are_gone &= remove(path);
        }
        match self.disk.sync_directory(self.directory.path()) {
            Ok(()) if is_hidden && are_gone => {
                let _told = remove(&hidden);
            }
            Err(error) => failed(self.directory.path(), &error),
            Ok(()) => {}
        }
        // Who locks a directory makes this, and nobody can tell who has: it goes where it is all there is, by who has
        // it locked, or else two might.
        let lock = self.directory.lock();
        if self.holds_only(&lock)
            && let Ok(Some(_locked)) = self.disk.lock(&lock)
            && self.holds_only(&lock)
            && let Err(error) = self.disk.remove(&lock)
        {
            failed(&lock, &error);
        }
    }

    /// Whether the copy's directory holds this file and nothing else.
    fn holds_only(&self, file: &Path) -> bool {
        let left = self.disk.list(self.directory.path()).unwrap_or_default();
        left.len() == 1 && left.iter().all(|name| self.directory.file(name) == file)
    }

    /// Sets the clock to when the next commit was recorded.
    pub(super) fn set_now(&self, time: Timestamp) {
        self.now.store(u64::try_from(time.0).unwrap_or(0), Ordering::Relaxed);
    }

    /// Gives the manifest its name: from here on the store exists, and it is durable once its directory is synced.
    ///
    /// # Errors
    /// Those of the system. The manifest can be removed then, under whichever name it has.
    pub(super) fn reveal(&self) -> io::Result<()> {
        let shown = self.directory.manifest();
        let hidden = self.real(&shown);
        self.disk.rename(&hidden, &shown).inspect_err(|_| {
            // It may have taken effect all the same; nobody else makes one while ours has the other name.
            self.made.lock().insert(shown.clone());
        })
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
        let path = self.real(path);
        let file = self.disk.open(&path, access);
        // A call that fails may have made it all the same.
        let is_of_others =
            file.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
        if matches!(access, Access::Create | Access::Fill) && !is_of_others {
            self.made.lock().insert(path);
        }
        file
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
        let (from, to) = (self.real(from), self.real(to));
        let renamed = self.disk.rename(&from, &to);
        let mut made = self.made.lock();
        if renamed.is_ok() {
            made.remove(&from);
        }
        // Also where it has failed: it may have taken effect, and the store is locked.
        made.insert(to);
        renamed
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = self.real(path);
        self.disk.remove(&path)?;
        self.made.lock().remove(&path);
        Ok(())
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

#[cfg(test)]
mod tests {
    use quipu_disk::MemoryDisk;
    use quipu_format::SegmentId;

    use super::*;

    /// What is left of a directory in which a copy was begun beside these files of others, one of whom may have locked
    /// it by now.
    fn left(others: &[&str], locked: bool) -> Vec<String> {
        let memory: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let directory = Directory::new("copy");
        memory.create_directory(directory.path()).unwrap();
        let unfinished = Unfinished::new(&memory, &directory);
        for name in others {
            memory.open(&directory.file(name), Access::Create).unwrap();
        }
        let make = |name: &str| {
            unfinished.open(&directory.file(name), Access::Create).unwrap();
        };
        make("manifest");
        make("0000000009.seg.tmp");
        let (from, to) = (directory.file("0000000009.seg.tmp"), directory.segment(SegmentId(9)));
        unfinished.rename(&from, &to).unwrap();
        make("gone");
        unfinished.remove(&directory.file("gone")).unwrap();
        drop(unfinished.lock(&directory.lock()).unwrap());
        let _lock = locked.then(|| memory.lock(&directory.lock()).unwrap());
        assert_eq!(memory.list(directory.path()).unwrap().len(), others.len() + 3);
        unfinished.remove_made();
        memory.list(directory.path()).unwrap()
    }

    #[test]
    fn what_is_removed_of_a_copy_is_its_own() {
        assert_eq!(left(&[], false), [""; 0]);
        assert_eq!(left(&[], true), ["lock"], "somebody has it");
        let store = ["0000000001.seg", "manifest"];
        assert_eq!(left(&store, false), ["0000000001.seg", "lock", "manifest"]);
    }
}
