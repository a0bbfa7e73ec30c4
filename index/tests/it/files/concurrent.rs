//! One thread posts, others read: below an end that was seen nothing is missing.

use std::sync::Arc;
use std::thread;

use quipu_format::{ByteOffset, Version};
use quipu_index::{Active, Key, Part, Post, Way};

const EVENTS: u32 = 40_000;
const STREAMS: u32 = 7;
const ALL: Key = Key(1);

fn stream(number: u32) -> Key {
    Key(u128::from(number + 1) << 120)
}

fn single(ordinal: u32) -> Key {
    Key(u128::from(ordinal).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) | 2)
}

fn offset(ordinal: u32) -> ByteOffset {
    ByteOffset(4096 + u64::from(ordinal) * 48)
}

fn post_all(active: &Active) {
    let (mut next, mut size) = (0, 1);
    while next < EVENTS {
        let group = next..EVENTS.min(next + size);
        let keys: Vec<[Key; 3]> =
            group.clone().map(|at| [stream(at % STREAMS), ALL, single(at)]).collect();
        active.post(group.clone().zip(&keys).map(|(at, keys)| Post {
            offset: offset(at),
            version: Version(u64::from(at / STREAMS)),
            keys,
            local: &[],
        }));
        next = group.end;
        size = size % 61 + 1;
    }
}

/// The first ordinal, below an end that was seen, that is not read as it must be. What is in memory can always be read.
fn gap(part: &Part, end: u32, from: u32) -> Option<u32> {
    let Some(held) = part.find(ALL).unwrap() else { return (end > 0).then_some(0) };
    let mut batch = Vec::new();
    let mut next = from;
    while next < end {
        part.batch(&held, next, Way::Forward, &mut batch).unwrap();
        if batch.is_empty() {
            return Some(next);
        }
        for &ordinal in &batch {
            if ordinal != next || part.offset(ordinal).unwrap() != Some(offset(ordinal)) {
                return Some(next);
            }
            next += 1;
        }
    }
    (0..STREAMS).find(|&number| {
        let expected = (end + STREAMS - 1 - number) / STREAMS;
        let held = part.find(stream(number)).unwrap();
        held.map_or(0, |held| held.count) < expected
            || held.is_some_and(|held| part.nth(&held, held.count - 1).unwrap() != held.last)
    })
}

#[test]
fn no_reader_sees_a_gap_below_the_end_it_saw() {
    let active = Arc::new(Active::new(0));
    let part = Part::Memory(active.clone());
    thread::scope(|scope| {
        for reader in 0..3u32 {
            let (active, part) = (&active, &part);
            scope.spawn(move || {
                let mut rounds = reader;
                loop {
                    let end = active.end();
                    let from = (end / 2).max(end.saturating_sub(500 + rounds % 300));
                    assert_eq!(gap(part, end, from), None, "below {end}");
                    let last = end.checked_sub(1);
                    assert!(last.is_none_or(|at| part.find(single(at)).unwrap().is_some()));
                    rounds += 1;
                    if end == EVENTS {
                        break;
                    }
                }
            });
        }
        post_all(&active);
    });
    assert_eq!(gap(&part, EVENTS, 0), None);
}

#[test]
fn a_gap_is_seen() {
    let active = Active::new(0);
    let keys = [stream(0), ALL];
    let post = |at: u32, keys| Post {
        offset: offset(at),
        version: Version(u64::from(at)),
        keys,
        local: &[],
    };
    active.post([post(0, &keys[..]), post(1, &keys[..1]), post(2, &keys[..])].into_iter());
    assert_eq!(gap(&Part::Memory(Arc::new(active)), 3, 0), Some(1));
    let moved = Active::new(0);
    moved.post([post(1, &keys[..])].into_iter());
    assert_eq!(gap(&Part::Memory(Arc::new(moved)), 1, 0), Some(0), "another offset");
}
