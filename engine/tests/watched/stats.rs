//! The counters, each by its exact number.

use std::sync::Arc;
use std::time::Duration;

use quipu::{
    Durability, ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Query, QueryItem, Stats,
    Store, Ticket,
};
use quipu_disk::MemoryDisk;

use super::subscriber::listen;
use super::{ANY, large, small};

fn event() -> NewEvent<'static> {
    NewEvent::new("Taken", b"x".as_slice()).tag("name:ada")
}

#[test]
fn commits_events_streams_groups_and_refusals_are_counted() {
    let _listening = listen();
    let disk = Arc::new(MemoryDisk::new());
    let store = Store::builder("s").disk(disk.clone()).options(small()).open().unwrap();
    assert_eq!(store.stats(), Stats::default(), "opening is not counted");
    store.append("a", ExpectedVersion::NoStream, [event(), event()]).unwrap();
    store.append("a", ExpectedVersion::Exact(1), [event()]).unwrap();
    store
        .commit()
        .append("b", ANY, [event()])
        .append("c", ANY, [event()])
        .submit()
        .unwrap()
        .wait()
        .unwrap();
    for _ in 0..2 {
        let refused = store.append("a", ExpectedVersion::NoStream, [event()]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
    }
    let taken = Query::new().item(QueryItem::new().tag("name:ada"));
    for _ in 0..3 {
        let commit = store.commit().append("d", ANY, [event()]).fail_if(taken.clone().absent());
        let refused = commit.submit().and_then(Ticket::wait).unwrap_err();
        assert_eq!((refused.kind(), refused.matched().is_some()), (ErrorKind::Conflict, true));
    }
    store.append("a", ANY, []).unwrap_err();
    let stats = store.stats();
    let expected = Stats {
        commits: 3,
        events: 5,
        streams_created: 3,
        groups: 3,
        bytes_written: stats.bytes_written,
        syncs: 3,
        longest_sync: stats.longest_sync,
        conflicts: 2,
        conditions_failed: 3,
        ..Stats::default()
    };
    assert_eq!(stats, expected);
    let read = Store::builder("s").disk(disk).mode(Mode::ReadOnly).open().unwrap();
    assert_eq!(read.stats(), Stats::default(), "who only reads does nothing");
}

#[test]
fn bytes_are_those_of_the_frames() {
    let _listening = listen();
    let store = Store::builder("s").in_memory().open().unwrap();
    let bytes = |payload: usize| {
        let before = store.stats().bytes_written;
        store.append("a", ANY, [NewEvent::new("T", vec![0; payload])]).unwrap();
        store.stats().bytes_written - before
    };
    bytes(0); // With the first link.
    let empty = bytes(0);
    assert_eq!(bytes(1600) - empty, 1600);
    assert_eq!(bytes(160) - empty, 160);
}

#[test]
fn rolls_seals_and_their_syncs_are_counted() {
    let _listening = listen();
    let store =
        Store::builder("s").disk(Arc::new(MemoryDisk::new())).options(small()).open().unwrap();
    let (mut appended, mut stats) = (0, store.stats());
    while stats.rolls < 3 {
        store.append("a", ANY, large()).unwrap();
        appended += 1;
        stats = store.stats();
    }
    // Sealing follows in the background, and before more than two segments wait for it.
    for _ in 0..1000 {
        stats = store.stats();
        if stats.seals == 3 {
            break;
        }
        let _passed = quipu_disk::Gate::new().wait(1, Some(Duration::from_millis(10)));
    }
    assert_eq!((stats.rolls, stats.seals), (3, 3));
    assert_eq!((stats.commits, stats.groups), (appended, appended));
    assert_eq!(stats.syncs, appended + 3, "one for each group, one for each seal");
    assert_eq!(stats.indexes_remade, 0);
    assert_eq!(stats.slow_syncs, 0);
}

#[test]
fn one_sync_of_several_groups_is_one() {
    let _listening = listen();
    let hour = Duration::from_secs(3600);
    let options = Options { durability: Durability::Os, sync_interval: hour, ..small() };
    let store =
        Store::builder("s").disk(Arc::new(MemoryDisk::new())).options(options).open().unwrap();
    for _ in 0..4 {
        store.append("a", ANY, [event()]).unwrap();
    }
    assert_eq!((store.stats().groups, store.stats().syncs), (4, 0));
    let durable = store.commit().append("a", ANY, [event()]).durability(Durability::Sync);
    durable.submit().unwrap().wait().unwrap();
    assert_eq!((store.stats().groups, store.stats().syncs), (5, 1));
}
