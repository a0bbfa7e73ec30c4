//! What cannot be asked for, and what matches nothing.

use quipu::{ErrorKind, Events, ExpectedVersion, NewEvent, Query, QueryItem, Result, Store};

fn refused(events: Result<Events>) {
    assert_eq!(events.err().map(|error| error.kind()), Some(ErrorKind::Invalid));
}

#[test]
fn names_that_no_event_can_have_are_refused() {
    let store = Store::builder("s").in_memory().open().unwrap();
    let long = |bytes| "x".repeat(bytes);
    refused(store.stream("").events());
    refused(store.stream(&long(513)).events());
    refused(store.category("a-b").events());
    refused(store.category(&long(512)).events());
    refused(store.event_type("").events());
    refused(store.event_type(&long(256)).events());
    refused(store.tag("").events());
    refused(store.tag(&long(256)).events());
    refused(store.query(Query::new().item(QueryItem::new().tag(""))).events());
    assert_eq!(store.head("").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.head(&long(513)).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(store.stream(&long(512)).events().unwrap().next().unwrap().is_none());
}

#[test]
fn an_empty_store_has_nothing_of_anything() {
    let store = Store::builder("s").in_memory().open().unwrap();
    let nothing = |events: Result<Events>| assert!(events.unwrap().next().unwrap().is_none());
    nothing(store.all().events());
    nothing(store.all().backward().events());
    nothing(store.stream("a").events());
    nothing(store.stream("a").from(u64::MAX).backward().events());
    nothing(store.category("a").from(7).events());
    nothing(store.query(Query::all()).backward().events());
    nothing(store.query(Query::new()).events());
    assert_eq!(store.head("a").unwrap(), None);
    assert!(store.streams("").unwrap().next().is_none());
}

#[test]
fn a_limit_counts_what_is_served() {
    let store = Store::builder("s").in_memory().open().unwrap();
    for n in 0..10_i64 {
        let event = NewEvent::new("T", b"".as_slice()).occurred((n % 2).into());
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
    }
    let odd = store.stream("a").occurred_between(1.into(), 1.into()).limit(3);
    let mut events = odd.events().unwrap();
    for version in [1, 3, 5] {
        assert_eq!(events.next().unwrap().unwrap().version().0, version);
    }
    assert!(events.next().unwrap().is_none());
    assert!(events.next().unwrap().is_none());
}
