//! What a close leaves of an index: as much as spares the next opening a scan, and no more work than that.

use std::path::Path;
use std::sync::Arc;

use quipu::{ExpectedVersion, NewEvent, Options, Store};
use quipu_disk::FaultDisk;
use quipu_format::index::{Contents, IndexHeader};

use super::store::{PATH, file, files, options};

fn open(disk: &FaultDisk) -> Store {
    let options = Options { segment_bytes_min: 2 << 20, segment_bytes_max: 2 << 20, ..options() };
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).open().unwrap()
}

fn append(store: &Store, events: u64) {
    for _ in 0..events {
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 1000])]).unwrap();
    }
}

/// Opens the store, appends so many events and closes it; the index of its segment, and how many events that covers.
fn life(disk: &FaultDisk, events: u64) -> (Vec<u8>, u32) {
    let store = open(disk);
    append(&store, events);
    store.close().unwrap();
    let bytes = disk.contents(&file("0000000001.idx")).unwrap();
    let header = IndexHeader::decode(&bytes, bytes.len() as u64).unwrap();
    let Contents::Segment(covered) = header.contents else { unreachable!("of a segment") };
    (bytes, covered.events)
}

#[test]
fn an_index_is_written_by_a_close_if_much_has_come_since_the_last_one() {
    let disk = FaultDisk::new(1);
    let (first, events) = life(&disk, 10);
    assert_eq!(events, 10);
    assert!(life(&disk, 10).0 == first, "little: the next opening scans it");
    assert!(life(&disk, 0).0 == first);
    assert_eq!(life(&disk, 300).1, 320);
    assert_eq!(life(&disk, 1).1, 320);
}

#[test]
fn a_segment_without_an_event_has_no_index() {
    let disk = FaultDisk::new(1);
    open(&disk).close().unwrap();
    assert!(files(&disk, "idx").is_empty());
    let store = open(&disk);
    let killed = disk.kill();
    drop(store);
    open(&killed).close().unwrap();
    assert!(files(&killed, "idx").is_empty(), "{:?}", killed.files());
    assert!(killed.contents(Path::new("s/manifest")).is_ok());
}
