//! Writers and the commit pipeline: what is acknowledged is there, and whoever waits is told.

use std::sync::{Arc, Mutex};

use quipu::{Delivery, Durability, ErrorKind, Store, Ticket};
use quipu_disk::{Errno, Fault, FaultDisk, FaultKind, PowerCut};
use shuttle::future::block_on;
use shuttle::thread::{spawn, yield_now};

use super::stage::{
    JOINED, Order, alone, any_durability, append, below, join, open, open_with, read_all, submit,
    writers,
};

const WRITERS: usize = 3;
const COMMITS: u64 = 3;

/// One commit in one of the ways there are, to a store of this durability, until it is acknowledged.
fn commit(store: &Store, writer: usize, number: u64, whole: Durability) -> quipu::Result<()> {
    let own = any_durability();
    let (position, durability) = match below(3) {
        0 => (append(store, writer, number)?, whole),
        1 => (submit(store, writer, number, own)?.wait()?.position.0, own),
        _ => (block_on(submit(store, writer, number, own)?)?.position.0, own),
    };
    // What a store calls visible is as durable as the store: of a commit that asks for less that is not said.
    if durability == Durability::Sync || whole == Durability::Os {
        assert!(store.next_position().0 > position, "acknowledged and not visible");
    }
    Ok(())
}

fn one_by_one(store: &Store, writer: usize, whole: Durability) {
    for number in 0..COMMITS {
        commit(store, writer, number, whole).expect("nothing fails in this scene");
    }
}

fn all_at_once(store: &Store, writer: usize) {
    let submit = |number| submit(store, writer, number, any_durability());
    let tickets: Vec<_> = (0..COMMITS).map(submit).collect();
    for ticket in tickets {
        ticket.and_then(Ticket::wait).expect("nothing fails in this scene");
    }
}

/// Both durabilities, rolls, and room that is scarce.
pub(super) fn play() {
    let durability = any_durability();
    let store = Arc::new(open(&FaultDisk::new(1), durability));
    join(writers(&store, WRITERS, move |store, writer| match below(2) {
        0 => all_at_once(store, writer),
        _ => one_by_one(store, writer, durability),
    }));
    let mut all = store.all().subscribe().expect("a subscription needs nothing");
    alone(store).close().expect("nothing fails in this scene");
    let mut order = Order::default();
    while let Some(delivery) = all.next().expect("nothing fails in this scene") {
        if let Delivery::Event(event) = delivery {
            order.check(&event);
        }
    }
    assert_eq!(order.next, WRITERS as u64 * COMMITS, "acknowledged and lost");
}

/// More commits on their way than the staging buffers hold, in one segment: only the committer makes room.
pub(super) fn play_for_room() {
    let store = Arc::new(open_with(&FaultDisk::new(8), any_durability(), 64 << 10));
    join(writers(&store, WRITERS, all_at_once));
    alone(store).close().expect("nothing fails in this scene");
}

/// How many commits were acknowledged; the first that is not is told why, and all after it.
fn write_until_it_fails(store: &Store, writer: usize, durability: Durability) -> u64 {
    let mut acknowledged = 0;
    for number in 0..COMMITS {
        match commit(store, writer, number, durability) {
            Ok(()) => {
                assert_eq!(acknowledged, number, "taken after a failure");
                acknowledged += 1;
            }
            Err(error) => {
                let kind = error.kind();
                assert!(
                    matches!(kind, ErrorKind::Unknown | ErrorKind::Poisoned | ErrorKind::Conflict),
                    "{error}"
                );
            }
        }
    }
    acknowledged
}

/// One call to the disk fails, whichever it is.
pub(super) fn play_with_a_failure() {
    let disk = FaultDisk::new(2);
    let durability = any_durability();
    let store = Arc::new(open(&disk, durability));
    let at = disk.operations() + below(40) as u64;
    disk.plan(Fault { at, kind: FaultKind::Error(Errno::TimedOut), sticky: false });
    let acknowledged: Vec<u64> = join(writers(&store, WRITERS, move |store, writer| {
        write_until_it_fails(store, writer, durability)
    }));
    let read = read_all(&store);
    if durability == Durability::Os {
        assert!(read >= acknowledged.iter().sum(), "acknowledged and not visible");
    }
    // That it was not closed well is told where something failed; here it must only come to an end.
    drop(alone(store));
}

/// The power goes off at any moment: what was acknowledged as durable before is there afterwards.
pub(super) fn play_until_the_power_is_cut() {
    let disk = FaultDisk::new(3);
    let store = Arc::new(open(&disk, Durability::Sync));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..2)
        .map(|writer| {
            let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
            spawn(move || {
                for number in 0..COMMITS {
                    let Ok(position) = append(&store, writer, number) else { return };
                    acknowledged.lock().expect(JOINED).push(position);
                }
            })
        })
        .collect();
    for _ in 0..below(200) {
        yield_now();
    }
    let before = acknowledged.lock().expect(JOINED).clone();
    let after = disk.power_cut(PowerCut::LoseAll);
    join(threads);
    drop(alone(store));
    let found = read_all(&open(&after, Durability::Sync));
    let promised = before.iter().max().map_or(0, |position| position + 1);
    assert!(found >= promised, "{promised} events were acknowledged, {found} are there");
}
