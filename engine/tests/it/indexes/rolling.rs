//! A segment is full when its index is.

use std::sync::Arc;
use std::time::Duration;

use quipu::{ExpectedVersion, NewEvent, Options, Store};
use quipu_disk::MemoryDisk;

/// Number of segments of a store with so many streams of one event each.
fn segments(segment_keys_max: u32, streams: u64) -> u64 {
    let disk = Arc::new(MemoryDisk::new());
    let options = Options {
        segment_keys_max,
        segment_bytes_min: 4 << 20,
        ballast_bytes: 0,
        ..Options::default()
    };
    let store = Store::builder("s").disk(disk.clone()).options(options).open().unwrap();
    for stream in 0..streams {
        if stream % 128 == 0 {
            // Whoever is quicker than the preparation of the next segment goes on in the one that is full.
            std::thread::sleep(Duration::from_millis(3));
        }
        let event = NewEvent::new("T", vec![]);
        store.append(&format!("s-{stream}"), ExpectedVersion::NoStream, [event]).unwrap();
    }
    store.close().unwrap();
    quipu::verify_on(&*disk, "s".as_ref(), &mut |_| {}).unwrap().segments
}

#[test]
fn a_segment_rolls_when_it_holds_as_many_keys_as_it_may() {
    let segments = segments(1024, 10_000);
    assert!((5..=10).contains(&segments), "{segments} segments");
}

#[test]
fn a_segment_with_few_keys_does_not_roll() {
    assert_eq!(segments(1 << 20, 10_000), 1);
}
