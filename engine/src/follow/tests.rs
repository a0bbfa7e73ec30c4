//! What a follower holds on to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use quipu_disk::MemoryDisk;
use quipu_format::Position;
use quipu_index::Part;

use crate::options::tests::small;
use crate::segments::Segments;
use crate::{Delivery, ExpectedVersion, NewEvent, Query, QueryItem, Store, Subscription};

/// How often the table, its segments' files and their indexes are held, apart from the store itself.
fn held(segments: &Arc<Segments>) -> usize {
    let table = segments.view().table;
    let files = table.segments.iter().map(|segment| {
        let opened = Arc::strong_count(&segments.open(segment).unwrap()) - 2;
        let index = segment.known_parts().map_or(0, |parts| match parts.first() {
            Some(Part::File(sealed)) => Arc::strong_count(sealed),
            _ => 0,
        });
        opened + index
    });
    files.sum::<usize>() + Arc::strong_count(&table)
}

fn catch_up(subscription: &mut Subscription) -> u64 {
    let mut events = 0;
    loop {
        match subscription.try_next().unwrap() {
            Some(Delivery::Event(_)) => events += 1,
            Some(Delivery::CaughtUp) => return events,
            None => {}
        }
    }
}

#[test]
fn who_has_caught_up_holds_on_to_no_file() {
    let disk = Arc::new(MemoryDisk::new());
    let builder = || Store::builder("s").disk(disk.clone()).options(small());
    let store = builder().open().unwrap();
    let append = |store: &Store| {
        let event = NewEvent::new("T", vec![1; 900]).tag("t");
        store.append("a-1", ExpectedVersion::Any, [event]).unwrap();
    };
    (0..60).for_each(|_| append(&store));
    store.close().unwrap();
    // A store that only reads does no chores, which would hold on to something for a moment.
    let writer = builder().open().unwrap();
    let store = builder().mode(crate::Mode::ReadOnly).open().unwrap();
    let segments = store.segments();
    // Everything is opened once.
    assert_eq!(catch_up(&mut store.tag("t").subscribe().unwrap()), 60);
    let before = held(segments);
    let mut followers: Vec<Subscription> = (0..3)
        .flat_map(|_| [store.all(), store.category("a"), store.tag("t")])
        .map(|selection| selection.subscribe().unwrap())
        .collect();
    for round in 0..3 {
        for follower in &mut followers {
            assert!(matches!(follower.try_next().unwrap(), Some(Delivery::Event(_))));
        }
        let reading = held(segments);
        assert!(round > 0 || reading > before, "{reading} while they read, {before} before");
        for follower in &mut followers {
            catch_up(follower);
        }
        let after = held(segments);
        assert!(after <= before, "{after} held after round {round}, {before} before");
        append(&writer);
    }
}

const EVENTS: u64 = 10_000;
/// What one call looks at, and a little.
const LOOKS: u64 = 1_100;

/// A store in which each of two tags is at every other event, and no event has both.
fn apart() -> Store {
    let store = Store::builder("s").in_memory().open().unwrap();
    for _ in 0..EVENTS / 500 {
        let tags = ["even", "odd"].into_iter().cycle();
        let events = tags.take(500).map(|tag| NewEvent::new("T", b"".as_slice()).tag(tag));
        store.append("a", ExpectedVersion::Any, events).unwrap();
    }
    store
}

/// Follows the events that have both tags.
fn follow_both(store: &Store) -> Subscription {
    let both = Query::new().item(QueryItem::new().tag("even").tag("odd"));
    store.query(both).subscribe().unwrap()
}

/// Checks that a call has looked at some events, which lie behind now, and not at too many.
fn moved(follower: &Subscription, reached: &mut Position) {
    let step = follower.position().0 - reached.0;
    assert!((1..=LOOKS).contains(&step), "{step} from {reached} on");
    *reached = follower.position();
}

#[test]
fn a_call_looks_at_so_many_places_of_an_index_and_the_next_goes_on_behind_them() {
    let store = apart();
    let mut follower = follow_both(&store);
    let (mut calls, mut reached) = (1, Position(0));
    while follower.try_next().unwrap().is_none() {
        moved(&follower, &mut reached);
        calls += 1;
    }
    assert_eq!(follower.position(), Position(EVENTS));
    assert!((EVENTS / LOOKS..=EVENTS / LOOKS + 2).contains(&calls), "{calls} calls");
    // Who waits looks at the clock in between.
    let mut follower = follow_both(&store);
    let mut reached = Position(0);
    for _ in 0..EVENTS / LOOKS - 1 {
        assert!(follower.next_within(Duration::ZERO).unwrap().is_none());
        moved(&follower, &mut reached);
    }
    assert!(matches!(follower.next().unwrap(), Some(Delivery::CaughtUp)));
}

/// Counts how often a task is woken.
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_that_has_found_nothing_yet_is_woken_at_once_and_gives_others_their_turn() {
    let store = apart();
    let mut follower = follow_both(&store);
    let woken = Arc::new(Woken(AtomicU64::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let (mut polls, mut reached) = (0, Position(0));
    while follower.poll_next(&mut Context::from_waker(&waker)).is_pending() {
        polls += 1;
        assert_eq!(woken.0.load(Ordering::SeqCst), polls);
        moved(&follower, &mut reached);
    }
    assert!(polls >= EVENTS / LOOKS - 1, "{polls} polls");
    assert!(follower.poll_next(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(woken.0.load(Ordering::SeqCst), polls, "there is nothing now");
    let both = NewEvent::new("T", b"".as_slice()).tag("odd").tag("even");
    store.append("a", ExpectedVersion::Any, [both]).unwrap();
    let next = follower.poll_next(&mut Context::from_waker(&waker));
    assert!(matches!(next, Poll::Ready(Ok(Some(Delivery::Event(_))))));
}
