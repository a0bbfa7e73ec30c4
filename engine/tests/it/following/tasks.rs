//! Following in tasks, without any runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use quipu::{Delivery, Error, ErrorKind, Event, ExpectedVersion, Query, Store};
use quipu_disk::{FaultDisk, Gate, MemoryDisk};

use super::follower::{append, event, open, pause};
use crate::random::Random;

/// Counts how often it was woken.
#[derive(Default)]
struct Bell {
    rings: AtomicU32,
    gate: Gate,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.gate.raise(self.rings.fetch_add(1, Ordering::SeqCst) + 1);
    }
}

/// Runs one task in this thread.
fn block_on<T>(task: impl Future<Output = T>) -> T {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut task = pin!(task);
    loop {
        let rings = bell.rings.load(Ordering::SeqCst);
        if let Poll::Ready(result) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        assert!(bell.gate.wait(rings + 1, Some(Duration::from_secs(60))), "nobody wakes it");
    }
}

#[test]
fn a_task_follows_to_the_end() {
    let store = open(&MemoryDisk::new());
    append(&store, "b-1");
    let mut follower = store.category("b").subscribe().unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..300 {
            append(&store, "b-1");
            append(&store, "a");
        }
        store.close().unwrap();
    });
    let versions = block_on(async {
        let mut versions = Vec::new();
        while let Some(delivery) = follower.next_async().await? {
            if let Delivery::Event(event) = delivery {
                versions.push(event.version().0);
            }
        }
        Ok::<_, Error>(versions)
    });
    assert_eq!(versions.unwrap(), (0..301).collect::<Vec<u64>>());
    writer.join().unwrap();
}

/// A writer and a task hand the turn to and fro, so the task falls asleep again and again just as something
/// is appended. A lost wake-up shows as a wait that times out.
#[test]
fn no_wake_up_of_a_task_is_lost() {
    let store = open(&MemoryDisk::new());
    let mut follower = store.stream("a").subscribe().unwrap();
    let gate = Gate::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            block_on(async {
                let (mut next, mut random) = (0, Random(1));
                while next < 20_000 {
                    // So that it asks at any moment of an append.
                    (0..random.below(1000)).for_each(|_| std::hint::spin_loop());
                    if let Some(Delivery::Event(event)) = follower.next_async().await.unwrap() {
                        assert_eq!(event.version().0, u64::from(next));
                        next += 1;
                        gate.raise(next);
                    }
                }
            });
        });
        for round in 1..=20_000 {
            append(&store, "a");
            assert!(gate.wait(round, Some(Duration::from_secs(60))), "round {round}");
        }
    });
}

#[test]
fn a_stream_of_events_is_made_from_one_function() {
    let store = open(&MemoryDisk::new());
    (0..3).for_each(|_| append(&store, "b"));
    let mut events = store.stream("b").subscribe().unwrap().owned();
    let writer = std::thread::spawn(move || {
        (0..3).for_each(|_| append(&store, "b"));
        drop(store);
    });
    let mut versions = Vec::new();
    while let Some(event) = block_on(std::future::poll_fn(|context| events.poll_next(context))) {
        versions.push(event.unwrap().version.0);
        assert_eq!(events.version().0, versions.len() as u64);
    }
    assert_eq!(versions, [0, 1, 2, 3, 4, 5]);
    writer.join().unwrap();
}

#[test]
fn a_task_is_woken_only_once_there_may_be_more() {
    let disk = FaultDisk::new(3);
    let store = open(&disk);
    let mut follower = store.all().subscribe().unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let context = &mut Context::from_waker(&waker);
    let rings = || bell.rings.load(Ordering::SeqCst);
    assert!(matches!(follower.poll_next(context), Poll::Ready(Ok(Some(Delivery::CaughtUp)))));
    assert!(follower.poll_next(context).is_pending());
    assert!(follower.poll_next(context).is_pending());
    disk.hold_syncs(true);
    let ticket = store.append_async("a", ExpectedVersion::Any, [event("Held")]).unwrap();
    pause(10);
    assert_eq!(rings(), 0, "it is written and not durable");
    disk.hold_syncs(false);
    ticket.wait().unwrap();
    assert!(bell.gate.wait(1, Some(Duration::from_secs(60))));
    assert_eq!(rings(), 1, "however often it asked");
    append(&store, "a");
    assert_eq!(rings(), 1, "it has not asked since");
    for version in 0..2 {
        let Poll::Ready(Ok(Some(Delivery::Event(event)))) = follower.poll_next(context) else {
            panic!("no event")
        };
        assert_eq!(event.version().0, version);
    }
    drop(follower);
    append(&store, "a");
    assert_eq!(rings(), 1, "it is gone");
}

#[test]
fn a_task_that_follows_nothing_is_woken_only_at_the_end() {
    let store = open(&MemoryDisk::new());
    let mut follower = store.query(Query::new()).subscribe().unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let context = &mut Context::from_waker(&waker);
    assert!(matches!(follower.poll_next(context), Poll::Ready(Ok(Some(Delivery::CaughtUp)))));
    assert!(follower.poll_next(context).is_pending());
    (0..10).for_each(|_| append(&store, "a"));
    assert_eq!(bell.rings.load(Ordering::SeqCst), 0, "none of it was asked for");
    store.close().unwrap();
    assert_eq!(bell.rings.load(Ordering::SeqCst), 1);
    assert!(matches!(follower.poll_next(context), Poll::Ready(Ok(None))));
}

/// Lets go of a store as it is woken.
struct LastOwner {
    store: Mutex<Option<Store>>,
    gate: Gate,
}

impl Wake for LastOwner {
    fn wake(self: Arc<Self>) {
        drop(self.store.lock().unwrap().take());
        self.gate.raise(1);
    }
}

#[test]
fn a_store_may_be_dropped_by_a_task_that_its_own_committer_has_woken() {
    let disk = FaultDisk::new(5);
    let store = open(&disk);
    let mut follower = store.all().from_end().subscribe().unwrap();
    let owner = Arc::new(LastOwner { store: Mutex::new(None), gate: Gate::new() });
    let waker = Waker::from(Arc::clone(&owner));
    let context = &mut Context::from_waker(&waker);
    assert!(matches!(follower.poll_next(context), Poll::Ready(Ok(Some(Delivery::CaughtUp)))));
    assert!(follower.poll_next(context).is_pending());
    disk.hold_syncs(true);
    let ticket = store.append_async("a", ExpectedVersion::Any, [event("Last")]).unwrap();
    *owner.store.lock().unwrap() = Some(store);
    disk.hold_syncs(false);
    assert!(owner.gate.wait(1, Some(Duration::from_secs(60))), "it is closed");
    ticket.wait().unwrap();
    assert!(matches!(follower.poll_next(context), Poll::Ready(Ok(Some(Delivery::Event(_))))));
    let store = open(&disk);
    assert_eq!(store.opening().recovered, None);
    assert_eq!(store.next_position().0, 1);
}

#[test]
fn a_wait_that_is_given_up_loses_nothing() {
    let store = open(&MemoryDisk::new());
    let mut follower = store.all().subscribe().unwrap();
    let context = &mut Context::from_waker(Waker::noop());
    for version in 0..50 {
        while let Some(Delivery::CaughtUp) = follower.try_next().unwrap() {}
        for _ in 0..2 {
            assert!(pin!(follower.next_async()).poll(context).is_pending());
        }
        append(&store, "a");
        assert!(matches!(follower.try_next().unwrap(),
            Some(Delivery::Event(event)) if event.version().0 == version));
    }
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    let store = open(&MemoryDisk::new());
    let waker = crate::panicking::waker();
    let mut panicking = store.all().from_end().subscribe().unwrap();
    assert!(panicking.poll_next(&mut Context::from_waker(&waker)).is_ready());
    let mut follower = store.all().from_end().subscribe().unwrap();
    for _ in 0..5 {
        while panicking.try_next().unwrap().is_some() {}
        assert!(panicking.poll_next(&mut Context::from_waker(&waker)).is_pending());
        let (appended, seen) = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                block_on(async {
                    loop {
                        if let Some(Delivery::Event(event)) = follower.next_async().await.unwrap() {
                            return Event::to_owned(&event);
                        }
                    }
                })
            });
            pause(2);
            append(&store, "a");
            (store.next_position().0 - 1, waiting.join().unwrap().position.0)
        });
        assert_eq!(appended, seen);
    }
    while panicking.try_next().unwrap().is_some() {}
    assert!(panicking.poll_next(&mut Context::from_waker(&waker)).is_pending());
    store.close().unwrap();
    assert_eq!(panicking.try_next().unwrap_err().kind(), ErrorKind::Closed);
}
