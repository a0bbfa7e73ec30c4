//! A disk that takes its time over syncs, and panics when it is told to.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quipu_disk::{Access, Disk, FaultDisk, File, Lock, Map, Page};

#[derive(Clone, Debug)]
pub(crate) struct Moody {
    pub(crate) disk: FaultDisk,
    mood: Arc<Mood>,
}

#[derive(Debug, Default)]
struct Mood {
    sync_ms: AtomicU64,
    without_clock: AtomicBool,
    without_clock_in: Mutex<Option<&'static str>>,
    creates_nothing: AtomicBool,
}

impl Moody {
    pub(crate) fn new(disk: FaultDisk) -> Moody {
        Moody { disk, mood: Arc::default() }
    }

    /// Has every sync take so long, by the disk's own clock.
    pub(crate) fn sync_in(&self, time: Duration) {
        self.mood.sync_ms.store(time.as_millis() as u64, Ordering::SeqCst);
    }

    /// Panics whenever it is asked for the time while this is so.
    pub(crate) fn lose_the_clock(&self, lost: bool) {
        self.mood.without_clock.store(lost, Ordering::SeqCst);
    }

    /// Panics from now on when a thread of this name asks for the time.
    pub(crate) fn lose_the_clock_in(&self, thread: &'static str) {
        *self.mood.without_clock_in.lock() = Some(thread);
    }

    /// Panics from now on at files to be created.
    pub(crate) fn create_nothing(&self) {
        self.mood.creates_nothing.store(true, Ordering::SeqCst);
    }

    fn look_at_the_clock(&self) {
        let (here, there) = (std::thread::current(), *self.mood.without_clock_in.lock());
        let lost = there.is_some() && here.name() == there;
        let lost = lost || self.mood.without_clock.load(Ordering::SeqCst);
        assert!(!lost, "the disk has lost its clock");
    }
}

impl Disk for Moody {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let creates = !self.mood.creates_nothing.load(Ordering::SeqCst);
        assert!(creates || access != Access::Create, "the disk creates no files");
        let file = self.disk.open(path, access)?;
        Ok(Arc::new(MoodyFile { file, disk: self.clone() }))
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
        self.look_at_the_clock();
        self.disk.now()
    }
    fn elapsed(&self) -> Duration {
        self.look_at_the_clock();
        self.disk.elapsed()
    }
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.fill_random(bytes)
    }
}

#[derive(Debug)]
struct MoodyFile {
    file: Arc<dyn File>,
    disk: Moody,
}

impl File for MoodyFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        let time = Duration::from_millis(self.disk.mood.sync_ms.load(Ordering::SeqCst));
        self.disk.disk.advance(time);
        self.file.sync_data()
    }
    fn map(&self) -> io::Result<Map> {
        self.file.map()
    }
}
