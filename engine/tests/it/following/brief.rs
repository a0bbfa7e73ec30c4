//! Writers that come and go between two looks of a reader elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{Delivery, Durability, ExpectedVersion, Mode, NewEvent, Options, ReadMode};
use quipu_disk::{Disk, FaultDisk};

use super::follower::{About, PATH, append, open, open_with, options};

/// Longer than a reader takes it for granted that nobody has come.
const A_WHILE: Duration = Duration::from_millis(200);

fn read_only() -> Options {
    Options { mode: Mode::ReadOnly, ..options(ReadMode::Map, Durability::Sync) }
}

#[test]
fn what_a_writer_appends_who_is_never_seen_is_read_and_followed() {
    let disk = FaultDisk::new(5);
    append(&open(&disk), "a");
    let reader = open_with(&disk, read_only());
    let mut all = reader.all().subscribe().unwrap();
    let mut got = 0;
    for round in 0..120 {
        let writer = open(&disk);
        (0..round % 3).for_each(|_| append(&writer, "a"));
        let events = writer.next_position().0;
        match round % 4 {
            0 => drop(writer),
            // One that has nothing to say.
            1 => drop((writer.close(), open(&disk))),
            _ => writer.close().unwrap(),
        }
        disk.advance(A_WHILE);
        while let Some(delivery) = all.try_next().unwrap() {
            if let Delivery::Event(event) = delivery {
                assert_eq!(event.position().0, got);
                got += 1;
            }
        }
        assert_eq!(got, events, "round {round}");
        assert_eq!(About::All.read(&reader).len() as u64, events, "round {round}");
    }
}

/// Looking whether somebody has come costs a few operations, however large the store is and whatever is wrong.
#[test]
fn an_idle_reader_does_not_read_the_store_again_and_again() {
    let idle = |disk: &FaultDisk| {
        let reader = open_with(disk, read_only());
        let events = reader.next_position();
        let before = disk.operations();
        for _ in 0..100 {
            disk.advance(A_WHILE);
            assert_eq!(reader.next_position(), events);
        }
        (disk.operations() - before) / 100
    };
    let disk = FaultDisk::new(6);
    let writer = open(&disk);
    (0..200).for_each(|_| append(&writer, "a"));
    let beside = idle(&disk);
    writer.close().unwrap();
    let closed = idle(&disk);
    let manifest = Path::new(PATH).join("manifest");
    disk.remove(&manifest).unwrap();
    let without = idle(&disk);
    disk.put(&manifest, &[7; 8192]).unwrap();
    let garbage = idle(&disk);
    for cost in [beside, closed, without, garbage] {
        assert!(cost <= 8, "{beside} {closed} {without} {garbage}");
    }
}

/// A segment that is too small for the first commit is left before it has a frame, and is no part of the log then.
#[test]
fn who_comes_while_the_first_segment_is_left_sees_at_once_what_is_acknowledged() {
    let disk = FaultDisk::new(5);
    let options = options(ReadMode::Map, Durability::Sync);
    let writer = Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &options).unwrap();
    let events = || vec![NewEvent::new("Large", vec![7; 12 << 10])];
    let place = || {
        let parts = [Part { stream: "a", expected: ExpectedVersion::Any, events: events() }];
        let step = writer.place(&parts, None, Durability::Sync, &mut Waiting::default()).unwrap();
        if let Step::Placed(copy) = step { drop(copy.finish()) } else { assert!(writer.chore()) }
    };
    while !writer.take_job() {
        place();
    }
    assert!(writer.finish_job(), "it is written, and not synced");
    let reader = open_with(&disk, read_only());
    assert_eq!(About::All.read(&reader).len(), 0);
    assert!(writer.take_job() && writer.finish_job());
    assert_eq!((writer.next_position().0, About::All.read(&reader).len()), (1, 1));
}
