//! A disk that takes its time over syncs, and panics when it is told to.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use quipu_disk::threads::Mutex;
use quipu_disk::{Access, FaultDisk};

use super::attended::{Attendant, Attended};

pub(crate) type Moody = Attended<Mood>;

#[derive(Debug, Default)]
pub(crate) struct Mood {
    sync_ms: AtomicU64,
    without_clock: AtomicBool,
    without_clock_in: Mutex<Option<&'static str>>,
    creates_nothing: AtomicBool,
    syncs_nothing: AtomicBool,
    next_sync: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Moody {
    /// Has every sync take so long, by the disk's own clock.
    pub(crate) fn sync_in(&self, time: Duration) {
        self.attendant.sync_ms.store(time.as_millis() as u64, Ordering::SeqCst);
    }

    /// Panics whenever it is asked for the time while this is so.
    pub(crate) fn lose_the_clock(&self, lost: bool) {
        self.attendant.without_clock.store(lost, Ordering::SeqCst);
    }

    /// Panics from now on when a thread of this name asks for the time.
    pub(crate) fn lose_the_clock_in(&self, thread: &'static str) {
        *self.attendant.without_clock_in.lock() = Some(thread);
    }

    /// The next sync of a file says that it has begun, and waits until it is told to go on.
    pub(crate) fn hold_the_next_sync(&self) -> (Receiver<()>, Sender<()>) {
        let (begins, begun) = channel();
        let (proceed, proceeds) = channel();
        *self.attendant.next_sync.lock() = Some((begins, proceeds));
        (begun, proceed)
    }

    /// Panics from now on at each sync of a file.
    pub(crate) fn sync_nothing(&self) {
        self.attendant.syncs_nothing.store(true, Ordering::SeqCst);
    }

    /// Panics from now on at files to be created.
    pub(crate) fn create_nothing(&self) {
        self.attendant.creates_nothing.store(true, Ordering::SeqCst);
    }
}

impl Attendant for Mood {
    fn opens(&self, _path: &Path, access: Access) -> io::Result<()> {
        let creates = !self.creates_nothing.load(Ordering::SeqCst);
        assert!(creates || access != Access::Create, "the disk creates no files");
        Ok(())
    }

    fn syncs(&self, disk: &FaultDisk) {
        let held = self.next_sync.lock().take();
        if let Some((begins, proceeds)) = held {
            begins.send(()).unwrap();
            // Whoever is gone does not hold it.
            let _ = proceeds.recv();
        }
        assert!(!self.syncs_nothing.load(Ordering::SeqCst), "the disk syncs nothing any more");
        disk.advance(Duration::from_millis(self.sync_ms.load(Ordering::SeqCst)));
    }

    fn looks_at_the_clock(&self) {
        let (here, there) = (std::thread::current(), *self.without_clock_in.lock());
        let lost = there.is_some() && here.name() == there;
        let lost = lost || self.without_clock.load(Ordering::SeqCst);
        assert!(!lost, "the disk has lost its clock");
    }
}
