//! A disk on which one call of one process fails once: of those that open, map or read a file.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quipu_disk::{Access, Disk, FaultDisk, File, Lock, Map, Page};

/// `EIO`.
pub(super) const UNREADABLE: i32 = 5;
/// `EMFILE`.
pub(super) const NO_DESCRIPTOR: i32 = 24;

/// A call that is to fail.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// What the names of the files end with that it may be about.
    pub(super) ending: &'static str,
    /// So many such calls are passed over.
    pub(super) after: usize,
    /// The number that Linux gives. Want of a descriptor meets only who opens a file.
    pub(super) number: i32,
}

/// A call that has failed.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) file: PathBuf,
    /// The bytes that were asked for; all of them where it was opened.
    pub(super) bytes: Range<u64>,
}

impl Hit {
    /// Whether the file was opened or mapped.
    pub(super) fn is_opening(&self) -> bool {
        self.bytes.end == u64::MAX
    }
}

#[derive(Default, Debug)]
struct Flaws {
    planned: Option<Planned>,
    hits: Vec<Hit>,
}

/// What goes wrong for one process.
#[derive(Clone, Default, Debug)]
pub(super) struct Flaw {
    shared: Arc<Mutex<Flaws>>,
}

impl Flaw {
    /// Has one call fail, instead of the one that was to.
    pub(super) fn plan(&self, planned: Planned) {
        self.state().planned = Some(planned);
    }

    /// The calls that have failed since this was asked last.
    pub(super) fn take(&self) -> Vec<Hit> {
        std::mem::take(&mut self.state().hits)
    }

    fn state(&self) -> MutexGuard<'_, Flaws> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call is about to be made.
    fn passes(&self, file: &Path, bytes: Range<u64>, is_opening: bool) -> io::Result<()> {
        let mut state = self.state();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(planned) = &mut state.planned else { return Ok(()) };
        let concerned = is_opening || planned.number != NO_DESCRIPTOR;
        if !concerned || !name.ends_with(planned.ending) {
            return Ok(());
        }
        if planned.after > 0 {
            planned.after -= 1;
            return Ok(());
        }
        let number = planned.number;
        state.planned = None;
        state.hits.push(Hit { file: file.to_owned(), bytes });
        Err(io::Error::from_raw_os_error(number))
    }
}

/// The disk as one process sees it.
#[derive(Clone, Debug)]
pub(super) struct Flawed {
    pub(super) disk: FaultDisk,
    pub(super) flaw: Flaw,
}

impl Disk for Flawed {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        // What is written goes well: that failed writes and syncs are told is for others to show.
        if access == Access::Read {
            self.flaw.passes(path, 0..u64::MAX, true)?;
        }
        let file = self.disk.open(path, access)?;
        let (flaw, path) = (self.flaw.clone(), path.to_owned());
        Ok(Arc::new(FlawedFile { file, flaw, path }))
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

#[derive(Debug)]
struct FlawedFile {
    file: Arc<dyn File>,
    flaw: Flaw,
    path: PathBuf,
}

impl File for FlawedFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.flaw.passes(&self.path, offset..offset.saturating_add(bytes.len() as u64), false)?;
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn map(&self) -> io::Result<Map> {
        self.flaw.passes(&self.path, 0..u64::MAX, false)?;
        self.file.map()
    }
}
