//! A disk that counts what is read of each file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quipu_disk::{Access, Disk, FaultDisk, File, Lock, Map};

/// Bytes read of each file by read calls, and the files that were opened.
type Read = Arc<Mutex<BTreeMap<PathBuf, u64>>>;

#[derive(Debug)]
pub(crate) struct Counting {
    disk: FaultDisk,
    read: Read,
}

impl Counting {
    pub(crate) fn new(disk: &FaultDisk) -> Counting {
        Counting { disk: disk.clone(), read: Read::default() }
    }

    pub(crate) fn read(&self) -> BTreeMap<PathBuf, u64> {
        self.read.lock().unwrap().clone()
    }
}

#[derive(Debug)]
struct Counted {
    file: Arc<dyn File>,
    path: PathBuf,
    read: Read,
}

impl Disk for Counting {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, access)?;
        let (path, read) = (path.to_owned(), Arc::clone(&self.read));
        read.lock().unwrap().entry(path.clone()).or_default();
        Ok(Arc::new(Counted { file, path, read }))
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

    fn page(&self, path: &Path, access: Access) -> io::Result<quipu_disk::Page> {
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

impl File for Counted {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.file.read_at(bytes, offset)?;
        *self.read.lock().unwrap().entry(self.path.clone()).or_default() += count as u64;
        Ok(count)
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
