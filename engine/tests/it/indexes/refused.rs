//! A disk that refuses index files, and nothing else.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quipu::{ExpectedVersion, NewEvent, Store};
use quipu_disk::{Access, FaultDisk, Gate};

use super::store::{PATH, files, options};
use crate::attended::{Attendant, Attended};
use crate::reading::count;

/// What index files are refused for.
#[derive(Debug, Default)]
struct Refusing(Mutex<Option<io::ErrorKind>>);

impl Refusing {
    fn refuse(&self, kind: Option<io::ErrorKind>) {
        *self.0.lock().unwrap() = kind;
    }
}

impl Attendant for Refusing {
    fn opens(&self, path: &Path, access: Access) -> io::Result<()> {
        let is_index = path.to_string_lossy().contains(".idx") && access != Access::Read;
        let refused = self.0.lock().unwrap().filter(|_| is_index);
        refused.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

fn open(disk: &Attended<Refusing>) -> Store {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open().unwrap()
}

fn append(store: &Store) -> quipu::Result<quipu::Appended> {
    store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 300])])
}

fn come_to(is_there: impl Fn() -> bool) -> bool {
    (0..20_000).any(|_| {
        let _passed = Gate::new().wait(1, Some(Duration::from_millis(1)));
        is_there()
    })
}

/// The log is not concerned: its segments are sealed, their indexes are used from memory, and written when that goes.
#[test]
fn segments_are_sealed_although_their_index_files_cannot_be_written() {
    let disk = Attended::<Refusing>::new(&FaultDisk::new(1));
    let store = open(&disk);
    disk.attendant.refuse(Some(io::ErrorKind::PermissionDenied));
    for _ in 0..100 {
        append(&store).unwrap();
    }
    assert!(come_to(|| store.stats().seals >= 3), "{:?}", store.stats());
    assert!(files(&disk.disk, "idx").is_empty());
    assert_eq!(count(&store), 100);
    disk.attendant.refuse(None);
    for _ in 0..100 {
        append(&store).unwrap();
    }
    assert!(come_to(|| files(&disk.disk, "idx").len() as u64 >= store.stats().seals));
    store.close().unwrap();
}

/// Want of room passes: the segment is sealed once there is some, and whoever needs a place until then is told.
#[test]
fn no_segment_is_sealed_while_there_is_no_room_for_its_index() {
    let disk = Attended::<Refusing>::new(&FaultDisk::new(2));
    let store = open(&disk);
    disk.attendant.refuse(Some(io::ErrorKind::StorageFull));
    while append(&store).is_ok() && store.stats().rolls < 4 {}
    assert_eq!(store.stats().seals, 0);
    disk.attendant.refuse(None);
    assert!(come_to(|| append(&store).is_ok() && store.stats().seals >= 1), "{:?}", store.stats());
    store.close().unwrap();
}

/// Has index files open to be written only, once it is told to.
#[derive(Debug, Default)]
struct WriteOnly(Mutex<bool>);

impl Attendant for WriteOnly {
    fn opens(&self, path: &Path, access: Access) -> io::Result<()> {
        let is_index = path.extension().is_some_and(|it| it == "idx") && access == Access::Read;
        let is_refused = is_index && *self.0.lock().unwrap();
        if is_refused { Err(io::Error::other("no descriptor")) } else { Ok(()) }
    }
}

/// What was just made of the log need not be read back.
#[test]
fn a_store_opens_for_writing_although_no_index_file_can_be_read() {
    let disk = Attended::<WriteOnly>::new(&FaultDisk::new(1));
    let open =
        || Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open().unwrap();
    let store = open();
    for _ in 0..40 {
        append(&store).unwrap();
    }
    store.close().unwrap();
    assert!(files(&disk.disk, "idx").len() > 1);
    *disk.attendant.0.lock().unwrap() = true;
    let store = open();
    assert_eq!(count(&store), 40);
    append(&store).unwrap();
}
