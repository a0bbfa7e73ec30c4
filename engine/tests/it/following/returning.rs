//! Following a store of which something cannot be read for a while.

use std::path::{Path, PathBuf};

use quipu::{Durability, ErrorKind, Mode, Options, ReadMode, Store};
use quipu_disk::{Disk, FaultDisk};

use super::follower::{ABOUT, About, PATH, append, open, open_with, options};
use super::succession::A_WHILE;
use crate::reading::served_and_lost;

fn reader(disk: &FaultDisk) -> Store {
    let options = Options { mode: Mode::ReadOnly, ..options(ReadMode::Pread, Durability::Sync) };
    open_with(disk, options)
}

/// A store of some segments, the last one that holds events, and how many there are in all.
fn closed(disk: &FaultDisk) -> (PathBuf, u64) {
    let store = open(disk);
    (0..100).for_each(|at| append(&store, ["a", "b-1"][at % 2]));
    let events = store.next_position().0;
    store.close().unwrap();
    let holds = |file: &PathBuf| {
        file.extension().is_some_and(|kind| kind == "seg")
            && disk.contents(file).is_ok_and(|bytes| bytes[4096] != 0)
    };
    (disk.files().into_iter().rfind(holds).unwrap(), events)
}

fn manifest() -> PathBuf {
    Path::new(PATH).join("manifest")
}

/// Without the secret of the manifest nothing that was indexed is found.
#[test]
fn without_a_manifest_all_is_found_that_was_found_before() {
    for is_removed in [true, false] {
        let disk = FaultDisk::new(29);
        let (_, events) = closed(&disk);
        let reader = reader(&disk);
        let before = ABOUT.map(|about| about.read_sound(&reader));
        if is_removed {
            disk.remove(&manifest()).unwrap();
        } else {
            disk.zero(&manifest(), 0..4096).unwrap();
        }
        for _ in 0..3 {
            disk.advance(A_WHILE);
            assert_eq!(reader.next_position().0, events);
            assert_eq!(ABOUT.map(|about| about.read_sound(&reader)), before);
        }
    }
}

#[test]
fn who_reads_a_store_is_told_where_another_has_its_place() {
    let (disk, other) = (FaultDisk::new(29), FaultDisk::new(31));
    let (_, events) = closed(&disk);
    closed(&other);
    let reader = reader(&disk);
    assert_eq!(About::All.read(&reader).len() as u64, events);
    for file in other.files() {
        disk.put(&file, &other.contents(&file).unwrap()).unwrap();
    }
    disk.advance(A_WHILE);
    assert_eq!(reader.all().events().unwrap_err().kind(), ErrorKind::Poisoned);
}

/// What is readable now and was not before has not been lost.
#[test]
fn a_segment_that_can_be_read_again_was_not_lost() {
    let disk = FaultDisk::new(29);
    let (last, events) = closed(&disk);
    let bytes = disk.contents(&last).unwrap().len() as u64;
    disk.spoil(&last, 0..bytes).unwrap();
    let reader = reader(&disk);
    assert_eq!(reader.next_position().0, events);
    assert!(!reader.opening().lost.is_empty());
    disk.restore();
    let writer = open(&disk);
    disk.advance(A_WHILE);
    append(&writer, "a");
    assert_eq!(About::All.read(&reader).len() as u64, events + 1);
}

/// While somebody keeps writers out, nobody knows what of the last segment is durable.
#[test]
fn what_a_close_has_noted_is_not_called_lost_while_somebody_has_the_lock() {
    let disk = FaultDisk::new(29);
    let options = Options {
        segment_bytes_min: 32 << 10,
        segment_bytes_max: 32 << 10,
        ..options(ReadMode::Pread, Durability::Sync)
    };
    let store = open_with(&disk, options.clone());
    (0..150).for_each(|_| append(&store, "a"));
    let events = store.next_position().0;
    store.close().unwrap();
    disk.spoil(&Path::new(PATH).join("0000000001.seg"), 4096..8192).unwrap();
    let lock = disk.lock(&Path::new(PATH).join("lock")).unwrap().unwrap();
    let reader = open_with(&disk, Options { mode: Mode::ReadOnly, ..options });
    assert!(reader.next_position().0 <= events);
    drop(lock);
    disk.advance(A_WHILE);
    let (served, _) = served_and_lost(&reader);
    assert!(served > 80 && reader.next_position().0 == events, "{served} of {events}");
}
