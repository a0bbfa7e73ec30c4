//! A disk beside which somebody may stand, who comes between two of its calls.
//!
//! The simulator drives a store one step at a time, and a step is many calls. Here another process can do something
//! before any of them, at a call that the seed decides.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quipu_disk::{Access, Disk, FaultDisk, File, Lock, Map, Page};

/// What a guest does. It says after how many calls it comes again, if it does.
pub type Act = Box<dyn FnMut() -> Option<u64> + Send>;

/// Where somebody waits for a call.
#[derive(Default)]
pub struct Door {
    guest: Mutex<Option<Guest>>,
    failures: AtomicU64,
}

struct Guest {
    /// Calls that pass before it comes.
    calls: u64,
    act: Act,
}

impl Door {
    /// Has somebody come after so many calls more, instead of whoever was to come.
    pub fn invite(&self, calls: u64, act: Act) {
        self.put(Some(Guest { calls, act }));
    }

    /// Nobody comes any more.
    pub fn dismiss(&self) {
        self.put(None);
    }

    /// How many calls have failed so far that may poison a store which meets them as it writes, seals, prepares or closes.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn noted<T>(&self, call: Call, path: &Path, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| may_poison(call, path, error.kind())) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn put(&self, guest: Option<Guest>) -> Option<Guest> {
        let mut place = self.guest.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, guest)
    }

    /// A call is about to be made. Whoever acts stands outside meanwhile, and meets nobody.
    fn passes(&self) {
        let Some(mut guest) = self.put(None) else { return };
        if guest.calls > 0 {
            guest.calls -= 1;
        } else {
            let Some(calls) = (guest.act)() else { return };
            guest.calls = calls;
        }
        self.put(Some(guest));
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

/// What a call does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    /// It finds out something, or opens a file to read it.
    Reads,
    /// It changes a name, or syncs a directory.
    Names,
    /// It writes a file.
    Writes,
    /// It syncs a file.
    Syncs,
}

/// Whether a call that fails may poison the store. That may every call that is about a file of the log, finished or not,
/// or about the directory where their names stand, unless it only finds out something. For want of room only a name that
/// may not be durable does, the sync of a file that has its name, and what is written into a segment that has: there is
/// room for it. A write that was interrupted is called again.
fn may_poison(call: Call, path: &Path, error: io::ErrorKind) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (is_segment, is_manifest) = (name.ends_with(".seg"), name == "manifest");
    let is_directory = !name.contains('.') && path.parent() == Some(Path::new("/"));
    let is_of_log = is_directory || name.contains(".seg") || name.starts_with("manifest");
    is_of_log
        && match (error, call) {
            (_, Call::Reads)
            | (io::ErrorKind::NotFound, _)
            | (io::ErrorKind::Interrupted, Call::Writes) => false,
            (io::ErrorKind::StorageFull, Call::Writes) => is_segment,
            (io::ErrorKind::StorageFull, Call::Syncs) => is_segment || is_manifest,
            (io::ErrorKind::StorageFull, _) => is_directory,
            _ => true,
        }
}

/// The disk. Its clones have the same door.
#[derive(Clone, Debug)]
pub struct Attended {
    disk: FaultDisk,
    door: Arc<Door>,
}

impl Attended {
    /// A disk with a door, at which others may be.
    #[must_use]
    pub fn new(disk: &FaultDisk, door: &Arc<Door>) -> Attended {
        Attended { disk: disk.clone(), door: Arc::clone(door) }
    }

    fn attended(&self) -> &FaultDisk {
        self.door.passes();
        &self.disk
    }
}

impl Disk for Attended {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let opened = self.attended().open(path, access);
        let call = if access == Access::Read { Call::Reads } else { Call::Names };
        let file = self.door.noted(call, path, opened)?;
        let (disk, door) = (self.disk.clone(), Arc::clone(&self.door));
        Ok(Arc::new(AttendedFile { file, disk, door, path: path.to_owned() }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let done = self.attended().list(directory);
        self.door.noted(Call::Reads, directory, done)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let done = self.attended().rename(from, to);
        self.door.noted(Call::Names, to, done)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let done = self.attended().remove(path);
        self.door.noted(Call::Names, path, done)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let done = self.attended().create_directory(path);
        self.door.noted(Call::Names, path, done)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let done = self.attended().sync_directory(path);
        self.door.noted(Call::Names, path, done)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.attended().lock(path)
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        self.attended().page(path, access)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.attended().is_locked(path)
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
struct AttendedFile {
    file: Arc<dyn File>,
    disk: FaultDisk,
    door: Arc<Door>,
    path: PathBuf,
}

impl AttendedFile {
    fn noted<T>(&self, call: Call, result: io::Result<T>) -> io::Result<T> {
        if result.is_ok() {
            return result;
        }
        // What was made under another name has its own by now, if nothing is there under that one any more.
        let is_unfinished = self.disk.files().contains(&self.path);
        let is_named = self.path.extension().is_some_and(|it| it == "tmp") && !is_unfinished;
        let path = if is_named { self.path.with_extension("") } else { self.path.clone() };
        self.door.noted(call, &path, result)
    }

    fn attended(&self) -> &dyn File {
        self.door.passes();
        &*self.file
    }
}

impl File for AttendedFile {
    fn size(&self) -> io::Result<u64> {
        let done = self.attended().size();
        self.noted(Call::Reads, done)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let done = self.attended().read_at(bytes, offset);
        self.noted(Call::Reads, done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let done = self.attended().write_at(bytes, offset);
        self.noted(Call::Writes, done)
    }

    fn sync_data(&self) -> io::Result<()> {
        let done = self.attended().sync_data();
        self.noted(Call::Syncs, done)
    }

    fn map(&self) -> io::Result<Map> {
        let done = self.attended().map();
        self.noted(Call::Reads, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_disk::{Fault, FaultKind};

    #[test]
    fn only_calls_about_the_log_may_poison() {
        use io::ErrorKind::{Interrupted, NotFound, Other, StorageFull};
        let may = |call, name: &str, error| may_poison(call, Path::new(name), error);
        for file in
            ["/store/0000000001.seg", "/store/0000000001.seg.tmp", "/store/manifest", "/store"]
        {
            assert!(may(Call::Syncs, file, Other) && may(Call::Names, file, Other), "{file}");
            assert!(!may(Call::Reads, file, Other) && !may(Call::Names, file, NotFound));
            assert!(!may(Call::Writes, file, Interrupted), "{file}");
        }
        for file in ["/store/0000000001.idx", "/store/0000000001-0000000008.run.tmp", "/store/live"]
        {
            assert!(!may(Call::Writes, file, Other) && !may(Call::Syncs, file, Other), "{file}");
        }
        assert!(may(Call::Names, "/store", StorageFull), "a name that may not be durable");
        assert!(may(Call::Syncs, "/store/manifest", StorageFull));
        assert!(!may(Call::Writes, "/store/manifest", StorageFull), "tried again");
        assert!(may(Call::Writes, "/store/0000000001.seg", StorageFull));
        assert!(!may(Call::Syncs, "/store/0000000001.seg.tmp", StorageFull), "tried again");
    }

    #[test]
    fn failures_of_the_log_are_counted_and_no_others() {
        let (disk, door) = (FaultDisk::new(1), Arc::new(Door::default()));
        let attended = Attended::new(&disk, &door);
        disk.create_directory(Path::new("/store")).unwrap();
        for (name, counted) in [("manifest", 1), ("lock", 1), ("0000000001.seg", 2)] {
            let file = attended.open(&Path::new("/store").join(name), Access::Create).unwrap();
            let (at, kind) = (disk.operations(), FaultKind::Error(quipu_disk::Errno::Io));
            disk.plan(Fault { at, kind, sticky: false });
            file.sync_data().unwrap_err();
            assert_eq!(door.failures(), counted, "{name}");
        }
    }

    #[test]
    fn a_guest_comes_before_the_call_that_it_waited_for_and_as_often_as_it_says() {
        let (disk, door) = (FaultDisk::new(1), Arc::new(Door::default()));
        let attended = Attended::new(&disk, &door);
        let root = Path::new("/");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (noted, there) = (Arc::clone(&calls), disk.clone());
        let act: Act = Box::new(move || {
            let mut calls = noted.lock().unwrap();
            calls.push(there.operations());
            (calls.len() < 3).then_some(2)
        });
        door.invite(1, act);
        for _ in 0..12 {
            attended.sync_directory(root).unwrap();
        }
        assert_eq!(*calls.lock().unwrap(), [1, 4, 7]);
        let noted = Arc::clone(&calls);
        door.invite(
            1,
            Box::new(move || {
                noted.lock().unwrap().clear();
                None
            }),
        );
        attended.list(root).unwrap();
        door.dismiss();
        attended.list(root).unwrap();
        assert_eq!(calls.lock().unwrap().len(), 3, "nobody comes who was sent away");
    }
}
