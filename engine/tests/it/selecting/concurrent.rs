//! Readers while writers append.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use quipu::{Events, ExpectedVersion, NewEvent, ReadMode, Store};
use quipu_disk::MemoryDisk;

use super::store::open;

const WRITERS: u64 = 3;
const COMMITS: u64 = 250;

/// Each writer numbers its events in a stream of its own; all carry one tag, and that of their writer.
fn write(store: &Store, writer: u64) {
    let stream = format!("w-{writer}");
    for number in 0..COMMITS {
        let event = |name: u64| {
            NewEvent::new("Counted", name.to_le_bytes().to_vec())
                .tag("all")
                .tag(format!("writer:{writer}"))
        };
        let events = [event(2 * number), event(2 * number + 1)];
        store.append(&stream, ExpectedVersion::Any, events).unwrap();
    }
}

/// Reads to the end: positions rise, versions of each stream follow one another, nothing is beyond what was
/// visible, and nothing that was visible before is missing.
fn check(mut events: Events, after: u64, least: u64) -> u64 {
    let mut versions: HashMap<String, u64> = HashMap::new();
    let (mut last, mut count) = (None, 0);
    while let Some(event) = events.next().unwrap() {
        assert!(last < Some(event.position()), "out of order");
        assert!(event.position().0 < after, "beyond what is visible");
        last = Some(event.position());
        let next = versions.entry(event.stream().to_owned()).or_default();
        assert_eq!(event.version().0, *next, "skipped or repeated");
        assert_eq!(event.payload(), next.to_le_bytes());
        *next += 1;
        count += 1;
    }
    assert!(count >= least, "{count} events, {least} were visible before");
    count
}

fn read(store: &Store, done: &AtomicBool) {
    let (mut seen, mut by_tag, mut backward) = (0, 0, 0);
    loop {
        let finished = done.load(Ordering::Acquire);
        let before = store.next_position().0;
        let all = store.tag("all").events().unwrap();
        seen = check(all, store.next_position().0, seen.max(before));
        let one = store.tag("writer:1").events().unwrap();
        by_tag = check(one, store.next_position().0, by_tag);
        let stream = store.stream("w-0").from(0).events().unwrap();
        check(stream, store.next_position().0, 0);
        let mut down = store.stream("w-2").backward().events().unwrap();
        let head = store.head("w-2").unwrap().map_or(0, |head| head.version.0 + 1);
        let mut count = 0;
        while let Some(event) = down.next().unwrap() {
            assert!(event.version().0 < head, "{} of {head}", event.version());
            count += 1;
        }
        assert!(count >= backward);
        backward = count;
        if finished {
            assert_eq!((seen, backward), (WRITERS * COMMITS * 2, COMMITS * 2));
            return;
        }
    }
}

fn race(read_mode: ReadMode) {
    let store = open(&MemoryDisk::new(), read_mode);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let store = &store;
                    move || write(store, writer)
                })
            })
            .collect();
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read(&store, &done))).collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn readers_skip_and_repeat_nothing_while_writers_append() {
    race(ReadMode::Map);
}

#[test]
fn nor_do_readers_without_maps() {
    race(ReadMode::Pread);
}
