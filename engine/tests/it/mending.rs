//! An index file that fails a check is made anew for everybody, also where an old reader meets it first.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::ExpectedVersion::Any;
use quipu::{Events, NewEvent, Store};
use quipu_disk::{Access, Disk, Gate, MemoryDisk, read_exact_at, write_all_at};

use crate::small::options;

const PATH: &str = "s";
const PAGE: usize = 4096;

fn open(disk: &Arc<MemoryDisk>) -> Store {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    Store::builder(PATH).disk(disk).options(options()).open().unwrap()
}

fn event(bytes: usize) -> NewEvent<'static> {
    NewEvent::new("Noted", vec![0; bytes]).tag("t")
}

fn append(store: &Store, stream: &str, bytes: usize) -> u64 {
    store.append(stream, Any, [event(bytes)]).unwrap().version.0
}

/// Fills segments until the first is sealed, and gives the name of its index.
fn seal_one(disk: &MemoryDisk, store: &Store) -> String {
    loop {
        append(store, "filling", 500);
        let names = disk.list(Path::new(PATH)).unwrap();
        if let Some(first) = names.into_iter().find(|name| name.ends_with(".idx")) {
            return first;
        }
        assert!(!Gate::new().wait(1, Some(Duration::from_millis(5))));
    }
}

/// Flips a bit of every page but the first.
fn damage(disk: &MemoryDisk, name: &str) {
    let path = Path::new(PATH).join(name);
    let file = disk.open(&path, Access::Write).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    for page in 1..bytes.len() / PAGE {
        let flipped = [bytes[page * PAGE] ^ 1];
        write_all_at(&*file, &flipped, (page * PAGE) as u64).unwrap();
    }
}

fn count(mut events: Events) -> u64 {
    let mut count = 0;
    while events.next().unwrap().is_some() {
        count += 1;
    }
    count
}

/// A store of six events of `s` and many others whose first index is damaged, and a cursor that was opened
/// after three of them.
fn damaged_under_a_reader() -> (Store, Events) {
    let disk = Arc::new(MemoryDisk::new());
    let store = open(&disk);
    assert_eq!([0; 3].map(|_| append(&store, "s", 10)).len(), 3);
    let old = store.tag("t").events().unwrap();
    assert_eq!([0; 3].map(|_| append(&store, "s", 10)).len(), 3);
    let index = seal_one(&disk, &store);
    damage(&disk, &index);
    (store, old)
}

#[test]
fn no_version_is_given_twice() {
    let (store, old) = damaged_under_a_reader();
    assert_eq!(count(old), 3);
    assert_eq!(append(&store, "s", 10), 6);
}

#[test]
fn no_event_is_lost_to_later_readers() {
    let (store, old) = damaged_under_a_reader();
    assert_eq!(count(old), 3);
    assert_eq!(count(store.tag("t").events().unwrap()), store.next_position().0);
    assert_eq!(count(store.stream("s").events().unwrap()), 6);
}
