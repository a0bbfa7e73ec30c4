//! Last versions that are lost while the store is written: whoever finds out is the first to be refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{ErrorKind, ExpectedVersion, NewEvent, Options, Store, rebuild_index_on};
use quipu_disk::{Disk, FaultDisk};
use quipu_format::frame::FRAME_HEADER_BYTES;

use super::store::{PATH, files, options};
use crate::frames::frames;

/// Changes a byte of the event at a position; gives the segment's file.
fn damage_event(disk: &FaultDisk, position: u64) -> PathBuf {
    let found = files(disk, "seg").into_iter().find_map(|path| {
        let frames = frames(&disk.contents(&path).unwrap());
        let mut commits = frames.iter().filter(|(_, header)| header.events == 1);
        let (at, _) = commits.find(|(_, header)| header.first_position.0 == position)?;
        Some((path, *at))
    });
    let (path, at) = found.unwrap();
    disk.flip(&path, at + FRAME_HEADER_BYTES as u64 + 100, 1).unwrap();
    path
}

/// Damages every page of an index that is not read as it is opened.
fn damage_pages(disk: &FaultDisk, path: &Path) {
    let pages = disk.contents(path).unwrap().len() as u64 / 4096;
    (1..pages).for_each(|page| disk.flip(path, page * 4096 + 17, 4).unwrap());
}

fn append(store: &Store, stream: &str, expected: ExpectedVersion) -> Option<ErrorKind> {
    let event = NewEvent::new("T", vec![7; 300]).tag("tag:0");
    store.append(stream, expected, [event]).err().map(|error| error.kind())
}

fn large() -> Options {
    Options { segment_bytes_min: 128 << 10, segment_bytes_max: 128 << 10, ..options() }
}

fn open(disk: &FaultDisk) -> Store {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(large()).open().unwrap()
}

/// A closed store of so many streams with one event each, whose indexes have pages that opening does not read.
fn closed(streams: u64) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk);
    for stream in 0..streams {
        assert_eq!(append(&store, &format!("x-{stream}"), ExpectedVersion::NoStream), None);
    }
    store.close().unwrap();
    // Runs are made in the background: now there are all.
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_index_on(&shared, Path::new(PATH), &large(), &mut |_| {}).unwrap();
    disk
}

/// The index is opened with the store and read only as the head is asked for, which finds it damaged.
#[test]
fn the_commit_that_finds_a_last_version_lost_is_refused_too() {
    for expected in [ExpectedVersion::Any, ExpectedVersion::NoStream, ExpectedVersion::Exact(0)] {
        let disk = closed(400);
        let store = open(&disk);
        let index = damage_event(&disk, 10).with_extension("idx");
        damage_pages(&disk, &index);
        for _ in 0..2 {
            assert_eq!(append(&store, "x-10", expected), Some(ErrorKind::Damaged), "{expected:?}");
        }
    }
}

/// It alone knew what a segment has lost together with its index.
#[test]
fn a_run_that_is_set_aside_takes_last_versions_along() {
    let disk = closed(3_000);
    assert_eq!(files(&disk, "run").len(), 1);
    let index = damage_event(&disk, 10).with_extension("idx");
    disk.remove(&index).unwrap();
    let store = open(&disk);
    assert_eq!(append(&store, "x-10", ExpectedVersion::NoStream), Some(ErrorKind::Conflict));
    drop(store);
    let store = open(&disk);
    damage_pages(&disk, &files(&disk, "run")[0]);
    for _ in 0..2 {
        let refused = append(&store, "x-10", ExpectedVersion::NoStream);
        assert_eq!(refused, Some(ErrorKind::Damaged));
    }
}

/// The place of a segment in the chains of its keys is noted for good: not while nobody knows where these lead.
#[test]
fn a_segment_that_is_sealed_while_last_versions_are_lost_leaves_no_index() {
    let disk = closed(400);
    let store = open(&disk);
    // Its last version is known from then on: nobody need look for it.
    assert_eq!(append(&store, "busy", ExpectedVersion::NoStream), None);
    let before = files(&disk, "idx");
    damage_pages(&disk, &damage_event(&disk, 10).with_extension("idx"));
    assert_eq!(append(&store, "x-10", ExpectedVersion::Any), Some(ErrorKind::Damaged));
    let written = (0..3_500).take_while(|_| append(&store, "busy", ExpectedVersion::Any).is_none());
    assert_eq!(written.count(), 3_500);
    drop(store);
    assert!(files(&disk, "seg").len() > 9, "as many were sealed as a run takes");
    assert!(files(&disk, "idx").iter().all(|index| before.contains(index)));
    assert!(files(&disk, "run").is_empty());
}
