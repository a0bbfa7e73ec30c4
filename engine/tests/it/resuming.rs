//! What an opening for writing makes anew and what it removes, where little would have been enough.

use std::path::Path;
use std::time::Duration;

use quipu::{ErrorKind, Mode, Options, verify_on};
use quipu_disk::{Disk, Errno, Fault, FaultDisk, FaultKind};

use crate::reading::count;
use crate::recovering::{append, segment, try_open};
use crate::small::options;

const SEGMENT: usize = 64 << 10;

fn large() -> Options {
    let bytes = SEGMENT as u64;
    // No mark comes behind the last event, however long a test takes.
    let mark_after = Duration::from_secs(3600);
    Options { segment_bytes_min: bytes, segment_bytes_max: bytes, mark_after, ..options() }
}

fn size(disk: &FaultDisk, number: u32) -> Option<usize> {
    disk.contents(&segment(number)).ok().map(|bytes| bytes.len())
}

/// A store of one commit whose writer was killed.
fn killed() -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = try_open(&disk, Mode::Create, &large()).unwrap();
    append(&store, 500);
    let after = disk.kill();
    drop(store);
    after
}

fn fail(disk: &FaultDisk, call: u64) {
    let kind = FaultKind::Error(Errno::TimedOut);
    disk.plan(Fault { at: disk.operations() + call, kind, sticky: false });
}

/// A smaller segment is made where the disk is full, and only there.
#[test]
fn what_fails_for_another_reason_than_want_of_room_is_not_made_smaller() {
    let mut refused = 0;
    for call in 0..60 {
        let disk = killed();
        fail(&disk, call);
        match try_open(&disk, Mode::Existing, &large()) {
            Ok(store) => {
                drop(store);
                assert_eq!(size(&disk, 2), Some(SEGMENT), "call {call}");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Io, "call {call}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

/// Whether there is a store is not known where its directory cannot be listed.
#[test]
fn a_directory_that_cannot_be_listed_is_not_taken_for_an_empty_one() {
    for call in 0..2 {
        let disk = killed();
        fail(&disk, call);
        let error = try_open(&disk, Mode::Create, &large()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "call {call}: {error}");
    }
}

/// A segment that was prepared and never written goes first: there is no room for another one beside it.
#[test]
fn a_recovery_has_the_room_of_what_was_prepared_and_never_written() {
    let disk = FaultDisk::new(1);
    let store = try_open(&disk, Mode::Create, &large()).unwrap();
    while size(&disk, 2).is_none() {
        // It is prepared once the first is half full.
        let full = size(&disk, 1).is_some_and(|_| count(&store) > 12);
        if full { std::thread::sleep(Duration::from_millis(1)) } else { append(&store, 3000) }
    }
    let held = count(&store);
    let after = disk.kill();
    drop(store);
    after.plan_full(Some(16 << 10));
    let store = try_open(&after, Mode::Existing, &large()).unwrap();
    assert_eq!(store.opening().postponed, None);
    assert_eq!((size(&after, 2), size(&after, 3)), (None, Some(SEGMENT)));
    assert_eq!(count(&store), held);
}

/// Payloads for which what a recovery makes is just as large as it must be, and larger ones by some units.
fn tight() -> Vec<usize> {
    let made = |bytes: usize| {
        let disk = FaultDisk::new(1);
        let store = try_open(&disk, Mode::Create, &options()).unwrap();
        append(&store, bytes);
        let after = disk.kill();
        drop(store);
        drop(try_open(&after, Mode::Existing, &options()).unwrap());
        let mut segments = (1..10).rev().filter_map(|number| size(&after, number));
        segments.next().unwrap()
    };
    // The last one that takes a page less than this one does.
    let (mut low, mut high) = (12_000 - 4096, 12_000);
    let large = made(high);
    while high - low > 16 {
        let middle = (low + high) / 32 * 16;
        if made(middle) < large { low = middle } else { high = middle }
    }
    assert!(made(low) + 4096 == large && made(high) == large);
    (0..8).map(|more| low - 32 + more * 16).collect()
}

/// What is carried over leaves room for the marks and the seal behind it, also where the segment has none to spare.
#[test]
fn a_segment_that_is_just_large_enough_can_be_written_on_and_sealed() {
    for bytes in tight() {
        let disk = FaultDisk::new(1);
        let store = try_open(&disk, Mode::Create, &options()).unwrap();
        append(&store, bytes);
        let after = disk.kill();
        drop(store);
        let store = try_open(&after, Mode::Existing, &options()).unwrap();
        assert_eq!(store.opening().recovered.as_ref().unwrap().carried_events, 1);
        store.close().unwrap();
        let store = try_open(&after, Mode::Existing, &options()).unwrap();
        assert!(store.opening().recovered.is_none(), "{bytes}: it was closed");
        (0..4).for_each(|_| append(&store, 2000));
        store.close().unwrap();
        let report = verify_on(&after, Path::new("s"), &mut |_| {}).unwrap();
        assert!(report.is_sound() && report.events == 5, "{bytes}: {:?}", report.findings);
        assert!(after.list(Path::new("s")).is_ok());
    }
}
