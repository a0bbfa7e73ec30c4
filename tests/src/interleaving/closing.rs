//! A store that is closed while others wait for it.

use quipu::Delivery;
use quipu_disk::FaultDisk;
use shuttle::future::block_on;
use shuttle::thread::spawn;

use super::stage::{Order, any_durability, join, open, submit};

const COMMITS: u64 = 3;

/// Tickets are waited for and awaited, and subscriptions wait, as the store is closed.
pub(super) fn play() {
    let store = open(&FaultDisk::new(6), any_durability());
    let mut threads = Vec::new();
    for follows in [store.all(), store.category("writer")] {
        let mut subscription = follows.subscribe().expect("a subscription needs nothing");
        threads.push(spawn(move || {
            let mut order = Order::default();
            while let Some(delivery) = subscription.next().expect("nothing fails in this scene") {
                if let Delivery::Event(event) = delivery {
                    order.check(&event);
                }
            }
            assert_eq!(order.next, COMMITS, "it ended before everything was delivered");
        }));
    }
    for number in 0..COMMITS {
        let ticket = submit(&store, 0, number, any_durability()).expect("there is room in the end");
        threads.push(spawn(move || {
            let done = if number % 2 == 0 { ticket.wait() } else { block_on(ticket) };
            assert_eq!(done.expect("nothing fails in this scene").position.0, number);
        }));
    }
    store.close().expect("nothing fails in this scene");
    join(threads);
}
