//! Reading beside writers that die and others that recover what they left.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::stepping::Stepper;
use quipu::{Delivery, Durability, Mode, Options, ReadMode, Store, Subscription};
use quipu_disk::{Disk, Errno, Fault, FaultDisk, FaultKind, Lock, PowerCut};

use super::beside::{place, work};
use super::follower::{About, PATH, open, open_with, options};

/// Operations after which every opening has come to its end.
const OPERATIONS: u64 = 400;
/// Longer than a reader takes it for granted that the writer is still the same.
pub(crate) const A_WHILE: Duration = Duration::from_millis(200);

pub(crate) fn read_only() -> Options {
    Options { mode: Mode::ReadOnly, ..options(ReadMode::Map, Durability::Sync) }
}

pub(crate) fn stepper(disk: &FaultDisk) -> quipu::Result<Stepper> {
    let options = options(ReadMode::Map, Durability::Sync);
    Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &options)
}

/// Appends an event and has it acknowledged.
pub(crate) fn acknowledge(stepper: &Stepper) {
    place(stepper, Durability::Sync);
    work(stepper);
}

/// The lock of a writer that is not done with its recovery.
fn recovering(disk: &FaultDisk) -> Lock {
    disk.lock(&Path::new(PATH).join("lock")).unwrap().unwrap()
}

fn fail(disk: &FaultDisk, after: u64, kind: FaultKind) {
    let sticky = kind == FaultKind::PowerOff;
    disk.plan(Fault { at: disk.operations() + after, kind, sticky });
}

/// The lock of another writer, at whose opening one operation has failed; none where it takes fewer.
fn interrupted(disk: &FaultDisk, after: u64) -> Option<Lock> {
    let before = disk.operations();
    fail(disk, after, FaultKind::Error(Errno::Io));
    let opened = stepper(disk);
    let done = opened.is_ok() && disk.operations() <= before + after;
    drop(opened);
    (!done).then(|| recovering(disk))
}

/// The next writer, once the one that has the lock is gone: it has appended an event, and readers look for it.
fn succeed(disk: &FaultDisk, lock: Lock) -> Stepper {
    drop(lock);
    let next = stepper(disk).unwrap();
    acknowledge(&next);
    disk.advance(A_WHILE);
    next
}

/// A disk as a killed writer has left it: one event was acknowledged, another written and not synced.
pub(crate) fn left_behind() -> FaultDisk {
    let disk = FaultDisk::new(17);
    let first = stepper(&disk).unwrap();
    acknowledge(&first);
    place(&first, Durability::Sync);
    assert!(first.take_job());
    first.finish_job();
    disk.kill()
}

/// Positions and errors, to where there is no more or too much went wrong.
fn take(all: &mut Subscription, got: &mut Vec<u64>, errors: &mut Vec<String>) {
    while errors.len() < 3 {
        match all.try_next() {
            Ok(Some(Delivery::Event(event))) => got.push(event.position().0),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => errors.push(error.to_string()),
        }
    }
}

#[test]
fn what_nobody_vouched_for_and_was_shown_is_not_called_lost_while_another_recovers() {
    let disk = left_behind();
    let reader = open_with(&disk, read_only());
    assert_eq!(About::All.read(&reader).len(), 2);
    let lock = recovering(&disk);
    disk.advance(A_WHILE);
    assert_eq!(About::All.read(&reader).len(), 2);
    drop(lock);
    let next = open(&disk);
    disk.advance(A_WHILE);
    assert_eq!(next.next_position().0, 2);
    assert_eq!(About::All.read(&reader).len(), 2);
}

#[test]
fn a_sync_of_the_readers_proves_nothing_after_one_of_the_writers_has_failed() {
    for after in 0..OPERATIONS {
        let disk = FaultDisk::new(17);
        let first = stepper(&disk).unwrap();
        acknowledge(&first);
        let start = disk.operations();
        fail(&disk, after, FaultKind::Error(Errno::Io));
        acknowledge(&first);
        let done = disk.operations() <= start + after;
        let disk = disk.kill();
        let seen = About::All.read(&open_with(&disk, read_only())).len();
        let kept = About::All.read(&open(&disk.power_cut(PowerCut::LoseAll))).len();
        assert!(kept >= seen, "{seen} seen and {kept} kept when operation {after} fails");
        if done {
            return assert!(after > 1, "a write and a sync");
        }
    }
}

/// How many events a reader sees whose operations fail in this way, one in each round, and how many are left after a
/// power cut. Rounds in which it does not open are left out.
fn seen_and_kept(kind: FaultKind) -> Vec<(usize, usize)> {
    let mut rounds = Vec::new();
    for after in 0..OPERATIONS {
        let disk = left_behind();
        fail(&disk, after, kind);
        let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(read_only());
        if let Ok(reader) = builder.open() {
            let seen = About::All.read(&reader).len();
            let kept = About::All.read(&open(&disk.power_cut(PowerCut::LoseAll))).len();
            rounds.push((seen, kept));
        }
        if disk.operations() <= after {
            break;
        }
    }
    rounds
}

#[test]
fn a_file_system_that_has_stopped_at_a_failure_proves_nothing_to_a_reader() {
    let rounds = seen_and_kept(FaultKind::Error(Errno::ReadOnly));
    assert!(rounds.iter().all(|(seen, kept)| seen <= kept), "{rounds:?}");
    assert!(rounds.contains(&(1, 1)) && rounds.contains(&(2, 2)), "{rounds:?}");
}

#[test]
fn where_nothing_can_be_synced_a_reader_sees_what_is_on_the_medium() {
    let rounds = seen_and_kept(FaultKind::Error(Errno::Invalid));
    assert!(rounds.iter().all(|(seen, _)| *seen == 2), "{rounds:?}");
    assert!(rounds.contains(&(2, 1)), "the disk forgets what it refuses to sync: {rounds:?}");
}

#[test]
fn a_reader_whose_own_call_fails_goes_on_later() {
    let shown = |fault: Option<u64>| {
        let disk = FaultDisk::new(17);
        let first = stepper(&disk).unwrap();
        acknowledge(&first);
        acknowledge(&first);
        let reader = open_with(&disk, read_only());
        assert_eq!(About::All.read(&reader).len(), 2);
        drop(first);
        let start = disk.operations();
        if let Some(after) = fault {
            fail(&disk, after, FaultKind::Error(Errno::Io));
        }
        for _ in 0..2 {
            disk.advance(A_WHILE);
            let _may_fail = reader.all().events();
        }
        let calls = disk.operations() - start;
        disk.advance(A_WHILE);
        assert_eq!(About::All.read(&reader).len(), 2, "{fault:?}");
        calls
    };
    for after in 0..shown(None) {
        shown(Some(after));
    }
}

#[test]
fn what_an_unfinished_recovery_has_made_is_durable_before_it_is_shown() {
    for after in 0..OPERATIONS {
        let disk = left_behind();
        fail(&disk, after, FaultKind::PowerOff);
        let opened = stepper(&disk);
        let done = opened.is_ok() && disk.operations() <= after;
        drop(opened);
        let disk = disk.kill();
        let seen = About::All.read(&open_with(&disk, read_only())).len();
        let kept = About::All.read(&open(&disk.power_cut(PowerCut::LoseAll))).len();
        assert!(kept >= seen, "{seen} seen and {kept} kept, killed at operation {after}");
        if done {
            return;
        }
    }
    unreachable!("a recovery takes fewer operations");
}

/// How many events a reader sees beside a recovery, of four that a killed writer has left, three of them not synced. The
/// recovery before was cut off by a power cut after so many operations; nothing if it came to its end before.
fn seen_after_a_recovery_was_cut_off(seed: u64, after: u64) -> Option<u64> {
    let options = options(ReadMode::Map, Durability::Os);
    let stepper =
        |disk: &FaultDisk| Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &options);
    let disk = FaultDisk::new(seed);
    let first = stepper(&disk).unwrap();
    acknowledge(&first);
    for _ in 0..3 {
        place(&first, Durability::Os);
        assert!(first.take_job());
        first.finish_job();
    }
    let disk = disk.kill();
    drop(first);
    let before = disk.operations();
    fail(&disk, after, FaultKind::PowerOff);
    if stepper(&disk).is_ok() && disk.operations() <= before + after {
        return None;
    }
    let disk = disk.power_cut(PowerCut::Random);
    let _lock = recovering(&disk);
    let reader = Store::builder(PATH).disk(Arc::new(disk.clone())).options(read_only());
    let reader = reader.open().unwrap();
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    take(&mut reader.all().subscribe().unwrap(), &mut got, &mut errors);
    assert_eq!(errors, Vec::<String>::new(), "seed {seed}, operation {after}");
    let seen = got.len() as u64;
    assert_eq!(got, (0..seen).collect::<Vec<_>>(), "seed {seed}, operation {after}");
    Some(seen)
}

/// It tells of more than the power has left of its segment; what the recovery has copied of that is whole.
#[test]
fn a_page_is_not_believed_of_what_a_recovery_has_gone_round() {
    let all = (1..9).filter(|&seed| {
        let seen =
            (0..OPERATIONS).map_while(|after| seen_after_a_recovery_was_cut_off(seed, after));
        seen.max() == Some(4)
    });
    assert_eq!(all.count(), 8, "the last operations change nothing of the log");
}

/// A writer that has acknowledged one event, or so many that each of two segments begins with a group of its
/// own.
fn written(disk: &FaultDisk, rolls: usize) -> Stepper {
    let first = stepper(disk).unwrap();
    acknowledge(&first);
    let wanted = first.segments() + rolls;
    while first.segments() < wanted {
        while first.chore() {}
        acknowledge(&first);
    }
    first
}

/// Positions of all events that are read by their type, and of those that are called lost.
pub(crate) fn known(reader: &Store) -> BTreeSet<u64> {
    known_to(&mut reader.event_type("Noted").events().unwrap())
}

/// The same, of what a cursor still gives.
pub(crate) fn known_to(events: &mut quipu::Events) -> BTreeSet<u64> {
    let mut known = BTreeSet::new();
    loop {
        match events.next() {
            Ok(Some(event)) => drop(known.insert(event.position().0)),
            Ok(None) => return known,
            Err(error) => {
                let lost = error.damage().unwrap_or_else(|| panic!("{error}")).positions.clone();
                known.extend(lost.start.0..lost.end.0);
            }
        }
    }
}

#[test]
fn nothing_is_skipped_by_who_comes_while_another_recovers() {
    for rolls in [0, 2] {
        for after in 0..OPERATIONS {
            let disk = FaultDisk::new(17);
            drop(written(&disk, rolls));
            let Some(lock) = interrupted(&disk, after) else { break };
            let reader = Store::builder(PATH).disk(Arc::new(disk.clone())).options(read_only());
            let reader = reader.open().unwrap();
            let mut all = reader.all().subscribe().unwrap();
            let (mut got, mut errors) = (Vec::new(), Vec::new());
            take(&mut all, &mut got, &mut errors);
            let second = succeed(&disk, lock);
            take(&mut all, &mut got, &mut errors);
            let wanted: Vec<u64> = (0..second.next_position().0).collect();
            assert_eq!((got, errors), (wanted, Vec::new()), "{rolls} rolls, operation {after}");
        }
    }
}

#[test]
fn who_has_seen_all_goes_on_while_another_recovers() {
    for after in 0..OPERATIONS {
        let disk = FaultDisk::new(17);
        let first = stepper(&disk).unwrap();
        acknowledge(&first);
        let reader = open_with(&disk, read_only());
        let mut all = reader.all().subscribe().unwrap();
        let (mut got, mut errors) = (Vec::new(), Vec::new());
        take(&mut all, &mut got, &mut errors);
        drop(first);
        disk.advance(A_WHILE);
        assert_eq!(About::All.read(&reader).len(), 1);
        let Some(lock) = interrupted(&disk, after) else {
            return assert!(after > 20, "an opening takes more operations");
        };
        disk.advance(A_WHILE);
        assert_eq!(About::All.read(&reader).len(), 1, "operation {after}");
        let _second = succeed(&disk, lock);
        take(&mut all, &mut got, &mut errors);
        assert_eq!((got, errors), (vec![0, 1], Vec::new()), "operation {after}");
    }
    unreachable!("an opening takes fewer operations");
}

/// The segment that a page names may be gone: whoever recovers what its writer has left has carried all of it on.
#[test]
fn who_has_not_seen_the_last_word_of_a_dead_writer_meets_no_error_while_another_recovers() {
    for after in 0..OPERATIONS {
        let disk = FaultDisk::new(17);
        let first = stepper(&disk).unwrap();
        place(&first, Durability::Sync);
        assert!(first.take_job());
        first.finish_job();
        // What is written is not synced yet: the segment is known, and nothing in it to be read.
        let reader = open_with(&disk, read_only());
        let mut all = reader.all().subscribe().unwrap();
        let (mut got, mut errors) = (Vec::new(), Vec::new());
        take(&mut all, &mut got, &mut errors);
        work(&first);
        drop(first);
        let Some(lock) = interrupted(&disk, after) else {
            return assert!(after > 20, "an opening takes more operations");
        };
        for _ in 0..3 {
            take(&mut all, &mut got, &mut errors);
        }
        let _second = succeed(&disk, lock);
        take(&mut all, &mut got, &mut errors);
        assert_eq!((got, errors), (vec![0, 1], Vec::new()), "operation {after}");
    }
    unreachable!("an opening takes fewer operations");
}
