//! A full disk: appends fail and lose nothing, reads go on, and all is well once there is room.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::{Durability, ErrorKind, ExpectedVersion, NewEvent, Options, Result, Store};
use quipu_disk::{Errno, Fault, FaultDisk, FaultKind, PowerCut};

use crate::reading::count;
use crate::small::options;

fn segments_of_16_kib() -> Options {
    Options { segment_bytes_min: 16 << 10, segment_bytes_max: 16 << 10, ..options() }
}

fn open(disk: &FaultDisk) -> Store {
    let builder = Store::builder("s").disk(Arc::new(disk.clone()));
    builder.options(segments_of_16_kib()).open().unwrap()
}

fn append(store: &Store) -> Result<quipu::Appended> {
    store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 900])])
}

/// Appends until there is no room, and says how many events the store then holds.
fn fill(disk: &FaultDisk, store: &Store) -> u64 {
    append(store).unwrap();
    disk.plan_full(Some(40 << 10));
    let error = (0..1000).find_map(|_| append(store).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert_eq!(append(store).unwrap_err().kind(), ErrorKind::Full);
    count(store)
}

#[test]
fn appends_fail_while_the_disk_is_full_and_go_on_when_it_is_not() {
    let disk = FaultDisk::new(1);
    let store = open(&disk);
    let held = fill(&disk, &store);
    disk.plan_full(None);
    assert_eq!(append(&store).unwrap().position.0, held, "without a restart");
    assert_eq!(count(&store), held + 1);
    store.close().unwrap();
}

#[test]
fn a_store_closes_and_reopens_while_the_disk_is_full() {
    let disk = FaultDisk::new(2);
    let store = open(&disk);
    let held = fill(&disk, &store);
    store.close().unwrap();
    let store = open(&disk);
    assert_eq!(count(&store), held);
    assert_eq!(append(&store).unwrap_err().kind(), ErrorKind::Full);
    disk.plan_full(None);
    assert_eq!(append(&store).unwrap().position.0, held);
}

#[test]
fn a_store_that_needs_room_to_recover_is_read_until_there_is_some() {
    let disk = FaultDisk::new(3);
    let store = open(&disk);
    let held = fill(&disk, &store);
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    after.put(Path::new("s/notes.txt"), b"of somebody else").unwrap();
    after.plan_full(Some(0));
    let store = open(&after);
    assert!(store.opening().postponed.is_some());
    assert_eq!(store.opening().strangers, ["notes.txt"]);
    assert_eq!(count(&store), held);
    assert_eq!(append(&store).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(count(&store), held);
    after.plan_full(None);
    assert_eq!(append(&store).unwrap().position.0, held);
    assert_eq!(count(&store), held + 1);
    store.close().unwrap();
    assert_eq!(count(&open(&after)), held + 1);
}

/// Where the rest of the log fills more than a segment usually has, no smaller one will do.
#[test]
fn a_recovery_that_carries_a_large_commit_waits_for_room() {
    let disk = FaultDisk::new(4);
    // Nobody syncs it or says that it is durable, however long this takes.
    let long = Duration::from_secs(3600);
    let relaxed =
        Options { durability: Durability::Os, sync_interval: long, mark_after: long, ..options() };
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(relaxed);
    let store = builder.open().unwrap();
    append(&store).unwrap();
    let large = NewEvent::new("T", vec![7; 30_000]);
    store.append("a", ExpectedVersion::Any, [large]).unwrap();
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    after.plan_full(Some(20_000));
    let store = open(&after);
    assert!(store.opening().postponed.is_some());
    assert_eq!(append(&store).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(count(&store), 2);
    after.plan_full(None);
    assert_eq!(append(&store).unwrap().position.0, 2);
    store.close().unwrap();
    assert_eq!(count(&open(&after)), 3);
}

/// The segments that have a file, each with whether anything was written to it.
fn segments(disk: &FaultDisk) -> Vec<(u32, bool)> {
    let files = disk.files().into_iter();
    let segments = files.filter_map(|path| {
        let number = path.file_name()?.to_str()?.strip_suffix(".seg")?.parse().ok()?;
        // It may be gone by now.
        let bytes = disk.contents(&path).ok()?;
        Some((number, bytes[4096..].iter().any(|&byte| byte != 0)))
    });
    segments.collect()
}

/// Whichever call finds the disk full while a segment is prepared, also after its file has its name, and also one that
/// takes effect all the same: the file does not keep its room until the next opening.
#[test]
fn a_segment_that_found_no_room_on_its_way_gives_its_own_back() {
    let (mut given_up, full) = (0, Errno::Full);
    for kind in [FaultKind::Error(full), FaultKind::ErrorAfter(full)] {
        for at in 0..60 {
            let disk = FaultDisk::new(at);
            let options = Options { ballast_bytes: 0, ..segments_of_16_kib() };
            let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options);
            let store = builder.open().unwrap();
            append(&store).unwrap();
            disk.plan(Fault { at: disk.operations() + at, kind, sticky: false });
            let refused: Vec<_> = (0..60).filter_map(|_| append(&store).err()).collect();
            if refused.iter().any(|error| error.kind() != ErrorKind::Full) {
                continue;
            }
            // A few more are prepared by then.
            for _ in 0..30 {
                append(&store).unwrap();
            }
            let segments = segments(&disk);
            let (last, _) = *segments.iter().rfind(|(_, written)| *written).unwrap();
            let left = segments.iter().filter(|(number, written)| !written && *number < last);
            assert_eq!(left.count(), 0, "{kind:?} at {at}: {segments:?}");
            given_up += usize::from(segments.len() < last as usize);
            store.close().unwrap();
            assert_eq!(count(&open(&disk)), 91 - refused.len() as u64);
        }
    }
    assert!(given_up > 5, "{given_up}");
}
