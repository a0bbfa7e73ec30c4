//! Retries of commits that were taken are recognised by the ids of their events.

use std::sync::Arc;

use quipu::ExpectedVersion::{Any, Exact, NoStream};
use quipu::{
    Appended, ErrorKind, ExpectedVersion, NewEvent, Options, Position, Query, QueryItem, Result,
    Store, Uuid,
};
use quipu_disk::{Disk, Errno, Fault, FaultDisk, FaultKind, MemoryDisk};

fn store(id_segments: u32) -> Store {
    let options = Options { id_segments, ..Options::default() };
    Store::builder("retries.quipu").options(options).in_memory().open().unwrap()
}

fn event(id: u128) -> NewEvent<'static> {
    NewEvent::new("Noted", b"".as_slice()).id(Uuid::from_u128(id)).tag("t")
}

fn append(
    store: &Store,
    stream: &str,
    expected: ExpectedVersion,
    ids: &[u128],
) -> Result<Appended> {
    store.append(stream, expected, ids.iter().map(|&id| event(id)))
}

#[test]
fn a_retry_gets_the_answer_of_the_first_attempt() {
    let store = store(0);
    append(&store, "other", Any, &[90]).unwrap();
    let first = append(&store, "s", NoStream, &[1, 2]).unwrap();
    let second = append(&store, "s", Exact(1), &[3]).unwrap();
    append(&store, "s", Exact(2), &[4]).unwrap();
    assert_eq!(append(&store, "s", NoStream, &[1, 2]).unwrap(), first);
    assert_eq!(append(&store, "s", Exact(1), &[3]).unwrap(), second);
    assert_eq!(store.next_position(), Position(5), "nothing was written");
}

#[test]
fn another_commit_in_the_same_place_is_a_conflict() {
    let store = store(0);
    append(&store, "s", NoStream, &[1, 2]).unwrap();
    let error = append(&store, "s", NoStream, &[7, 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let unnamed = [NewEvent::new("Noted", b"".as_slice())];
    assert_eq!(store.append("s", NoStream, unnamed).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_partial_overlap_is_an_error_of_its_own() {
    let store = store(0);
    append(&store, "s", NoStream, &[1, 2]).unwrap();
    for ids in [&[1, 7][..], &[7, 2], &[1, 2, 3]] {
        let error = append(&store, "s", NoStream, ids).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overlap, "{ids:?}: {error}");
    }
    assert_eq!(store.next_position(), Position(2));
}

/// The first events of a commit must have come right before its others.
#[test]
fn an_event_that_stands_too_early_for_its_commit_is_an_overlap() {
    let store = store(0);
    append(&store, "a", NoStream, &[1]).unwrap();
    let later = store.commit().append("b", NoStream, [event(2)]);
    let error = later.append("a", NoStream, [event(1)]).submit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overlap, "{error}");
    assert_eq!(store.next_position(), Position(1));
}

#[test]
fn a_retry_over_several_streams_is_recognised_by_one_of_them() {
    let store = store(0);
    let commit = || {
        let commit = store.commit().append("a", Any, [event(1), event(2)]);
        commit.append("b", NoStream, [event(3)]).check("c", NoStream)
    };
    let done = commit().submit().unwrap().wait().unwrap();
    assert_eq!(commit().submit().unwrap().wait().unwrap(), done);
    append(&store, "c", NoStream, &[4]).unwrap();
    assert_eq!(commit().submit().unwrap().wait().unwrap(), done, "although `c` exists by now");
    let other = store.commit().append("b", NoStream, [event(3)]);
    let moved = other.append("a", Any, [event(1), event(2)]).submit();
    assert_eq!(moved.unwrap_err().kind(), ErrorKind::Overlap, "the same events, another commit");
}

#[test]
fn a_retry_under_a_condition_does_not_bar_itself() {
    let store = store(0);
    let commit = || {
        let query = Query::new().item(QueryItem::new().tag("t"));
        store.commit().append("a", Any, [event(1), event(2)]).fail_if(query.absent())
    };
    let done = commit().submit().unwrap().wait().unwrap();
    assert_eq!(commit().submit().unwrap().wait().unwrap(), done);
    let query = Query::new().item(QueryItem::new().tag("t"));
    let other = store.commit().append("a", Any, [event(9)]).fail_if(query.absent()).submit();
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn without_an_index_of_ids_any_version_takes_a_retry_again() {
    let store = store(0);
    append(&store, "s", Any, &[1]).unwrap();
    assert_eq!(append(&store, "s", Any, &[1]).unwrap().version.0, 1);
}

#[test]
fn with_an_index_of_ids_any_version_recognises_a_retry() {
    let store = store(8);
    let first = append(&store, "s", Any, &[1, 2]).unwrap();
    append(&store, "s", Any, &[3]).unwrap();
    assert_eq!(append(&store, "s", Any, &[1, 2]).unwrap(), first);
    assert_eq!(append(&store, "s", Any, &[2, 5]).unwrap_err().kind(), ErrorKind::Overlap);
    assert_eq!(append(&store, "elsewhere", Any, &[1, 2]).unwrap_err().kind(), ErrorKind::Overlap);
    assert_eq!(store.next_position(), Position(3));
}

#[test]
fn an_index_of_ids_reaches_back_over_segments_and_openings() {
    let disk = Arc::new(MemoryDisk::new());
    let options = Options {
        id_segments: 1_000,
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        ..Options::default()
    };
    let open = || {
        let builder = Store::builder("s").options(options.clone());
        builder.disk(Arc::clone(&disk) as Arc<dyn Disk>).open().unwrap()
    };
    let store = open();
    let answers: Vec<Appended> =
        (1..200).map(|id| append(&store, "s", Any, &[id]).unwrap()).collect();
    store.close().unwrap();
    let store = open();
    for (id, answer) in (1..200).zip(&answers) {
        assert_eq!(append(&store, "s", Any, &[id]).unwrap(), *answer);
    }
    assert_eq!(store.next_position(), Position(199));
}

#[test]
fn of_many_attempts_at_once_one_is_taken() {
    let store = store(8);
    let answers: Vec<Vec<Appended>> = std::thread::scope(|scope| {
        let attempt = || (1..100).map(|id| append(&store, "s", Any, &[id]).unwrap()).collect();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(attempt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "all get the same answers");
    assert_eq!(store.next_position(), Position(99));
}

#[test]
fn events_at_other_versions_are_no_retry() {
    let store = store(0);
    append(&store, "s", NoStream, &[1, 2, 3]).unwrap();
    append(&store, "s", Exact(2), &[4, 5]).unwrap();
    let error = append(&store, "s", Exact(1), &[4, 5]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "they stand at 3 and 4, not at 2 and 3");
}

#[test]
fn an_overlap_is_told_once_it_can_be_read() {
    let disk = FaultDisk::new(1);
    let options = Options { ballast_bytes: 0, ..Options::default() };
    let builder = Store::builder("s").options(options).disk(Arc::new(disk.clone()));
    let store = builder.open().unwrap();
    disk.hold_syncs(true);
    let attempt = |ids: [u128; 2]| store.append_async("s", NoStream, ids.map(event));
    let first = attempt([1, 2]).unwrap();
    let overlap = attempt([1, 7]).unwrap();
    assert!(!overlap.is_settled(), "nobody can read what it overlaps with");
    disk.hold_syncs(false);
    first.wait().unwrap();
    assert_eq!(overlap.wait().unwrap_err().kind(), ErrorKind::Overlap);
}

#[test]
fn nobody_is_told_of_an_overlap_with_what_was_never_written() {
    let disk = FaultDisk::new(1);
    let options = Options { ballast_bytes: 0, ..Options::default() };
    let builder = Store::builder("s").options(options).disk(Arc::new(disk.clone()));
    let store = builder.open().unwrap();
    append(&store, "s", NoStream, &[1, 2]).unwrap();
    let kind = FaultKind::Error(Errno::Io);
    disk.plan(Fault { at: disk.operations(), kind, sticky: false });
    append(&store, "s", Exact(1), &[3, 4]).unwrap_err();
    let unread = append(&store, "s", Exact(1), &[3, 7]).unwrap_err();
    assert_eq!(unread.kind(), ErrorKind::Poisoned, "{unread}");
    let read = append(&store, "s", NoStream, &[1, 7]).unwrap_err();
    assert_eq!(read.kind(), ErrorKind::Overlap, "{read}");
}

#[test]
fn the_retry_of_a_durable_commit_waits_for_nobody() {
    let disk = FaultDisk::new(1);
    let options = Options { ballast_bytes: 0, ..Options::default() };
    let builder = Store::builder("s").options(options).disk(Arc::new(disk.clone()));
    let store = builder.open().unwrap();
    let first = append(&store, "s", NoStream, &[1]).unwrap();
    disk.hold_syncs(true);
    let stranger = store.append_async("other", NoStream, [event(9)]).unwrap();
    assert_eq!(append(&store, "s", NoStream, &[1]).unwrap(), first);
    assert!(!stranger.is_settled());
    disk.hold_syncs(false);
    stranger.wait().unwrap();
}

#[test]
fn one_id_stands_once_in_a_commit() {
    let store = store(0);
    let twice = append(&store, "s", NoStream, &[1, 2, 1]).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Invalid);
    // Also beside one that gets its id here.
    let beside = [event(1), event(1), NewEvent::new("T", b"".as_slice())];
    assert_eq!(store.append("s", NoStream, beside).unwrap_err().kind(), ErrorKind::Invalid);
}

/// The one says where it must stand, and the other brings the events.
#[test]
fn a_commit_that_names_a_stream_twice_is_recognised_in_either_order() {
    for (at, brings_first) in [(0, true), (1, false)] {
        let store = store(0);
        append(&store, "s", NoStream, &[90]).unwrap();
        (0..at).for_each(|id| drop(append(&store, "s", Any, &[100 + id])));
        let attempt = || {
            let commit = store.commit();
            let commit = if brings_first {
                let commit =
                    commit.append("s", ExpectedVersion::StreamExists, [event(1), event(2)]);
                commit.check("s", Exact(at as u64))
            } else {
                let commit = commit.check("s", Exact(at as u64));
                commit.append("s", ExpectedVersion::StreamExists, [event(1), event(2)])
            };
            commit.submit().unwrap().wait()
        };
        let first = attempt().unwrap();
        assert_eq!(attempt().unwrap(), first, "brings the events first: {brings_first}");
    }
}

/// Its expectation does not hold any more, and it is not written yet.
#[test]
fn a_retry_of_a_commit_that_is_on_its_way_waits_for_the_first_attempt() {
    let disk = FaultDisk::new(1);
    let options = Options { id_segments: 8, ..Options::default() };
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options);
    let store = builder.open().unwrap();
    append(&store, "b", NoStream, &[90]).unwrap();
    disk.hold_syncs(true);
    let earlier = store.append_async("c", Any, [event(91)]).unwrap();
    let attempt = || {
        let commit = store.commit().append("a", Any, [event(1)]).check("b", Exact(0));
        commit.submit().unwrap()
    };
    let first = attempt();
    let other = store.append_async("b", Exact(0), [event(92)]).unwrap();
    let again = attempt();
    assert!(!again.is_settled(), "nobody knows yet what becomes of it");
    disk.hold_syncs(false);
    let first = first.wait().unwrap();
    assert_eq!(again.wait().unwrap(), first);
    assert_eq!((earlier.wait().is_ok(), other.wait().is_ok()), (true, true));
    assert_eq!(attempt().wait().unwrap(), first);
    assert_eq!(store.next_position(), Position(4), "it was written once");
}
