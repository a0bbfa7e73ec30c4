//! The files of a store: which are kept, which go, and which are none of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Severity, Store, verify_on};
use quipu_disk::{Disk, FaultDisk, PowerCut};
use quipu_format::frame::FrameKind;

use crate::reading::served_and_lost;
use crate::small::options;

fn open(disk: &FaultDisk) -> quipu::Result<Store> {
    Store::builder("s").disk(Arc::new(disk.clone())).options(options()).open()
}

fn fill(store: &Store, events: u64) {
    for _ in 0..events {
        let event = NewEvent::new("T", vec![1; 500]);
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
    }
}

fn segment(number: u32) -> PathBuf {
    Path::new("s").join(format!("{number:010}.seg"))
}

fn segments(disk: &FaultDisk) -> usize {
    let names = disk.list(Path::new("s")).unwrap();
    names.iter().filter(|name| name.ends_with(".seg")).count()
}

#[test]
fn a_store_that_crashes_again_and_again_does_not_grow() {
    let mut disk = FaultDisk::new(1);
    let store = open(&disk).unwrap();
    fill(&store, 3);
    for _ in 0..20 {
        let after = disk.power_cut(PowerCut::KeepAll);
        let store = open(&after).unwrap();
        assert_eq!(store.next_position().0, 3);
        disk = after.kill();
        drop(store);
    }
    assert!(segments(&disk) <= 3, "{:?}", disk.files());
    assert_eq!(open(&disk).unwrap().next_position().0, 3);
    drop(store);
}

#[test]
fn a_segment_of_another_store_is_left_alone() {
    let other = FaultDisk::new(2);
    let store = open(&other).unwrap();
    fill(&store, 1);
    store.close().unwrap();
    let disk = FaultDisk::new(3);
    let store = open(&disk).unwrap();
    fill(&store, 2);
    store.close().unwrap();
    disk.put(&segment(77), &other.contents(&segment(1)).unwrap()).unwrap();
    let store = open(&disk).unwrap();
    assert_eq!(store.opening().strangers, ["0000000077.seg"]);
    fill(&store, 30);
    store.close().unwrap();
    assert_eq!(disk.contents(&segment(77)).unwrap(), other.contents(&segment(1)).unwrap());
    assert_eq!(open(&disk).unwrap().next_position().0, 32);
}

#[test]
fn a_file_with_the_last_number_there_is_keeps_nobody_from_writing() {
    let disk = FaultDisk::new(4);
    let store = open(&disk).unwrap();
    fill(&store, 1);
    store.close().unwrap();
    disk.put(&segment(u32::MAX), b"").unwrap();
    let store = open(&disk).unwrap();
    assert_eq!(store.opening().strangers, ["4294967295.seg"]);
    fill(&store, 30);
}

#[test]
fn a_sealed_segment_that_was_cut_short_is_reported_and_does_not_end_verification() {
    let disk = FaultDisk::new(5);
    let store = open(&disk).unwrap();
    fill(&store, 30);
    store.close().unwrap();
    let mut bytes = disk.contents(&segment(2)).unwrap();
    bytes.truncate(5000);
    disk.put(&segment(2), &bytes).unwrap();
    let report = verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
    let named = |finding: &&quipu::Finding| finding.file == segment(2);
    assert!(!report.is_sound() && report.findings.iter().any(|finding| named(&finding)));
    assert!(report.events > 20, "{report:?}");
    let store = open(&disk).unwrap();
    let (served, lost) = served_and_lost(&store);
    assert!((served, served + lost) == (report.events, 30), "{served} {lost}");
    fill(&store, 1);
}

#[test]
fn a_missing_segment_is_damage_and_the_rest_is_served() {
    let disk = FaultDisk::new(6);
    let store = open(&disk).unwrap();
    fill(&store, 30);
    store.close().unwrap();
    disk.remove(&segment(2)).unwrap();
    assert_eq!(open(&disk).unwrap_err().kind(), ErrorKind::Damaged);
    let report = verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
    assert!(report.findings.iter().any(|finding| finding.file == segment(2)), "{report:?}");
    let chain = |finding: &quipu::Finding| finding.what.contains("the seal does not follow");
    assert!(
        !report.findings.iter().any(chain),
        "the manifest knows the seal of the missing one: {report:?}"
    );
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).mode(quipu::Mode::ReadOnly);
    let store = builder.open().unwrap();
    let (served, lost) = served_and_lost(&store);
    assert_eq!(served + lost, 30);
    assert!(lost > 0 && served > 20, "{served} {lost}");
}

/// A close has saved it, and the seal could not write the one of all of the segment.
#[test]
fn an_index_of_before_the_seal_is_no_damage() {
    let disk = FaultDisk::new(6);
    let store = open(&disk).unwrap();
    fill(&store, 2);
    store.close().unwrap();
    let index = segment(1).with_extension("idx");
    let saved = disk.contents(&index).unwrap();
    let store = open(&disk).unwrap();
    fill(&store, 30);
    store.close().unwrap();
    assert!(disk.contents(&index).unwrap() != saved);
    disk.put(&index, &saved).unwrap();
    let report = verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
    let unfinished = |finding: &quipu::Finding| finding.severity == Severity::Unfinished;
    assert!(report.is_sound() && report.findings.iter().all(unfinished), "{report:?}");
    assert!(report.findings.iter().any(|finding| finding.file == index), "{report:?}");
}

#[test]
fn a_directory_of_something_else_is_not_made_a_store() {
    let disk = FaultDisk::new(7);
    disk.create_directory(Path::new("s")).unwrap();
    disk.put(Path::new("s/letter.txt"), b"dear").unwrap();
    assert_eq!(open(&disk).unwrap_err().kind(), ErrorKind::NoStore);
    assert_eq!(disk.list(Path::new("s")).unwrap(), ["letter.txt"]);
}

#[test]
fn a_store_that_must_exist_is_not_made() {
    let disk = FaultDisk::new(8);
    let open = || {
        let builder = Store::builder("s").disk(Arc::new(disk.clone()));
        builder.mode(quipu::Mode::Existing).open().unwrap_err().kind()
    };
    assert_eq!(open(), ErrorKind::NoStore);
    assert!(disk.list(Path::new("s")).is_err(), "nor is its directory");
    disk.create_directory(Path::new("s")).unwrap();
    assert_eq!(open(), ErrorKind::NoStore);
    assert!(segments(&disk) == 0 && disk.contents(Path::new("s/manifest")).is_err());
}

/// A mark holds no event, so none is said to be damaged with it.
#[test]
fn a_damaged_mark_costs_no_event_and_is_not_said_to() {
    let disk = FaultDisk::new(1);
    for _ in 0..2 {
        let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options());
        let store = builder.open().unwrap();
        let event = NewEvent::new("T", vec![7; 300]);
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
        store.close().unwrap();
    }
    let path = Path::new("s/0000000001.seg");
    let bytes = disk.contents(path).unwrap();
    let frames = crate::frames::frames(&bytes);
    let mark = frames.iter().find(|(_, header)| header.kind == FrameKind::Mark);
    disk.flip(path, mark.unwrap().0 + 1, 1).unwrap();
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options());
    let store = builder.mode(Mode::ReadOnly).open().unwrap();
    let (mut events, mut served, mut told) = (store.all().events().unwrap(), 0, Vec::new());
    loop {
        match events.next() {
            Ok(Some(_)) => served += 1,
            Ok(None) => break,
            Err(error) => told.push(error.damage().unwrap().clone()),
        }
    }
    assert_eq!((served, told.len()), (2, 1), "{told:?}");
    assert!(told[0].positions.is_empty() && told[0].what.ends_with("and no event"), "{told:?}");
}

/// What it says of the events that it knows has to be right all the same.
#[test]
fn a_damaged_index_of_before_the_seal_is_damage() {
    let disk = FaultDisk::new(7);
    let store = open(&disk).unwrap();
    fill(&store, 2);
    store.close().unwrap();
    let index = segment(1).with_extension("idx");
    let saved = disk.contents(&index).unwrap();
    let store = open(&disk).unwrap();
    fill(&store, 30);
    store.close().unwrap();
    for offset in (0..saved.len()).step_by(97) {
        let mut bytes = saved.clone();
        bytes[offset] ^= 0x10;
        disk.put(&index, &bytes).unwrap();
        let report = verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
        let told = report.findings.iter().find(|finding| finding.file == index);
        let severity = told.map(|finding| finding.severity);
        assert!(
            matches!(severity, Some(Severity::Damage | Severity::Unsupported)),
            "byte {offset}: {report:?}"
        );
    }
}
