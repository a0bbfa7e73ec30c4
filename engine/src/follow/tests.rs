//! What a follower holds on to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use quipu_disk::MemoryDisk;
use quipu_index::Part;

use crate::segments::Segments;
use crate::{Delivery, ExpectedVersion, NewEvent, Options, Store, Subscription};

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
    let small = Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        ..Options::default()
    };
    let disk = Arc::new(MemoryDisk::new());
    let builder = || Store::builder("s").disk(disk.clone()).options(small.clone());
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
