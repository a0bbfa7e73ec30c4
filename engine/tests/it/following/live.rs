//! Catching up, going on, and going on later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use quipu::{Delivery, Durability, ExpectedVersion, ReadMode, Subscription, Timestamp, Version};
use quipu_disk::{Disk, MemoryDisk, RealDisk};

use super::follower::{
    ABOUT, About, Follower, Got, append, event, open, open_with, options, pause, write,
};

use crate::random::Random;

fn follows(read_mode: ReadMode, durability: Durability) {
    let store = open_with(&MemoryDisk::new(), options(read_mode, durability));
    let mut random = Random(7);
    (0..60).for_each(|_| write(&store, &mut random));
    let mut followers: Vec<_> =
        ABOUT.iter().map(|about| (*about, about.follow(&store, 0), Vec::new())).collect();
    for round in 0..200 {
        for (about, follower, events) in &mut followers {
            // Some lag behind.
            if random.once_in(3) {
                assert!(follower.catch_up(events).is_empty(), "{about:?}");
                assert_eq!(*events, about.read(&store), "{about:?} in round {round}");
            }
        }
        (0..random.below(4)).for_each(|_| write(&store, &mut random));
    }
    for (about, mut follower, mut events) in followers {
        assert!(follower.catch_up(&mut events).is_empty());
        assert_eq!(events, about.read(&store), "{about:?}");
        assert_eq!(follower.try_next().unwrap(), Got::Nothing);
    }
}

#[test]
fn every_selection_can_be_followed() {
    follows(ReadMode::Map, Durability::Sync);
    follows(ReadMode::Pread, Durability::Sync);
    follows(ReadMode::Map, Durability::Os);
}

#[test]
fn another_subscription_goes_on_where_one_stopped() {
    let store = open(&MemoryDisk::new());
    let mut random = Random(3);
    let mut followers: Vec<_> =
        ABOUT.iter().map(|about| (*about, about.follow(&store, 0), Vec::new())).collect();
    for _ in 0..300 {
        write(&store, &mut random);
        for (about, follower, events) in &mut followers {
            for _ in 0..random.below(4) {
                if let Got::Event(event) = follower.try_next().unwrap() {
                    events.push(event);
                }
            }
            *follower = about.follow(&store, follower.checkpoint());
        }
    }
    for (about, mut follower, mut events) in followers {
        assert!(follower.catch_up(&mut events).is_empty());
        assert_eq!(events, about.read(&store), "{about:?}");
    }
}

#[test]
fn from_the_end_comes_only_what_is_new() {
    let store = open(&MemoryDisk::new());
    let mut random = Random(9);
    (0..80).for_each(|_| write(&store, &mut random));
    for about in ABOUT {
        let old = about.read(&store).len();
        let mut follower = about.follow_from_end(&store);
        let mut later = about.follow(&store, follower.checkpoint());
        assert_eq!(follower.try_next().unwrap(), Got::CaughtUp);
        (0..50).for_each(|_| write(&store, &mut random));
        let (mut events, mut same) = (Vec::new(), Vec::new());
        assert!(follower.catch_up(&mut events).is_empty());
        assert!(later.catch_up(&mut same).is_empty());
        assert_eq!(events, about.read(&store)[old..], "{about:?}");
        assert_eq!(events, same, "{about:?} from what it said");
    }
}

#[test]
fn it_is_told_once_each_time_that_there_is_no_more() {
    let store = open(&MemoryDisk::new());
    let mut follower = About::Category("b").follow(&store, 0);
    assert_eq!(follower.next().unwrap(), Got::CaughtUp, "also if there was nothing at all");
    assert_eq!(follower.try_next().unwrap(), Got::Nothing);
    append(&store, "a");
    assert_eq!(follower.try_next().unwrap(), Got::Nothing, "nothing of what is followed");
    assert_eq!(follower.checkpoint(), 1, "and yet it need not be looked at again");
    for _ in 0..3 {
        append(&store, "b-1");
        append(&store, "b-2");
        assert_eq!(follower.next().unwrap().event().stream, "b-1");
        append(&store, "b-3");
        assert_eq!(follower.next().unwrap().event().stream, "b-2");
        assert_eq!(follower.next().unwrap().event().stream, "b-3");
        assert_eq!(follower.next().unwrap(), Got::CaughtUp);
        assert_eq!(follower.try_next().unwrap(), Got::Nothing);
    }
}

#[test]
fn it_waits_for_what_is_not_there_yet() {
    let store = open(&MemoryDisk::new());
    append(&store, "a");
    let mut by_position = About::All.follow(&store, 3);
    let mut by_version = About::Stream("a").follow(&store, 2);
    for follower in [&mut by_position, &mut by_version] {
        assert_eq!(follower.try_next().unwrap(), Got::CaughtUp);
    }
    assert_eq!((by_position.checkpoint(), by_version.checkpoint()), (3, 2));
    for _ in 0..4 {
        append(&store, "a");
        append(&store, "b");
    }
    assert_eq!(by_position.try_next().unwrap().event().position.0, 3);
    for version in 2..5 {
        assert_eq!(by_version.try_next().unwrap().event().version.0, version);
    }
    assert_eq!(by_version.try_next().unwrap(), Got::CaughtUp);
}

#[test]
fn times_narrow_down_what_comes_too() {
    let store = open(&MemoryDisk::new());
    let occurred = |at| event("Sold").occurred(Timestamp(at));
    store.append("a", ExpectedVersion::Any, [occurred(5), occurred(7)]).unwrap();
    let mut sold = store.all().occurred_between(Timestamp(6), Timestamp(8)).subscribe().unwrap();
    let mut never = store.all().since(Timestamp(i64::MAX)).subscribe().unwrap();
    store.append("a", ExpectedVersion::Any, [occurred(9), occurred(8)]).unwrap();
    let mut got = Vec::new();
    while let Some(delivery) = sold.try_next().unwrap() {
        if let Delivery::Event(event) = delivery {
            got.push(event.version().0);
        }
    }
    assert_eq!(got, [1, 3]);
    assert!(matches!(never.try_next().unwrap(), Some(Delivery::CaughtUp)));
    assert!(never.try_next().unwrap().is_none(), "not even what was recorded later than it began");
    let done = store.append("b", ExpectedVersion::Any, [event("Noted")]).unwrap();
    let mut recent = store.all().since(done.recorded).subscribe().unwrap();
    let Some(Delivery::Event(event)) = recent.try_next().unwrap() else { panic!("no event") };
    assert!(event.recorded() >= done.recorded);
}

/// Follows in a thread, which says how many events it has got.
fn count_events(mut follower: Follower) -> (Arc<AtomicU64>, JoinHandle<()>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let thread = std::thread::spawn(move || {
        loop {
            match follower.next().unwrap() {
                Got::Event(_) => _ = counted.fetch_add(1, Ordering::SeqCst),
                Got::CaughtUp => {}
                Got::Nothing => break,
            }
        }
    });
    (count, thread)
}

#[test]
fn a_thread_that_waits_is_woken_by_all_that_it_follows() {
    let store = open(&MemoryDisk::new());
    let mut random = Random(11);
    let followers: Vec<_> =
        ABOUT.iter().map(|about| (*about, count_events(about.follow(&store, 0)))).collect();
    for round in 0..150 {
        write(&store, &mut random);
        if random.once_in(3) {
            // They fall asleep.
            pause(1);
        }
        for (about, (count, _)) in &followers {
            let wanted = about.read(&store).len() as u64;
            let mut patience = 30_000;
            while count.load(Ordering::SeqCst) < wanted {
                assert!(patience > 0, "{about:?} sleeps in round {round}");
                patience -= 1;
                pause(1);
            }
            assert_eq!(count.load(Ordering::SeqCst), wanted);
        }
    }
    store.close().unwrap();
    followers.into_iter().for_each(|(_, (_, thread))| thread.join().unwrap());
}

#[test]
fn a_wait_ends_in_time_whatever_else_is_appended() {
    let (store, clock) = (open(&MemoryDisk::new()), RealDisk::new());
    let mut follower = store.stream("b").subscribe().unwrap();
    assert!(matches!(follower.try_next().unwrap(), Some(Delivery::CaughtUp)));
    let (began, most) = (clock.elapsed(), Duration::from_millis(60));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            assert!(follower.next_within(most).unwrap().is_none());
            follower
        });
        while !waiter.is_finished() {
            append(&store, "a");
        }
        let took = clock.elapsed() - began;
        assert!((most..most * 50).contains(&took), "{took:?}");
        append(&store, "b");
        let mut follower = waiter.join().unwrap();
        let delivery = follower.next_within(Duration::from_secs(60)).unwrap();
        assert!(matches!(delivery, Some(Delivery::Event(_))));
    });
}

#[test]
fn a_loop_over_a_subscription_gets_events_alone() {
    let store = open(&MemoryDisk::new());
    (0..3).for_each(|_| append(&store, "b-1"));
    let follower = store.category("b").subscribe().unwrap();
    let writer = std::thread::spawn(move || {
        (0..3).for_each(|_| append(&store, "b-2"));
        store.close().unwrap();
    });
    let mut streams = Vec::new();
    for event in follower {
        streams.push(event.unwrap().stream);
    }
    assert_eq!(streams, ["b-1", "b-1", "b-1", "b-2", "b-2", "b-2"]);
    writer.join().unwrap();
}

#[test]
fn a_subscription_can_be_moved_into_a_thread() {
    fn is_free<T: Send + 'static>() {}
    is_free::<Subscription>();
    is_free::<Subscription<Version>>();
    is_free::<Follower>();
}
