//! How following ends: nobody waits for ever without a word.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use quipu::{Error, ErrorKind, ExpectedVersion, Mode, Options, Store};
use quipu_disk::{Fault, FaultDisk, FaultKind, MemoryDisk};

use crate::follower::{ABOUT, About, Follower, Got, PATH, append, event, open, pause};

/// Follows in a thread to the end: the number of events, and the errors.
fn to_the_end(mut follower: Follower) -> JoinHandle<(usize, Vec<Error>)> {
    std::thread::spawn(move || {
        let (mut events, mut errors) = (0, Vec::new());
        loop {
            match follower.next() {
                Ok(Got::Event(_)) => events += 1,
                Ok(Got::CaughtUp) => {}
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
    let kind = FaultKind::Error(io::ErrorKind::Other);
    disk.plan(Fault { at: disk.operations() + calls, kind, sticky: false });
}

#[test]
fn a_failed_write_or_sync_is_reported_once_behind_what_is_visible() {
    for calls in 0..2 {
        let disk = FaultDisk::new(5);
        let store = open(&disk);
        (0..10).for_each(|_| append(&store, "b-1"));
        let mut follower = About::Stream("b-1").follow(&store, 0);
        let waiting: Vec<_> =
            ABOUT.iter().map(|about| to_the_end(about.follow(&store, 0))).collect();
        // All have read what is there: the next call is the writer's.
        pause(100);
        fail_next(&disk, calls);
        store.append("b-1", ExpectedVersion::Any, [event("Lost")]).unwrap_err();
        for waiting in waiting {
            let (events, errors) = waiting.join().unwrap();
            assert!(events == 10 || events == 0, "{events}");
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
