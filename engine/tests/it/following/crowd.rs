//! Many writers, many readers, many followers, and a disk whose syncs are held back now and then.
//!
//! `QUIPU_CROWD_SECONDS=10` runs it for ten seconds instead of one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use quipu::{Delivery, Event, ExpectedVersion, NewEvent, Options, Store, Subscription};
use quipu_disk::{Disk, FaultDisk, RealDisk};

use super::follower::{open_with, pause};

const WRITERS: u64 = 64;
const READERS: usize = 8;
/// Readers that have got nothing for so long have failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What everybody sees of one run.
struct Crowd {
    store: Store,
    disk: FaultDisk,
    done: AtomicBool,
    /// Each writer is here while it appends.
    writing: RwLock<()>,
    /// Events that readers were served.
    reads: AtomicU64,
    /// The first position that nobody may see while syncs are held back.
    bound: Arc<AtomicU64>,
}

/// Does something at last, also when a check fails before: nobody may be left waiting.
struct Finally<F: Fn()>(F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Checks that events come in order: positions dense if they are all, versions of each stream in any case.
#[derive(Default)]
struct Order {
    next: u64,
    versions: HashMap<String, u64>,
    events: u64,
}

/// Which positions may be missing.
#[derive(Clone, Copy, PartialEq)]
enum Gaps {
    None,
    /// Events of others.
    Others,
}

impl Order {
    fn check(&mut self, event: &Event<'_>, gaps: Gaps) {
        let position = event.position().0;
        match gaps {
            Gaps::None => assert_eq!(position, self.next, "skipped or repeated"),
            Gaps::Others => assert!(position >= self.next, "out of order"),
        }
        self.next = position + 1;
        let stream = event.stream();
        if !self.versions.contains_key(stream) {
            self.versions.insert(stream.to_owned(), 0);
        }
        let version = self.versions.get_mut(stream).unwrap();
        assert_eq!(event.version().0, *version, "of {stream}");
        assert_eq!(event.payload(), version.to_le_bytes());
        *version += 1;
        self.events += 1;
    }
}

impl Crowd {
    fn write(&self, writer: u64) -> u64 {
        let stream = format!("w{}-{writer}", writer % 4);
        let mut version: u64 = 0;
        while !self.done.load(Ordering::Acquire) {
            let payload = version.to_le_bytes().to_vec();
            let event = NewEvent::new("Counted", payload).tag(format!("writer:{writer}"));
            let expected = match version.checked_sub(1) {
                None => ExpectedVersion::NoStream,
                Some(last) => ExpectedVersion::Exact(last),
            };
            let _writing = self.writing.read().unwrap();
            let done = self.store.append(&stream, expected, [event]).unwrap();
            assert_eq!(done.version.0, version);
            version += 1;
        }
        version
    }

    /// Reads everything, again and again.
    fn read(&self) {
        while !self.done.load(Ordering::Acquire) {
            let mut order = Order::default();
            let mut events = self.store.all().events().unwrap();
            while let Some(event) = events.next().unwrap() {
                assert!(event.position().0 < self.bound.load(Ordering::SeqCst), "not settled");
                order.check(&event, Gaps::None);
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until readers have been served more than so many events.
    fn await_reads(&self, reads: u64, patience: Duration) {
        let clock = RealDisk::new();
        let begins = clock.elapsed();
        while self.reads.load(Ordering::Relaxed) <= reads {
            assert!(clock.elapsed() - begins < patience, "no reader gets anything any more");
            pause(1);
        }
    }

    /// Holds syncs back for a moment: readers go on, and nobody sees more than before.
    fn hold(&self, patience: Duration) {
        // In an empty store nobody could go on.
        self.await_reads(0, patience);
        let quiet = self.writing.write().unwrap();
        // Everything that was appended is acknowledged.
        let settled = self.store.next_position();
        self.bound.store(settled.0, Ordering::SeqCst);
        self.disk.hold_syncs(true);
        let release = Finally(|| self.disk.hold_syncs(false));
        drop(quiet);
        for _ in 0..3 {
            self.await_reads(self.reads.load(Ordering::Relaxed), patience);
            pause(3);
        }
        assert_eq!(self.store.next_position(), settled);
        self.bound.store(u64::MAX, Ordering::SeqCst);
        drop(release);
    }
}

fn duration() -> Duration {
    let seconds = std::env::var("QUIPU_CROWD_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(1))
}

/// Follows until the store is closed.
fn follow<From: Send + 'static>(
    mut subscription: Subscription<From>,
    bound: &Arc<AtomicU64>,
    gaps: Gaps,
) -> JoinHandle<Order> {
    let bound = Arc::clone(bound);
    std::thread::spawn(move || {
        let mut order = Order::default();
        while let Some(delivery) = subscription.next().unwrap() {
            if let Delivery::Event(event) = delivery {
                assert!(event.position().0 < bound.load(Ordering::SeqCst), "not settled");
                order.check(&event, gaps);
            }
        }
        order
    })
}

/// Lets all of them write and read for a while; gives the number of events of each writer.
fn run(crowd: &Crowd) -> Vec<u64> {
    let clock = RealDisk::new();
    let begins = clock.elapsed();
    std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || crowd.write(writer))).collect();
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| crowd.read())).collect();
        let done = Finally(|| crowd.done.store(true, Ordering::Release));
        while clock.elapsed() - begins < duration() {
            pause(20);
            crowd.hold(PATIENCE);
        }
        drop(done);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

fn crowd() -> Crowd {
    let disk = FaultDisk::new(64);
    let small = Options {
        segment_bytes_min: 256 << 10,
        segment_bytes_max: 256 << 10,
        ..Options::default()
    };
    Crowd {
        store: open_with(&disk, small),
        disk,
        done: AtomicBool::new(false),
        writing: RwLock::new(()),
        reads: AtomicU64::new(0),
        bound: Arc::new(AtomicU64::new(u64::MAX)),
    }
}

#[test]
#[should_panic(expected = "no reader gets anything any more")]
fn readers_that_have_failed_are_not_waited_for() {
    let crowd = crowd();
    crowd.reads.store(1, Ordering::Relaxed);
    crowd.hold(Duration::from_millis(5));
}

#[test]
fn nothing_is_skipped_or_repeated_in_a_crowd() {
    let crowd = crowd();
    let Crowd { store, bound, .. } = &crowd;
    let all: Vec<_> = (0..READERS - 4)
        .map(|_| follow(store.all().subscribe().unwrap(), bound, Gaps::None))
        .collect();
    let typed = follow(store.event_type("Counted").subscribe().unwrap(), bound, Gaps::None);
    let tagged = follow(store.tag("writer:3").subscribe().unwrap(), bound, Gaps::Others);
    let stream = follow(store.stream("w3-3").subscribe().unwrap(), bound, Gaps::Others);
    let category = follow(store.category("w0").subscribe().unwrap(), bound, Gaps::Others);
    let written = run(&crowd);
    let total: u64 = written.iter().sum();
    println!("{total} events, {} read, {:?}", crowd.reads.load(Ordering::Relaxed), store.stats());
    crowd.store.close().unwrap();
    let count = |follower: JoinHandle<Order>| follower.join().unwrap().events;
    assert!(all.into_iter().all(|follower| count(follower) == total));
    assert_eq!([count(typed), count(tagged), count(stream)], [total, written[3], written[3]]);
    assert_eq!(count(category), written.iter().step_by(4).sum::<u64>());
}
