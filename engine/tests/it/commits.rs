//! What a commit may hold, on both sides of each bound; one that is refused leaves nothing behind.

use quipu::{
    AppendCondition, Codec, Commit, ErrorKind, ExpectedVersion, NewEvent, Position, Query,
    QueryItem, Store, Version,
};
use uuid::Uuid;

const ANY: ExpectedVersion = ExpectedVersion::Any;

fn store() -> Store {
    Store::builder("commits.quipu").in_memory().open().unwrap()
}

fn event() -> NewEvent<'static> {
    NewEvent::new("Happened", b"".as_slice())
}

fn name(bytes: usize) -> String {
    "n".repeat(bytes)
}

/// Whether the store takes one event of a stream; one that is not taken breaks a bound.
fn takes(store: &Store, stream: &str, event: NewEvent<'_>) -> bool {
    let before = store.next_position();
    match store.append(stream, ANY, [event]) {
        Ok(done) => done.position == before,
        Err(error) => {
            assert_eq!((error.kind(), store.next_position()), (ErrorKind::Invalid, before));
            false
        }
    }
}

#[test]
fn names_types_and_tags_have_so_many_bytes() {
    let store = store();
    let of = |stream: usize, event_type: usize, tag: usize| {
        let event = NewEvent::new(name(event_type), b"".as_slice()).tag(name(tag));
        takes(&store, &name(stream), event)
    };
    assert!(of(1, 1, 1) && of(512, 255, 255));
    assert!(!of(0, 1, 1) && !of(513, 1, 1));
    assert!(!of(1, 0, 1) && !of(1, 256, 1));
    assert!(!of(1, 1, 0) && !of(1, 1, 256));
    assert!(!takes(&store, "$system", event()) && takes(&store, "a$", event()));
}

#[test]
fn a_codec_that_is_taken_comes_back_and_a_number_that_could_not_is_refused() {
    let store = store();
    let mut taken =
        vec![Codec::Bytes, Codec::Json, Codec::Rkyv, Codec::Protobuf, Codec::MessagePack];
    assert!(taken.iter().all(|&codec| takes(&store, "s", event().codec(codec))));
    for number in 0..=255 {
        let codec = Codec::Other(number);
        assert_eq!(takes(&store, "s", event().codec(codec)), (5..16).contains(&number), "{number}");
        taken.extend((5..16).contains(&number).then_some(codec));
    }
    let mut events = store.all().events().unwrap();
    for codec in taken {
        assert_eq!(events.next().unwrap().unwrap().codec(), codec);
    }
    assert!(events.next().unwrap().is_none());
}

#[test]
fn an_event_has_so_many_tags_metadata_and_payload_and_an_id_that_names_it() {
    let store = store();
    let tags = |count: usize| event().tags((0..count).map(|number| format!("tag-{number}")));
    assert!(takes(&store, "s", tags(32)) && !takes(&store, "s", tags(33)));
    let metadata = |bytes| event().metadata(vec![1; bytes]);
    assert!(takes(&store, "s", metadata(65_536)) && !takes(&store, "s", metadata(65_537)));
    let payload = |bytes| NewEvent::new("Large", vec![1; bytes]);
    assert!(takes(&store, "s", payload(16 << 20)) && !takes(&store, "s", payload((16 << 20) + 1)));
    assert!(takes(&store, "s", event().id(Uuid::from_u128(1))));
    assert!(!takes(&store, "s", event().id(Uuid::nil())));
}

#[test]
fn a_commit_has_so_many_events_and_at_least_one() {
    let store = store();
    let of = |count: usize| store.append("s", ANY, (0..count).map(|_| event()));
    let invalid = |count| assert_eq!(of(count).unwrap_err().kind(), ErrorKind::Invalid);
    invalid(0);
    invalid(65_536);
    let done = of(65_535).unwrap();
    assert_eq!((done.first_position, done.position), (Position(0), Position(65_534)));
}

#[test]
fn a_commit_has_so_many_bytes() {
    let store = store();
    // A header of 32 bytes, and as many again with the names of each record.
    let of = |last: usize| {
        let sizes = [16 << 20, 16 << 20, 16 << 20, last];
        let events = sizes.map(|bytes| NewEvent::new("t", vec![7; bytes]));
        store.append("s", ANY, events)
    };
    let names = 4 * (32 + 32) + 32;
    assert_eq!(of((16 << 20) - names + 1).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(of((16 << 20) - names).unwrap().position, Position(3));
}

/// What is wrong with a commit is told, and what comes after it changes nothing.
fn refused(commit: Commit<'_, '_>, store: &Store) {
    let more = commit.append("s", ANY, [event()]).check("s", ANY).fail_if(none());
    assert_eq!(more.submit().err().unwrap().kind(), ErrorKind::Invalid);
    assert_eq!(store.next_position(), Position(0));
}

fn none() -> AppendCondition {
    Query::new().item(QueryItem::new().event_type("Never")).absent()
}

#[test]
fn the_first_mistake_of_a_commit_counts() {
    let store = store();
    refused(store.commit().append("", ANY, [event()]), &store);
    refused(store.commit().check("$", ANY), &store);
    refused(store.commit().fail_if(none()).fail_if(none()), &store);
    let good = store.commit().append("s", ANY, [event()]).check("t", ANY).fail_if(none());
    assert!(good.submit().unwrap().wait().is_ok());
}

#[test]
fn a_commit_over_many_streams_knows_each_of_them() {
    let store = store();
    let names: Vec<String> = (0..30).map(|number| format!("stream-{number}")).collect();
    let mut commit = store.commit();
    for _ in 0..3 {
        for name in &names {
            commit = commit.append(name, ExpectedVersion::NoStream, [event()]);
        }
    }
    assert_eq!(commit.submit().unwrap().wait().unwrap().position, Position(89));
    let mut events = store.all().events().unwrap();
    let mut number = 0;
    while let Some(event) = events.next().unwrap() {
        let version = Version(number / 30);
        assert_eq!((event.stream(), event.version()), (&*names[number as usize % 30], version));
        number += 1;
    }
    assert_eq!(number, 90);
    // The ninth stream is where they are not looked for one by one any more: both expectations must hold there too.
    let wrong = names[..12].iter().fold(store.commit(), |commit, name| {
        commit.append(name, ANY, [event()]).check(name, ExpectedVersion::Exact(2))
    });
    let wrong = wrong.check(&names[11], ExpectedVersion::NoStream);
    let error = wrong.submit().and_then(quipu::Ticket::wait).unwrap_err();
    assert_eq!(error.conflict().map(|conflict| &*conflict.stream), Some(&*names[11]));
}

/// One stream, named twice with two expectations: both must hold.
#[test]
fn a_stream_that_a_commit_names_twice_is_where_both_expect_it() {
    let store = store();
    store.append("s", ANY, [event(), event()]).unwrap();
    let of = |first, second| {
        let commit = store.commit().append("s", first, [event()]).check("s", second);
        commit.submit().and_then(quipu::Ticket::wait).map(|done| done.version.0)
    };
    let (right, wrong) = (ExpectedVersion::Exact, ExpectedVersion::Exact(9));
    assert_eq!(of(right(1), ANY).unwrap(), 2);
    assert_eq!(of(ANY, right(2)).unwrap(), 3);
    assert_eq!(of(right(3), right(3)).unwrap(), 4);
    assert_eq!(of(ANY, ANY).unwrap(), 5);
    assert_eq!(of(right(5), ExpectedVersion::StreamExists).unwrap(), 6);
    for (first, second) in [(wrong, ANY), (ANY, wrong), (wrong, right(6)), (right(6), wrong)] {
        assert!(of(first, second).unwrap_err().conflict().is_some(), "{first:?}, {second:?}");
    }
}
