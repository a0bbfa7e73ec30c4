//! Every kind of read, from any place, both ways.

use quipu::{ReadMode, Store};

use super::model::{About, Ask, STREAMS, compare};
use super::store::{Written, open, open_to_read};
use crate::random::Random;

/// Asks for everything and for a number of random things.
fn question(store: &Store, written: &Written, random: &mut Random, asks: u64) {
    for about in STREAMS.map(|name| About::Stream(name.to_owned())) {
        for backward in [false, true] {
            let ask = Ask { backward, ..Ask::simply(about.clone()) };
            compare(&ask, store, &written.events);
        }
    }
    for _ in 0..asks {
        compare(&Ask::random(random, &written.events), store, &written.events);
    }
}

fn heads(store: &Store, written: &Written) {
    let mut names = Vec::new();
    for name in STREAMS {
        let last = written.events.iter().rfind(|event| event.stream == name);
        let head = store.head(name).unwrap();
        let place = head.map(|head| (head.version, head.position));
        assert_eq!(place, last.map(|event| (event.version, event.position)), "{name}");
        names.extend(last.map(|_| name.to_owned()));
    }
    names.sort_unstable();
    for prefix in ["", "b", "b-", "z", "long-stream"] {
        let found: Vec<String> = store.streams(prefix).unwrap().map(Result::unwrap).collect();
        let wanted: Vec<&String> = names.iter().filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{prefix:?}");
    }
}

fn life(seed: u64, read_mode: ReadMode) {
    let mut written = Written::new(seed);
    let mut random = Random(!seed);
    for _ in 0..3 {
        let store = open(&written.disk, read_mode);
        for _ in 0..3 {
            let commits = 20 + random.below(120);
            written.write(&store, commits);
            question(&store, &written, &mut random, 150);
            heads(&store, &written);
        }
        store.close().unwrap();
        let store = open_to_read(&written.disk, read_mode);
        question(&store, &written, &mut random, 50);
        heads(&store, &written);
    }
}

#[test]
fn every_read_serves_what_a_list_says() {
    for seed in 0..8 {
        life(seed, ReadMode::Map);
    }
}

#[test]
fn reading_without_maps_serves_the_same() {
    for seed in 100..103 {
        life(seed, ReadMode::Pread);
    }
}

/// The comparison above can fail: it does where the list holds an event less.
#[test]
#[should_panic(expected = "Ask")]
fn an_event_that_is_not_in_the_list_is_noticed() {
    let mut written = Written::new(7);
    let store = open(&written.disk, ReadMode::Map);
    written.write(&store, 30);
    written.events.remove(11);
    let about = written.events[11].stream.clone();
    compare(&Ask::simply(About::Stream(about)), &store, &written.events);
}

/// A store that is larger than what is kept open, so that files are opened again and again.
#[test]
fn a_long_chain_is_read_both_ways() {
    let mut written = Written::new(1);
    let store = open(&written.disk, ReadMode::Map);
    written.write(&store, 3000);
    let mut random = Random(5);
    question(&store, &written, &mut random, 100);
    heads(&store, &written);
    store.close().unwrap();
    let store = open(&written.disk, ReadMode::Map);
    question(&store, &written, &mut random, 100);
}
