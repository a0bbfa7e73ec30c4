//! Followers that catch up and then follow, while writers go on.

use std::sync::Arc;

use quipu::{Delivery, Store, Subscription};
use quipu_disk::FaultDisk;
use shuttle::future::block_on;
use shuttle::thread::spawn;

use super::stage::{Order, alone, any_durability, append, join, open, submit, writers};

const WRITERS: usize = 2;
const COMMITS: u64 = 3;
const EVENTS: u64 = WRITERS as u64 * COMMITS;

fn write(store: &Store, writer: usize) {
    for number in 0..COMMITS {
        append(store, writer, number).expect("nothing fails in this scene");
    }
}

fn follow(mut subscription: Subscription) {
    let mut order = Order::default();
    while order.next < EVENTS {
        match subscription.next().expect("nothing fails in this scene") {
            Some(Delivery::Event(event)) => order.check(&event),
            Some(Delivery::CaughtUp) => {}
            None => unreachable!("the store is open"),
        }
    }
}

async fn follow_async(mut subscription: Subscription, events: u64) {
    let mut order = Order::default();
    while order.next < events {
        match subscription.next_async().await.expect("nothing fails in this scene") {
            Some(Delivery::Event(event)) => order.check(&event),
            Some(Delivery::CaughtUp) => {}
            None => unreachable!("the store is open"),
        }
    }
}

fn with_writers(follow: impl Fn(Subscription) + Copy + Send + 'static) {
    let store = Arc::new(open(&FaultDisk::new(5), any_durability()));
    let mut threads = writers(&store, WRITERS, write);
    for selection in [store.all(), store.event_type("Counted")] {
        let subscription = selection.subscribe().expect("a subscription needs nothing");
        threads.push(spawn(move || follow(subscription)));
    }
    join(threads);
    alone(store).close().expect("nothing fails in this scene");
}

/// One follows everything, one a type that all events have, each in a thread of its own.
pub(super) fn play() {
    with_writers(follow);
}

/// One task appends, another follows it, and nothing else happens: whoever misses to be woken is not woken by chance.
pub(super) fn play_two_tasks() {
    let store = Arc::new(open(&FaultDisk::new(7), any_durability()));
    let subscription = store.all().subscribe().expect("a subscription needs nothing");
    let follower = spawn(move || block_on(follow_async(subscription, 2)));
    for number in 0..2 {
        let ticket = submit(&store, 0, number, any_durability()).expect("there is room");
        block_on(ticket).expect("nothing fails in this scene");
    }
    join(vec![follower]);
    alone(store).close().expect("nothing fails in this scene");
}

/// The same in tasks.
pub(super) fn play_in_a_task() {
    with_writers(|subscription| block_on(follow_async(subscription, EVENTS)));
}
