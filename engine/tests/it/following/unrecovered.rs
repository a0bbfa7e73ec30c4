//! What is shown of a store that has not been recovered stays, whatever becomes of the power.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::{Delivery, Durability, ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Store};
use quipu_disk::{Disk, Errno, Fault, FaultDisk, FaultKind, PowerCut};

use super::follower::pause;
use crate::reading::count;
use crate::small;

fn open(disk: &FaultDisk, mode: Mode, durability: Durability) -> quipu::Result<Store> {
    // Nobody syncs or marks anything by the clock, however long a test takes.
    let long = Duration::from_secs(3600);
    // So large that no second one is prepared: a recovery would have its room.
    let bytes = 64 << 10;
    let options = Options {
        durability,
        sync_interval: long,
        mark_after: long,
        segment_bytes_min: bytes,
        segment_bytes_max: bytes,
        ..small::options()
    };
    Store::builder("s").disk(Arc::new(disk.clone())).options(options).mode(mode).open()
}

fn append(store: &Store) -> quipu::Result<quipu::Appended> {
    store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 300])])
}

/// Two events of a store whose writer could not sync the third and has ended. The next sync succeeds, and what was not on
/// disk will never be.
fn unsynced(seed: u64) -> FaultDisk {
    let disk = FaultDisk::new(seed);
    let store = open(&disk, Mode::Create, Durability::Sync).unwrap();
    append(&store).unwrap();
    append(&store).unwrap();
    let kind = FaultKind::Error(Errno::Io);
    // A write, then the sync.
    disk.plan(Fault { at: disk.operations() + 1, kind, sticky: false });
    assert_eq!(append(&store).unwrap_err().kind(), ErrorKind::Unknown);
    disk
}

#[test]
fn a_store_without_room_to_recover_shows_nothing_whose_sync_has_failed() {
    let disk = unsynced(1);
    disk.plan_full(Some(0));
    let store = open(&disk, Mode::Existing, Durability::Sync).unwrap();
    assert!(store.opening().postponed.is_some());
    let shown = count(&store);
    let after = disk.power_cut(PowerCut::LoseAll);
    after.plan_full(None);
    let left = count(&open(&after, Mode::Existing, Durability::Sync).unwrap());
    assert_eq!((shown, left), (2, 2));
}

/// What was not shown before is there once the store is recovered, also for who waits for something else than comes next.
#[test]
fn who_waits_is_told_of_what_a_late_recovery_has_found() {
    let disk = unsynced(2);
    disk.plan_full(Some(0));
    let store = open(&disk, Mode::Existing, Durability::Sync).unwrap();
    assert!(store.opening().postponed.is_some());
    let mut subscription = store.stream("a").from_end().subscribe().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(move || {
            loop {
                match subscription.next_within(Duration::from_secs(30)).unwrap() {
                    Some(Delivery::Event(event)) => return Some(event.position().0),
                    Some(_) => {}
                    None => return None,
                }
            }
        });
        // It may sleep by then, or not yet.
        pause(20);
        disk.plan_full(None);
        let other = [NewEvent::new("T", vec![7; 300])];
        assert_eq!(store.append("b", ExpectedVersion::Any, other).unwrap().position.0, 3);
        assert_eq!(waits.join().unwrap(), Some(2));
    });
}

/// A recovery that was interrupted may have left a segment behind those that are shown.
#[test]
fn what_an_interrupted_recovery_has_left_is_in_nobodys_way() {
    let mut postponed = 0;
    for calls in 0..80 {
        let disk = unsynced(3 + calls);
        let at = disk.operations() + calls;
        disk.plan(Fault { at, kind: FaultKind::PowerOff, sticky: false });
        if open(&disk, Mode::Existing, Durability::Sync).is_ok() {
            break;
        }
        let left = disk.kill();
        left.plan_full(Some(0));
        let store = open(&left, Mode::Existing, Durability::Sync).unwrap();
        postponed += u64::from(store.opening().postponed.is_some());
        // Every read is without an error.
        let shown = count(&store);
        assert!((2..=3).contains(&shown), "{calls} calls: {shown}");
        left.plan_full(None);
        assert_eq!(append(&store).unwrap().position.0, 3, "{calls} calls");
        assert_eq!(count(&store), 4, "{calls} calls");
    }
    assert!(postponed > 5, "{postponed}");
}

/// Events that were seen and are gone as the store is recovered at last: nobody is given others at their positions.
#[test]
fn a_late_recovery_that_finds_less_than_was_shown_ends_the_store() {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create, Durability::Os).unwrap();
    for _ in 0..3 {
        append(&store).unwrap();
    }
    let killed = disk.kill();
    drop(store);
    killed.plan_full(Some(0));
    let store = open(&killed, Mode::Existing, Durability::Os).unwrap();
    assert!(store.opening().postponed.is_some());
    assert_eq!(count(&store), 3);
    // The last event is not there any more.
    let path = Path::new("s").join("0000000001.seg");
    let bytes = killed.contents(&path).unwrap();
    let (last, header) = *crate::frames::frames(&bytes).last().unwrap();
    assert_eq!(header.events, 1);
    killed.zero(&path, last..bytes.len() as u64).unwrap();
    killed.plan_full(None);
    for _ in 0..2 {
        assert_eq!(append(&store).unwrap_err().kind(), ErrorKind::Poisoned);
    }
    drop(store);
    let store = open(&killed, Mode::Existing, Durability::Os).unwrap();
    assert_eq!(append(&store).unwrap().position.0, 2);
}

/// A recovery is interrupted anywhere, and somebody reads before the next one: beside a writer that says nothing yet.
#[test]
fn what_is_read_beside_a_recovery_survives_a_power_cut() {
    let mut shown = 0;
    for calls in 0..80 {
        let disk = FaultDisk::new(7 + calls);
        let store = open(&disk, Mode::Create, Durability::Os).unwrap();
        append(&store).unwrap();
        let killed = disk.kill();
        drop(store);
        // What the writer had told of would be shown, although it is not synced.
        killed.remove(&Path::new("s").join("live")).unwrap();
        let at = killed.operations() + calls;
        killed.plan(Fault { at, kind: FaultKind::PowerOff, sticky: false });
        if open(&killed, Mode::Existing, Durability::Os).is_ok() {
            break;
        }
        let left = killed.kill();
        let lock = left.lock(&Path::new("s").join("lock")).unwrap().unwrap();
        let Ok(reader) = open(&left, Mode::ReadOnly, Durability::Os) else { continue };
        let seen = count(&reader);
        shown += seen;
        drop(lock);
        let after = left.power_cut(PowerCut::LoseAll);
        let found = count(&open(&after, Mode::Existing, Durability::Os).unwrap());
        assert!(found >= seen, "{calls} calls: {seen} seen, {found} found");
    }
    assert!(shown > 0, "nobody has seen anything");
}
