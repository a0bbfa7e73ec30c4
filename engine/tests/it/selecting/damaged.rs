//! Reads of a store whose log is damaged: all that is lost is told, all else is served.

use std::path::{Path, PathBuf};

use quipu::{ErrorKind, Event, Events, OwnedEvent, ReadMode, Store};
use quipu_disk::{Access, Disk, MemoryDisk, read_exact_at, write_all_at};

use super::model::{About, Ask, STREAMS};
use super::store::{PATH, Written, open, open_to_read};
use crate::random::Random;

/// A store on a disk that can be copied, and what is in it.
fn written(seed: u64) -> (MemoryDisk, Vec<OwnedEvent>) {
    let mut written = Written::new(seed);
    let store = open(&written.disk, ReadMode::Map);
    written.write(&store, 120);
    store.close().unwrap();
    let disk = MemoryDisk::new();
    disk.create_directory(Path::new(PATH)).unwrap();
    for name in written.disk.list(Path::new(PATH)).unwrap() {
        let path = Path::new(PATH).join(name);
        let from = written.disk.open(&path, Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(from.size().unwrap()).unwrap()];
        read_exact_at(&*from, &mut bytes, 0).unwrap();
        let to = disk.open(&path, Access::Create).unwrap();
        write_all_at(&*to, &bytes, 0).unwrap();
    }
    (disk, written.events)
}

fn flip(disk: &MemoryDisk, path: &Path, offset: u64, mask: u8) {
    let file = disk.open(path, Access::Write).unwrap();
    let mut byte = [0];
    read_exact_at(&*file, &mut byte, offset).unwrap();
    write_all_at(&*file, &[byte[0] ^ mask], offset).unwrap();
}

/// What a cursor serves, and the positions that it says are lost.
fn collect(mut events: Events) -> (Vec<OwnedEvent>, Vec<std::ops::Range<u64>>) {
    let (mut served, mut lost) = (Vec::new(), Vec::new());
    loop {
        assert!(lost.len() < 10_000, "reading does not come to an end");
        match events.next() {
            Ok(Some(event)) => served.push(Event::to_owned(&event)),
            Ok(None) => return (served, lost),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                let damage = error.damage().unwrap();
                assert!(damage.file.starts_with(PATH), "{error}");
                lost.push(damage.positions.start.0..damage.positions.end.0);
            }
        }
    }
}

/// Everything that was asked for is served as it was written or told to be lost, and never both. Returns
/// how many were lost.
fn check(store: &Store, ask: &Ask, events: &[OwnedEvent], at: &str) -> usize {
    let (served, lost) = collect(ask.events(store).unwrap());
    let is_lost = |position: u64| lost.iter().any(|range| range.contains(&position));
    let wanted = ask.answer(events);
    let left: Vec<u64> = wanted.iter().copied().filter(|position| !is_lost(*position)).collect();
    let positions: Vec<u64> = served.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, left, "{at}: {ask:?}: lost {lost:?}");
    for event in &served {
        assert_eq!(*event, events[event.position.0 as usize], "{at}: {ask:?}");
    }
    let told: u64 = lost.iter().map(|range| range.end - range.start).sum();
    assert!(told <= 12, "{at}: {ask:?}: a byte costs at most a commit, not {lost:?}");
    for (n, range) in lost.iter().enumerate() {
        let overlaps =
            |other: &std::ops::Range<u64>| other.start < range.end && range.start < other.end;
        assert!(!lost[n + 1..].iter().any(overlaps), "{at}: {ask:?}: told twice: {lost:?}");
    }
    wanted.len() - left.len()
}

/// Reads of each kind, both ways, from the end and from the middle.
fn asks(random: &mut Random, events: &[OwnedEvent]) -> Vec<Ask> {
    let about = [
        About::All,
        About::Stream("long-stream".to_owned()),
        About::Stream("b-1".to_owned()),
        About::Category("b".to_owned()),
        About::Type("Moved".to_owned()),
        About::Tag("k:1".to_owned()),
        About::Query(vec![
            (vec!["Opened".to_owned()], vec!["k:1".to_owned(), "m".to_owned()]),
            (vec![], vec!["n".to_owned()]),
        ]),
        About::Query(vec![(vec![], vec![])]),
    ];
    let mut asks = Vec::new();
    for about in about {
        for backward in [false, true] {
            let ask = Ask { backward, ..Ask::simply(about.clone()) };
            let most = events.iter().filter(|event| about.has(event)).count() as u64;
            let from = match about {
                About::Stream(_) => random.below(most + 2),
                _ => random.below(events.len() as u64),
            };
            asks.push(Ask { from: Some(from), ..ask.clone() });
            asks.push(ask);
        }
    }
    asks
}

/// The files of these kinds, and their sizes.
fn files(disk: &MemoryDisk, kinds: &[&str]) -> Vec<(PathBuf, u64)> {
    let names = disk.list(Path::new(PATH)).unwrap();
    let paths = names.iter().map(|name| Path::new(PATH).join(name));
    let is_of = |path: &Path| path.extension().is_some_and(|kind| kinds.iter().any(|k| kind == *k));
    let sized = paths.filter(|path| is_of(path)).map(|path| {
        let size = disk.open(&path, Access::Read).unwrap().size().unwrap();
        (path, size)
    });
    sized.collect()
}

/// Flips bytes all over the log, and reads after each. `open` says when the store is opened: before or
/// after the byte is flipped.
fn damage(seed: u64, step: usize, reopen: impl Fn(&MemoryDisk, &dyn Fn()) -> Store) {
    damage_of(&written(seed), step, reopen);
}

fn damage_of(
    (disk, events): &(MemoryDisk, Vec<OwnedEvent>),
    step: usize,
    reopen: impl Fn(&MemoryDisk, &dyn Fn()) -> Store,
) {
    let mut random = Random(events.len() as u64);
    let mut lost = 0;
    for (path, size) in files(disk, &["seg"]) {
        for offset in (4096..size).step_by(step) {
            let offset = offset + random.below(step as u64);
            let mask = 1 << random.below(8);
            if offset >= size {
                continue;
            }
            let at = format!("{} offset {offset} mask {mask}", path.display());
            let store = reopen(disk, &|| flip(disk, &path, offset, mask));
            for ask in asks(&mut random, events) {
                lost += check(&store, &ask, events, &at);
            }
            flip(disk, &path, offset, mask);
        }
    }
    assert!(lost > 300, "only {lost} events were ever lost");
}

#[test]
fn damage_met_by_opening_costs_only_what_it_hit() {
    for (seed, mode) in [(1, ReadMode::Map), (2, ReadMode::Pread)] {
        damage(seed, 409, |disk, flip| {
            flip();
            open_to_read(disk, mode)
        });
    }
}

/// What the index cannot know any more is told to everyone who reads by any key.
#[test]
fn damage_met_while_an_index_is_made_costs_only_what_it_hit() {
    let written = written(9);
    for (path, _) in files(&written.0, &["idx", "run"]) {
        written.0.remove(&path).unwrap();
    }
    damage_of(&written, 409, |disk, flip| {
        flip();
        open_to_read(disk, ReadMode::Map)
    });
}

#[test]
fn damage_behind_an_index_costs_only_what_it_hit() {
    for (seed, mode) in [(3, ReadMode::Map), (4, ReadMode::Pread)] {
        damage(seed, 409, |disk, flip| {
            let store = open_to_read(disk, mode);
            // Read once, so that the index is known.
            let mut events = store.tag("k:1").events().unwrap();
            while events.next().unwrap().is_some() {}
            flip();
            store
        });
    }
}

/// Whatever is wrong with the index when a page of it is first looked at, the log says it anew.
fn damage_of_the_index(seed: u64, reopen: impl Fn(&MemoryDisk, &dyn Fn()) -> Store) {
    let (disk, events) = written(seed);
    let mut random = Random(seed);
    let files = files(&disk, &["idx", "run"]);
    assert!(files.len() > 3, "{files:?}");
    for (path, size) in files {
        for offset in (0..size).step_by(1201) {
            let offset = (offset + random.below(1201)).min(size - 1);
            let mask = 1 << random.below(8);
            let at = format!("{} offset {offset} mask {mask}", path.display());
            let store = reopen(&disk, &|| flip(&disk, &path, offset, mask));
            for ask in asks(&mut random, &events) {
                let (served, lost) = collect(ask.events(&store).unwrap());
                assert!(lost.is_empty(), "{at}: {ask:?}: {lost:?}");
                let positions: Vec<u64> = served.iter().map(|event| event.position.0).collect();
                assert_eq!(positions, ask.answer(&events), "{at}: {ask:?}");
            }
            for name in STREAMS {
                let last = events.iter().rfind(|event| event.stream == name);
                let head = store.head(name).unwrap().map(|head| head.version);
                assert_eq!(head, last.map(|event| event.version), "{at}: {name}");
            }
            flip(&disk, &path, offset, mask);
        }
    }
}

#[test]
fn damage_of_the_index_met_by_opening_costs_nothing() {
    damage_of_the_index(5, |disk, flip| {
        flip();
        open_to_read(disk, ReadMode::Map)
    });
}

#[test]
fn damage_of_the_index_behind_opening_costs_nothing() {
    for (seed, mode) in [(6, ReadMode::Map), (7, ReadMode::Pread)] {
        damage_of_the_index(seed, |disk, flip| {
            let store = open_to_read(disk, mode);
            flip();
            store
        });
    }
}

/// The checks above can fail: they do where an event is neither served nor told to be lost.
#[test]
#[should_panic(expected = "lost []")]
fn an_event_that_is_dropped_in_silence_is_noticed() {
    let (disk, mut events) = written(8);
    let store = open_to_read(&disk, ReadMode::Map);
    let about = About::Stream("long-stream".to_owned());
    let first = events.iter().position(|event| about.has(event)).unwrap();
    // What the list has and the store has not.
    events[first + 1].stream = "long-stream".to_owned();
    check(&store, &Ask::simply(about), &events, "planted");
}
