//! A disk beside which somebody stands who is told of calls, and may panic or let time pass as they happen.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::{Access, Disk, FaultDisk, File, Lock, Map, Page};

/// Who is told. What nobody is interested in is not told of.
pub(crate) trait Attendant: Debug + Send + Sync + 'static {
    /// A file is about to be opened, and is not where this is an error.
    fn opens(&self, _path: &Path, _access: Access) -> io::Result<()> {
        Ok(())
    }
    /// A file was opened.
    fn has_opened(&self, _path: &Path) {}
    /// An open file was closed. What has been mapped of it stays.
    fn closes(&self) {}
    /// A directory is about to be listed, and is not where this is an error.
    fn lists(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }
    /// A lock is about to be looked at by somebody who does not want it, and is not where this is an error.
    fn looks_at_a_lock(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
    /// A file is about to be read by a call, and is not where this is an error.
    fn reads(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
    /// These bytes of a file were read by a call, which will give what becomes of them here.
    fn has_read(&self, _path: &Path, _bytes: &mut [u8], _offset: u64) {}
    /// Bytes were written to a file by a call.
    fn has_written(&self, _path: &Path, _bytes: &[u8], _offset: u64) {}
    /// A file is about to be synced.
    fn syncs(&self, _disk: &FaultDisk) {}
    /// One of the clocks is about to be looked at.
    fn looks_at_the_clock(&self) {}
}

/// The disk. Clones share it, and their attendant.
#[derive(Debug)]
pub(crate) struct Attended<A> {
    pub(crate) disk: FaultDisk,
    pub(crate) attendant: Arc<A>,
}

impl<A: Attendant + Default> Attended<A> {
    pub(crate) fn new(disk: &FaultDisk) -> Attended<A> {
        Attended { disk: disk.clone(), attendant: Arc::default() }
    }
}

impl<A> Clone for Attended<A> {
    fn clone(&self) -> Attended<A> {
        Attended { disk: self.disk.clone(), attendant: Arc::clone(&self.attendant) }
    }
}

impl<A: Attendant> Disk for Attended<A> {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        self.attendant.opens(path, access)?;
        let file = self.disk.open(path, access)?;
        self.attendant.has_opened(path);
        Ok(Arc::new(AttendedFile { file, path: path.to_owned(), by: self.clone() }))
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.attendant.lists(directory)?;
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
        self.attendant.looks_at_a_lock(path)?;
        self.disk.is_locked(path)
    }
    fn now(&self) -> u64 {
        self.attendant.looks_at_the_clock();
        self.disk.now()
    }
    fn elapsed(&self) -> Duration {
        self.attendant.looks_at_the_clock();
        self.disk.elapsed()
    }
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.fill_random(bytes)
    }
}

#[derive(Debug)]
struct AttendedFile<A: Attendant> {
    file: Arc<dyn File>,
    path: PathBuf,
    by: Attended<A>,
}

impl<A: Attendant> Drop for AttendedFile<A> {
    fn drop(&mut self) {
        self.by.attendant.closes();
    }
}

impl<A: Attendant> File for AttendedFile<A> {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.by.attendant.reads(&self.path)?;
        let count = self.file.read_at(bytes, offset)?;
        self.by.attendant.has_read(&self.path, &mut bytes[..count], offset);
        Ok(count)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let count = self.file.write_at(bytes, offset)?;
        self.by.attendant.has_written(&self.path, &bytes[..count], offset);
        Ok(count)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.by.attendant.syncs(&self.by.disk);
        self.file.sync_data()
    }
    fn map(&self) -> io::Result<Map> {
        self.file.map()
    }
}
