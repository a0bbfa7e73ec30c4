//! A store as its users see it, on a disk in memory.

use std::path::Path;
use std::sync::Arc;

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Store};
use quipu_disk::{Disk, Errno, Fault, FaultDisk, FaultKind, MemoryDisk, PowerCut};

const PATH: &str = "s";

fn open(disk: &(impl Disk + Clone + 'static)) -> quipu::Result<Store> {
    Store::builder(PATH).disk(Arc::new(disk.clone())).open()
}

fn event(text: &str) -> NewEvent<'_> {
    NewEvent::new("Noted", text.as_bytes()).tag("k:v")
}

fn all(store: &Store) -> Vec<(String, u64, u64, String)> {
    let mut events = store.all().events().unwrap();
    let mut found = Vec::new();
    while let Some(event) = events.next().unwrap() {
        found.push((
            event.stream().to_owned(),
            event.version().0,
            event.position().0,
            String::from_utf8(event.payload().to_vec()).unwrap(),
        ));
    }
    found
}

#[test]
fn what_is_appended_is_read_in_order() {
    let disk = MemoryDisk::new();
    let store = open(&disk).unwrap();
    assert!(store.opening().created);
    let done = store.append("a-1", ExpectedVersion::NoStream, [event("x"), event("y")]).unwrap();
    assert_eq!((done.version.0, done.position.0, done.first_position.0), (1, 1, 0));
    let done = store.append("b-1", ExpectedVersion::Any, [event("z")]).unwrap();
    assert_eq!((done.version.0, done.position.0), (0, 2));
    let expected = vec![
        ("a-1".to_owned(), 0, 0, "x".to_owned()),
        ("a-1".to_owned(), 1, 1, "y".to_owned()),
        ("b-1".to_owned(), 0, 2, "z".to_owned()),
    ];
    assert_eq!(all(&store), expected);
    store.close().unwrap();

    let store = open(&disk).unwrap();
    assert_eq!(store.opening().recovered, None);
    assert_eq!(all(&store), expected);
    store.append("a-1", ExpectedVersion::Exact(1), [event("w")]).unwrap();
    assert_eq!(all(&store).len(), 4);
}

#[test]
fn a_conflict_says_what_is_there_and_writes_nothing() {
    let store = open(&MemoryDisk::new()).unwrap();
    store.append("a", ExpectedVersion::NoStream, [event("x")]).unwrap();
    for wrong in [ExpectedVersion::NoStream, ExpectedVersion::Exact(1)] {
        let error = store.append("a", wrong, [event("y")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.conflict().unwrap().actual.unwrap().0, 0);
    }
    let error = store.append("b", ExpectedVersion::StreamExists, [event("y")]).unwrap_err();
    assert_eq!(error.conflict().unwrap().actual, None);
    assert_eq!(store.next_position().0, 1);
}

#[test]
fn a_commit_over_several_streams_is_all_or_nothing() {
    let store = open(&MemoryDisk::new()).unwrap();
    store.append("a", ExpectedVersion::NoStream, [event("x")]).unwrap();
    let refused = store
        .commit()
        .append("b", ExpectedVersion::NoStream, [event("1")])
        .check("a", ExpectedVersion::NoStream)
        .submit();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    let done = store
        .commit()
        .append("b", ExpectedVersion::NoStream, [event("1")])
        .append("a", ExpectedVersion::Exact(0), [event("2")])
        .append("b", ExpectedVersion::Any, [event("3")])
        .submit()
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!((done.position.0, done.version.0), (3, 1));
    let found: Vec<_> = all(&store).into_iter().map(|(s, v, ..)| (s, v)).collect();
    let wanted = [("a", 0), ("b", 0), ("a", 1), ("b", 1)].map(|(s, v)| (s.to_owned(), v));
    assert_eq!(found, wanted);
}

#[test]
fn segments_roll_and_seal_while_events_come_in() {
    let disk = MemoryDisk::new();
    let options = Options {
        segment_bytes_min: 16 << 10,
        segment_bytes_max: 32 << 10,
        buffer_bytes: 4096,
        ..Options::default()
    };
    let builder = || Store::builder(PATH).disk(Arc::new(disk.clone())).options(options.clone());
    let store = builder().open().unwrap();
    let text = "t".repeat(700);
    for n in 0..500_u64 {
        let stream = format!("s-{}", n % 7);
        let done = store.append(&stream, ExpectedVersion::Any, [event(&text)]).unwrap();
        assert_eq!(done.position.0, n);
    }
    let large = "l".repeat(50_000);
    store.append("large", ExpectedVersion::NoStream, [event(&large)]).unwrap();
    assert_eq!(all(&store).len(), 501);
    store.close().unwrap();
    let names = disk.list(Path::new(PATH)).unwrap();
    assert!(names.len() > 12, "{names:?}");
    let store = builder().mode(Mode::Existing).open().unwrap();
    assert_eq!(store.opening().recovered, None);
    assert_eq!(all(&store).len(), 501);
    let done = store.append("s-0", ExpectedVersion::Exact(71), [event("end")]).unwrap();
    assert_eq!(done.position.0, 501);
}

#[test]
fn after_a_power_cut_what_was_acknowledged_is_there() {
    for cut in [PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::Random] {
        let disk = FaultDisk::new(7);
        let store = open(&disk).unwrap();
        for n in 0..20 {
            store.append("a", ExpectedVersion::Any, [event(&n.to_string())]).unwrap();
        }
        let before = all(&store);
        let after = disk.power_cut(cut);
        drop(store);
        let store = open(&after).unwrap();
        let recovered = store.opening().recovered.clone().unwrap();
        assert_eq!(recovered.carried_events, 1, "the last commit was not yet known to be durable");
        assert_eq!(all(&store), before);
        store.append("a", ExpectedVersion::Exact(19), [event("on")]).unwrap();
        store.close().unwrap();
        assert_eq!(all(&open(&after).unwrap()).len(), 21);
    }
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let disk = MemoryDisk::new();
    let store = open(&disk).unwrap();
    store.append("a", ExpectedVersion::Any, [event("x")]).unwrap();
    assert_eq!(open(&disk).unwrap_err().kind(), ErrorKind::InUse);
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).mode(Mode::ReadOnly);
    let reader = builder.open().unwrap();
    let error = reader.append("a", ExpectedVersion::Any, [event("y")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert!(all(&reader).len() <= 1);
}

#[test]
fn many_threads_get_dense_positions_and_versions() {
    let store = open(&MemoryDisk::new()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                let stream = format!("t-{thread}");
                for n in 0..200_u64 {
                    let expected =
                        n.checked_sub(1).map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
                    store.append(&stream, expected, [event("x")]).unwrap();
                }
            });
        }
    });
    let found = all(&store);
    assert_eq!(found.len(), 1600);
    assert!(found.iter().zip(0..).all(|((_, _, position, _), n)| *position == n));
}

/// The directory was made, and where it stands was not synced: by somebody else, or by whoever was killed before.
#[test]
fn a_store_in_a_directory_that_somebody_has_made_survives_a_power_cut() {
    let disk = FaultDisk::new(1);
    let kind = FaultKind::ErrorAfter(Errno::Io);
    disk.plan(Fault { at: disk.operations(), kind, sticky: false });
    disk.create_directory(Path::new("above/s")).unwrap_err();
    let builder = || Store::builder("above/s");
    let store = builder().disk(Arc::new(disk.clone())).open().unwrap();
    store.append("a", ExpectedVersion::Any, [event("x")]).unwrap();
    let after = disk.power_cut(PowerCut::LoseAll);
    drop(store);
    let store = builder().disk(Arc::new(after)).mode(Mode::Existing).open().unwrap();
    assert_eq!(all(&store).len(), 1);
}
