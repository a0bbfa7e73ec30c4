//! A disk beside which somebody may stand, who comes between two of its calls.
//!
//! The simulator drives a store one step at a time, and a step is many calls. Here another process can do something
//! before any of them, at a call that the seed decides.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quipu_disk::{Access, Disk, FaultDisk, File, Lock, Map, Page};

/// What a guest does. It says after how many calls it comes again, if it does.
pub type Act = Box<dyn FnMut() -> Option<u64> + Send>;

/// Where somebody waits for a call.
#[derive(Default)]
pub struct Door {
    guest: Mutex<Option<Guest>>,
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
        let file = self.attended().open(path, access)?;
        Ok(Arc::new(AttendedFile { file, door: Arc::clone(&self.door) }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.attended().list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.attended().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.attended().remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.attended().create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.attended().sync_directory(path)
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
    door: Arc<Door>,
}

impl AttendedFile {
    fn attended(&self) -> &dyn File {
        self.door.passes();
        &*self.file
    }
}

impl File for AttendedFile {
    fn size(&self) -> io::Result<u64> {
        self.attended().size()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.attended().read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.attended().write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.attended().sync_data()
    }

    fn map(&self) -> io::Result<Map> {
        self.attended().map()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
