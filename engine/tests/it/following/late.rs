//! Following across a recovery that found no room as the store was opened, and is made up for later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use quipu::{Durability, ExpectedVersion, NewEvent, Options, ReadMode, Store};
use quipu_disk::{FaultDisk, Gate, PowerCut};

use super::follower::{ABOUT, Got, append, open_with, options, write};
use crate::random::Random;

/// A store that crashed while its disk was full, opened again: it can be read, and not be recovered yet.
fn postponed(read_mode: ReadMode, durability: Durability, seed: u64) -> (FaultDisk, Store) {
    // Where there is a segment to spare, recovery takes that one's room.
    let mut tries = (0..50).map(|n| crashed(read_mode, durability, seed + 100 * n));
    tries.find(|(_, store)| store.opening().postponed.is_some()).unwrap()
}

fn crashed(read_mode: ReadMode, durability: Durability, seed: u64) -> (FaultDisk, Store) {
    let options = Options { ballast_bytes: 0, ..options(read_mode, durability) };
    let disk = FaultDisk::new(seed);
    let store = open_with(&disk, options.clone());
    let mut random = Random(seed);
    (0..90 + random.below(20)).for_each(|_| write(&store, &mut random));
    disk.plan_full(Some(40 << 10));
    let moved = || [NewEvent::new("Moved", vec![7; 900])];
    (0..2000).find_map(|_| store.append("a", ExpectedVersion::Any, moved()).err()).unwrap();
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    after.plan_full(Some(0));
    let store = open_with(&after, options);
    (after, store)
}

fn followed(read_mode: ReadMode, durability: Durability, seed: u64) {
    let (disk, store) = postponed(read_mode, durability, seed);
    let mut random = Random(seed);
    let mut followers: Vec<_> = ABOUT
        .iter()
        .chain(&ABOUT)
        .map(|about| (*about, about.follow(&store, 0), Vec::new()))
        .collect();
    for (n, (about, follower, events)) in followers.iter_mut().enumerate() {
        if n >= ABOUT.len() || random.once_in(2) {
            // In the middle of what there is.
            for _ in 0..1 + random.below(20) {
                if let Got::Event(event) = follower.try_next().unwrap() {
                    events.push(event);
                }
            }
        } else {
            assert!(follower.catch_up(events).is_empty());
            assert_eq!(*events, about.read(&store));
        }
    }
    disk.plan_full(None);
    for _ in 0..60 {
        write(&store, &mut random);
        for (about, follower, events) in &mut followers[..ABOUT.len()] {
            if random.once_in(5) {
                assert!(follower.catch_up(events).is_empty());
                assert_eq!(*events, about.read(&store), "{about:?}, seed {seed}");
            }
        }
    }
    for (about, mut follower, mut events) in followers {
        assert!(follower.catch_up(&mut events).is_empty());
        assert_eq!(events, about.read(&store), "{about:?}, seed {seed}");
    }
}

#[test]
fn followers_go_on_across_a_late_recovery() {
    for seed in 0..6 {
        followed(ReadMode::Map, Durability::Sync, seed);
        followed(ReadMode::Pread, Durability::Os, seed);
    }
}

/// Appends to the store as soon as it is woken, in the thread that wakes it.
struct Appends {
    store: Weak<Store>,
    first: AtomicBool,
    done: Gate,
}

impl Wake for Appends {
    fn wake(self: Arc<Self>) {
        if self.first.swap(false, Ordering::SeqCst)
            && let Some(store) = self.store.upgrade()
        {
            append(&store, "from-the-waker");
            self.done.raise(1);
        }
    }
}

#[test]
fn a_task_may_append_as_it_is_woken_after_a_late_recovery() {
    let (disk, store) = postponed(ReadMode::Map, Durability::Sync, 3);
    let store = Arc::new(store);
    let mut follower = store.all().from_end().subscribe().unwrap();
    let appends = Arc::new(Appends {
        store: Arc::downgrade(&store),
        first: AtomicBool::new(true),
        done: Gate::new(),
    });
    let waker = Waker::from(Arc::clone(&appends));
    while follower.poll_next(&mut Context::from_waker(&waker)).is_ready() {}
    disk.plan_full(None);
    let next = store.next_position().0;
    let writer = Arc::clone(&store);
    // Not joined before it is known to be done: a thread that waits for itself would be waited for as well.
    let thread = std::thread::spawn(move || append(&writer, "b"));
    assert!(appends.done.wait(1, Some(Duration::from_secs(60))), "the writer waits for itself");
    thread.join().unwrap();
    assert_eq!(store.next_position().0, next + 2);
}
