//! How long a call takes where nothing is asked for of all there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use quipu::{Delivery, Durability, ExpectedVersion, Options, Store, Subscription, Timestamp};
use quipu_disk::MemoryDisk;

use super::follower::{event, open_with};

/// Most events that one call looks at.
const LOOKS_MAX: u64 = 1024;

fn open() -> Store {
    open_with(&MemoryDisk::new(), Options { durability: Durability::Os, ..Options::default() })
}

fn append(store: &Store, events: usize) {
    let events = (0..events).map(|_| event("Noted"));
    store.append("a", ExpectedVersion::Any, events).unwrap();
}

/// Asks for what none of the events says.
fn subscribe(store: &Store) -> Subscription {
    store.all().occurred_between(Timestamp(5), Timestamp(6)).subscribe().unwrap()
}

#[test]
fn a_call_that_does_not_wait_looks_at_a_bounded_number_of_events() {
    let store = open();
    append(&store, 5000);
    let mut follower = subscribe(&store);
    let mut before = 0;
    for _ in 0..5000 / LOOKS_MAX {
        assert!(follower.try_next().unwrap().is_none());
        let looked = follower.position().0 - before;
        assert!((LOOKS_MAX / 2..=LOOKS_MAX).contains(&looked), "{looked}");
        before = follower.position().0;
    }
    assert!(matches!(follower.try_next().unwrap(), Some(Delivery::CaughtUp)));
    assert_eq!(follower.position().0, 5000);
}

#[test]
fn writers_do_not_keep_it_busy() {
    let store = Arc::new(open());
    let mut follower = subscribe(&store);
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            std::thread::spawn(move || {
                (0..300).for_each(|_| append(&store, 700));
                done.store(true, Ordering::SeqCst);
            })
        })
        .collect();
    while !done.load(Ordering::SeqCst) {
        let before = follower.position().0;
        let _caught_up = follower.try_next().unwrap().is_some();
        let looked = follower.position().0 - before;
        assert!(looked <= LOOKS_MAX, "{looked} events in one call");
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[test]
fn a_wait_goes_on_until_its_time_is_up() {
    let store = open();
    append(&store, 5000);
    let mut waiting = subscribe(&store);
    assert!(matches!(waiting.next().unwrap(), Some(Delivery::CaughtUp)));
    let mut patient = subscribe(&store);
    let delivery = patient.next_within(Duration::from_secs(600)).unwrap();
    assert!(matches!(delivery, Some(Delivery::CaughtUp)));
    let mut hasty = subscribe(&store);
    assert!(hasty.next_within(Duration::ZERO).unwrap().is_none());
    assert!((1..5000).contains(&hasty.position().0), "{}", hasty.position().0);
    // Also where it has caught up before.
    append(&store, 5000);
    assert!(waiting.next_within(Duration::ZERO).unwrap().is_none());
    assert!((5001..10_000).contains(&waiting.position().0), "{}", waiting.position().0);
    append(&store, 1);
    let sold = event("Sold").occurred(Timestamp(5));
    store.append("a", ExpectedVersion::Any, [sold]).unwrap();
    let delivery = waiting.next_within(Duration::from_secs(600)).unwrap();
    assert!(matches!(delivery, Some(Delivery::Event(_))));
}

#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_hands_back_the_turn_and_asks_for_another() {
    let store = open();
    append(&store, 5000);
    let mut follower = subscribe(&store);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    for turn in 0..5000 / LOOKS_MAX {
        assert!(follower.poll_next(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(woken.0.load(Ordering::SeqCst), turn + 1, "it goes on by itself");
    }
    let last = follower.poll_next(&mut Context::from_waker(&waker));
    assert!(matches!(last, Poll::Ready(Ok(Some(Delivery::CaughtUp)))));
    assert!(follower.poll_next(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(woken.0.load(Ordering::SeqCst), 5000 / LOOKS_MAX, "there is nothing more");
}
