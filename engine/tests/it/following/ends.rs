//! How following ends: nobody waits for ever without a word.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{Durability, Error, ErrorKind, ExpectedVersion, Mode, Options, ReadMode, Store};
use quipu_disk::{Errno, Fault, FaultDisk, FaultKind, MemoryDisk};

use super::follower::{ABOUT, About, Follower, Got, PATH, append, event, open, options, pause};

/// Longer than anything of a test takes.
const LONG: Duration = Duration::from_secs(60);

/// Follows in a thread to the end: the number of events, and the errors.
fn to_the_end(follower: Follower) -> JoinHandle<(usize, Vec<Error>)> {
    to_the_end_and_tell(follower, || {})
}

/// The same, and tells when it has come to the end of what there is.
fn to_the_end_and_tell(
    mut follower: Follower,
    caught_up: impl Fn() + Send + 'static,
) -> JoinHandle<(usize, Vec<Error>)> {
    std::thread::spawn(move || {
        let (mut events, mut errors) = (0, Vec::new());
        loop {
            match follower.next() {
                Ok(Got::Event(_)) => events += 1,
                Ok(Got::CaughtUp) => caught_up(),
                Ok(Got::Nothing) => return (events, errors),
                Err(error) => errors.push(error),
            }
            assert!(errors.len() < 10, "{errors:?}");
        }
    })
}

#[test]
fn what_is_visible_is_delivered_after_the_store_is_closed() {
    let store = open(&MemoryDisk::new());
    (0..50).for_each(|_| append(&store, "b-1"));
    let mut all = About::All.follow(&store, 0);
    let mut other = About::Stream("unknown").follow(&store, 0);
    let waiting = to_the_end(About::Category("b").follow(&store, 0));
    let last = store.append_async("b-1", ExpectedVersion::Any, [event("Last")]).unwrap();
    store.close().unwrap();
    last.wait().unwrap();
    for version in 0..51 {
        assert_eq!(all.next().unwrap().event().version.0, version);
    }
    for follower in [&mut all, &mut other] {
        assert_eq!(follower.next().unwrap(), Got::CaughtUp);
        for _ in 0..2 {
            assert_eq!(follower.next().unwrap(), Got::Nothing);
            assert_eq!(follower.try_next().unwrap_err().kind(), ErrorKind::Closed);
        }
    }
    let (events, errors) = waiting.join().unwrap();
    assert_eq!((events, errors.len()), (51, 0));
}

#[test]
fn a_store_that_is_dropped_lets_its_followers_go() {
    let disk = MemoryDisk::new();
    for _ in 0..20 {
        let store = open(&disk);
        let waiting: Vec<_> =
            ABOUT.iter().map(|about| to_the_end(about.follow(&store, 0))).collect();
        append(&store, "b-1");
        drop(store);
        for waiting in waiting {
            assert!(waiting.join().unwrap().1.is_empty());
        }
    }
    let options = Options { mode: Mode::ReadOnly, ..Options::default() };
    let store = Store::builder(PATH).disk(Arc::new(disk)).options(options).open().unwrap();
    let waiting = to_the_end(About::All.follow(&store, 0));
    pause(5);
    drop(store);
    assert_eq!(waiting.join().unwrap().0, 20);
}

fn fail_next(disk: &FaultDisk, calls: u64) {
    let kind = FaultKind::Error(Errno::Io);
    disk.plan(Fault { at: disk.operations() + calls, kind, sticky: false });
}

#[test]
fn a_failed_write_or_sync_is_reported_once_behind_what_is_visible() {
    for calls in 0..2 {
        let disk = FaultDisk::new(5);
        let store = open(&disk);
        (0..10).for_each(|_| append(&store, "b-1"));
        let mut follower = About::Stream("b-1").follow(&store, 0);
        let (caught_up, told) = channel();
        let follow = |about: &About| {
            let caught_up = caught_up.clone();
            to_the_end_and_tell(about.follow(&store, 0), move || caught_up.send(()).unwrap())
        };
        let waiting: Vec<_> = ABOUT.iter().map(follow).collect();
        // Once all have read what is there, the next call is the writer's.
        waiting.iter().for_each(|_| told.recv_timeout(LONG).unwrap());
        let read = ABOUT.map(|about| about.read(&store).len());
        assert_eq!(read.iter().sum::<usize>(), 30, "everything, and a category and a query of it");
        fail_next(&disk, calls);
        store.append("b-1", ExpectedVersion::Any, [event("Lost")]).unwrap_err();
        for (waiting, (about, read)) in waiting.into_iter().zip(ABOUT.into_iter().zip(read)) {
            let (events, errors) = waiting.join().unwrap();
            assert_eq!(events, read, "{about:?}");
            let kinds: Vec<_> = errors.iter().map(Error::kind).collect();
            assert_eq!(kinds, [ErrorKind::Poisoned]);
        }
        let mut events = Vec::new();
        for _ in 0..11 {
            match follower.next().unwrap() {
                Got::Event(event) => events.push(event.version.0),
                got => assert_eq!(got, Got::CaughtUp),
            }
        }
        assert_eq!(events, (0..10).collect::<Vec<u64>>());
        assert_eq!(follower.next().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(follower.next().unwrap(), Got::Nothing);
        let mut later = About::All.follow_from_end(&store);
        assert_eq!(later.next().unwrap(), Got::CaughtUp);
        assert_eq!(later.next().unwrap_err().kind(), ErrorKind::Poisoned, "told to all");
        assert_eq!(later.try_next().unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn while_a_sync_is_held_back_nothing_of_it_is_delivered() {
    let disk = FaultDisk::new(6);
    let store = open(&disk);
    append(&store, "b-1");
    let mut followers: Vec<_> = [About::All, About::Stream("b-1"), About::Category("b")]
        .map(|about| about.follow(&store, 0))
        .into();
    disk.hold_syncs(true);
    let held = store.append_async("b-1", ExpectedVersion::Any, [event("Held")]).unwrap();
    pause(20);
    for follower in &mut followers {
        assert_eq!(follower.try_next().unwrap().event().version.0, 0);
        assert_eq!(follower.try_next().unwrap(), Got::CaughtUp);
        assert_eq!(follower.try_next().unwrap(), Got::Nothing);
    }
    disk.hold_syncs(false);
    held.wait().unwrap();
    for follower in &mut followers {
        assert_eq!(follower.try_next().unwrap().event().event_type, "Held");
    }
}

#[test]
fn what_was_appended_right_before_the_end_is_delivered() {
    for round in 0..400 {
        let store = open(&MemoryDisk::new());
        let mut follower = About::All.follow(&store, 0);
        let writer = std::thread::spawn(move || {
            (0..round % 8).for_each(|_| append(&store, "b-1"));
            store.close().unwrap();
        });
        let mut events = 0;
        let error = loop {
            match follower.try_next() {
                Ok(Got::Event(_)) => events += 1,
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), events), (ErrorKind::Closed, round % 8));
        writer.join().unwrap();
    }
}

fn stepper(disk: &FaultDisk) -> Stepper {
    let options = options(ReadMode::Map, Durability::Sync);
    Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &options).unwrap()
}

/// Appends an event, which is still to be written. False if it is refused.
fn place(stepper: &Stepper) -> bool {
    let parts =
        [Part { stream: "a", expected: ExpectedVersion::Any, events: vec![event("Noted")] }];
    let step = stepper.place(&parts, None, Durability::Sync, &mut Waiting::default()).unwrap();
    match step {
        Step::Placed(copy) => drop(copy.finish()),
        Step::Busy | Step::Repeated(_) => unreachable!("there is room, and nothing is expected"),
        Step::Refused(_) => return false,
    }
    true
}

#[test]
fn a_chore_that_fails_while_a_sync_is_under_way_ends_nothing_before_that_is_done() {
    // The first time says after how many events there is something to be done beside.
    let mut events_before_chore = None;
    for planned in [false, true] {
        let disk = FaultDisk::new(8);
        let stepper = stepper(&disk);
        let mut follower = stepper.all().subscribe().unwrap();
        let events = (1..1000).find(|&events| {
            assert!(place(&stepper) && stepper.take_job());
            assert!(stepper.finish_job() && stepper.take_job(), "it is written, and to be synced");
            let fails = planned && Some(events) == events_before_chore;
            if fails {
                fail_next(&disk, 0);
            }
            if stepper.chore() {
                return true;
            }
            assert!(stepper.finish_job());
            false
        });
        events_before_chore = events;
        let events = events.unwrap();
        let mut delivered = 0;
        let mut drain = |follower: &mut quipu::Subscription| loop {
            match follower.try_next() {
                Ok(Some(quipu::Delivery::Event(_))) => delivered += 1,
                Ok(Some(quipu::Delivery::CaughtUp)) => {}
                Ok(None) => break (delivered, None),
                Err(error) => break (delivered, Some(error.kind())),
            }
        };
        assert_eq!(drain(&mut follower), (events - 1, None), "the last one is on its way");
        assert_eq!(place(&stepper), !planned, "a failed chore poisons");
        assert!(stepper.finish_job());
        let told = planned.then_some(ErrorKind::Poisoned);
        assert_eq!(drain(&mut follower), (events, told), "it was written and synced");
        let after = planned.then_some(ErrorKind::Closed);
        assert_eq!(drain(&mut follower), (events, after));
    }
}

#[test]
fn a_store_without_threads_that_is_dropped_lets_its_followers_go() {
    let disk = FaultDisk::new(9);
    let stepper = stepper(&disk);
    let mut follower = stepper.all().subscribe().unwrap();
    let operations = disk.operations();
    let waiting = std::thread::spawn(move || {
        while follower.next().unwrap().is_some() {}
        follower.try_next().unwrap_err().kind()
    });
    pause(20);
    drop(stepper);
    for _ in 0..6000 {
        if waiting.is_finished() {
            break;
        }
        pause(10);
    }
    assert!(waiting.is_finished(), "it waits for ever");
    assert_eq!(waiting.join().unwrap(), ErrorKind::Closed);
    assert_eq!(disk.operations(), operations, "as if the process had been killed");
}
