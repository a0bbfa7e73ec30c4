//! What cannot be followed.

use quipu::{ErrorKind, Position, Query, QueryItem, Result, Subscription, Timestamp};
use quipu_disk::MemoryDisk;

use super::follower::{append, open};

fn refused<From>(subscription: Result<Subscription<From>>) -> ErrorKind {
    subscription.map(drop).unwrap_err().kind()
}

#[test]
fn a_subscription_has_no_end_and_no_other_direction() {
    let store = open(&MemoryDisk::new());
    let kinds = [
        refused(store.all().backward().subscribe()),
        refused(store.stream("a").backward().subscribe()),
        refused(store.all().limit(10).subscribe()),
        refused(store.category("a").until(Timestamp(1)).subscribe()),
    ];
    assert_eq!(kinds, [ErrorKind::Invalid; 4]);
}

#[test]
fn names_that_no_event_can_have_are_refused() {
    let store = open(&MemoryDisk::new());
    let long = "x".repeat(600);
    let kinds = [
        refused(store.stream("").subscribe()),
        refused(store.stream(&long).from_end().subscribe()),
        refused(store.category("a-b").subscribe()),
        refused(store.event_type("").subscribe()),
        refused(store.tag(&long).subscribe()),
        refused(store.query(Query::new().item(QueryItem::new().tag(""))).subscribe()),
    ];
    assert_eq!(kinds, [ErrorKind::Invalid; 6]);
}

#[test]
fn the_farthest_beginning_is_never_reached() {
    let store = open(&MemoryDisk::new());
    append(&store, "a");
    let mut all = store.all().from(u64::MAX).subscribe().unwrap();
    let mut stream = store.stream("a").from(u64::MAX).subscribe().unwrap();
    for _ in 0..3 {
        append(&store, "a");
        let _caught_up = (all.try_next().unwrap(), stream.try_next().unwrap());
    }
    assert!(all.try_next().unwrap().is_none() && stream.try_next().unwrap().is_none());
    assert_eq!((all.position(), stream.version().0), (Position(u64::MAX), u64::MAX));
}
