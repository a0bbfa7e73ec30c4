//! What opening reads, and what it does without.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use quipu::{Mode, ReadMode, Store};
use quipu_disk::{Disk, FaultDisk};

use super::counting::Counting;
use super::store::{PATH, agrees, closed_store, file, files, fill, goes_on, open, options, remove};

fn opened(disk: &FaultDisk, mode: Mode, read_mode: ReadMode) -> (Store, BTreeMap<PathBuf, u64>) {
    let counting = Arc::new(Counting::new(disk));
    let options = quipu::Options { mode, read_mode, ..options() };
    let store = Store::builder(PATH).disk(counting.clone()).options(options).open().unwrap();
    let read = counting.read();
    (store, read)
}

/// Bytes that an opening reads of a closed store of so many events.
fn bytes_read(events: u64) -> u64 {
    let disk = FaultDisk::new(2);
    let store = open(&disk).unwrap();
    fill(&store, events);
    store.close().unwrap();
    let (store, read) = opened(&disk, Mode::Existing, ReadMode::Map);
    assert_eq!(store.next_position().0, events);
    read.values().sum()
}

#[test]
fn opening_a_closed_store_reads_the_same_however_large_it_is() {
    let (small, large) = (bytes_read(30), bytes_read(900));
    assert!(large < small + small / 10, "{small} bytes, then {large}");
    assert!(large < 80_000, "{large} bytes");
}

#[test]
fn no_sealed_segment_is_opened() {
    let disk = closed_store();
    let active = files(&disk, "seg").pop().unwrap();
    for mode in [Mode::ReadOnly, Mode::Existing] {
        let (store, read) = opened(&disk, mode, ReadMode::Pread);
        let segments = read.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "seg"));
        let segments: Vec<_> = segments.collect();
        assert_eq!(segments.len(), 1, "{segments:?}");
        assert!(segments[0].0 == &active && *segments[0].1 < 8192, "{segments:?}");
        agrees(&store);
    }
}

/// The check above can fail: without its index the active segment is scanned.
#[test]
fn without_an_index_the_active_segment_is_scanned() {
    let disk = closed_store();
    let active = files(&disk, "seg").pop().unwrap();
    let read_of_active = || opened(&disk, Mode::ReadOnly, ReadMode::Pread).1[&active];
    let with = read_of_active();
    disk.remove(files(&disk, "idx").last().unwrap()).unwrap();
    assert!(read_of_active() > with + 500);
}

#[test]
fn a_store_is_read_and_written_without_any_index_file() {
    for kinds in [&["idx"][..], &["run"], &["idx", "run"]] {
        let disk = closed_store();
        let count = files(&disk, "idx").len();
        kinds.iter().for_each(|kind| remove(&disk, kind));
        let (store, _) = opened(&disk, Mode::ReadOnly, ReadMode::Map);
        agrees(&store);
        drop(store);
        let store = open(&disk).unwrap();
        agrees(&store);
        goes_on(&store);
        store.close().unwrap();
        assert!(files(&disk, "idx").len() >= count, "they are written again");
        agrees(&open(&disk).unwrap());
    }
}

#[test]
fn an_index_from_before_covers_the_beginning_only() {
    let disk = FaultDisk::new(3);
    let store = open(&disk).unwrap();
    fill(&store, 3);
    store.close().unwrap();
    let index = file("0000000001.idx");
    let early = disk.contents(&index).unwrap();
    let store = open(&disk).unwrap();
    fill(&store, 5);
    store.close().unwrap();
    disk.put(&index, &early).unwrap();
    let store = open(&disk).unwrap();
    assert_eq!(store.next_position().0, 8);
    let mut events = store.stream("s-0").events().unwrap();
    assert_eq!(events.next().unwrap().unwrap().position().0, 0);
    assert_eq!(store.stream("s-4").events().unwrap().next().unwrap().unwrap().version().0, 0);
}

#[test]
fn an_index_of_another_store_is_not_used() {
    let (disk, other) = (closed_store(), FaultDisk::new(77));
    let store = open(&other).unwrap();
    fill(&store, 190);
    store.close().unwrap();
    for index in files(&disk, "idx") {
        if let Ok(bytes) = other.contents(&index) {
            disk.put(&index, &bytes).unwrap();
        }
    }
    let store = open(&disk).unwrap();
    agrees(&store);
    goes_on(&store);
}
