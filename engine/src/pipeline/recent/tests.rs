//! What is kept of the last commits, and what is judged by it.

use quipu_format::ByteOffset;
use quipu_index::{Keys, Kind};

use super::*;
use crate::outline::{Noted, Outline};
use crate::{Query, QueryItem};

fn keys() -> Keys {
    Keys::new([3; 16])
}

/// A commit of so many events of a stream, each with an id that its position makes.
fn posted(first: u64, events: u64) -> Arc<Posted> {
    let mut outline = Outline::default();
    let kept = [keys().key(Kind::Stream, "s"), keys().key(Kind::EventType, "t")];
    for nth in 0..events {
        let id_key = Some(Key(u128::from(first + nth)));
        let (id, nth) = ([nth as u8; 16], nth as u32);
        outline.push(Noted { offset: 32, stream: 0, nth, keys: &kept, id, id_key });
    }
    Arc::new(Posted {
        outline: Arc::new(outline),
        offset: ByteOffset(4096),
        first_position: Position(first),
        time: Timestamp(first.cast_signed()),
        first_versions: vec![Version(first)],
        born: Vec::new(),
    })
}

fn guard(seen: u64, items: usize, after: u64, ids: &[u64]) -> Guard {
    let query =
        (0..items).fold(Query::new(), |query, _| query.item(QueryItem::new().event_type("t")));
    let compiled = Compiled::new(&query, &keys());
    Guard {
        seen: Position(seen),
        fail_if: (items > 0).then_some((compiled, Position(after))),
        ids: ids.iter().map(|&id| Key(id.into())).collect(),
    }
}

#[test]
fn what_was_let_go_of_is_to_be_looked_at_again() {
    let mut recent = Recent::new(Position(10));
    let half = KEPT_EVENTS as u64 / 2;
    recent.push(&posted(10, half), Position(10));
    recent.push(&posted(10 + half, half), Position(10 + half));
    assert!(recent.judge(&guard(10, 0, 0, &[]), Position(10)).is_ok(), "so many are kept");
    let (third, end) = (10 + 2 * half, 11 + 2 * half);
    recent.push(&posted(third, 1), Position(9 + half));
    assert!(recent.judge(&guard(10, 0, 0, &[]), Position(10)).is_ok(), "not all of it is visible");
    recent.push(&posted(end, 1), Position(10 + half));
    assert_eq!(recent.judge(&guard(9 + half, 0, 0, &[]), Position(10)), Err(TooOld));
    assert_eq!(recent.judge(&guard(10 + half, 0, 0, &[]), Position(10)), Ok(None));
    assert_eq!(recent.sightings_at(Position(9 + half), 1), None);
    let seen = recent.sightings_at(Position(10 + half), 2).unwrap();
    assert_eq!(
        seen.iter().map(|event| event.position.0).collect::<Vec<_>>(),
        [10 + half, 11 + half]
    );
    assert_eq!(recent.next_position(), end + 1);
}

#[test]
fn much_that_is_visible_is_looked_at_outside() {
    let mut recent = Recent::new(Position(0));
    recent.push(&posted(0, 64), Position(0));
    // Two comparisons for an item with a type: 64 events by 128 items are as many as are made under the lock.
    let most = TERMS_MAX as usize / 64 / 2;
    let of = |items, after, seen, visible| {
        recent.judge(&guard(seen, items, after, &[]), Position(visible))
    };
    assert_eq!(of(most, 64, 0, 64), Ok(None));
    assert_eq!(of(most + 1, 64, 0, 64), Err(TooOld));
    assert_eq!(of(most + 1, 64, 0, 1), Err(TooOld));
    assert_eq!(of(most + 1, 64, 0, 0), Ok(None), "none of it can be looked at outside");
    assert_eq!(of(most + 1, 64, 1, 1), Ok(None), "that is not more");
    // An id is one comparison more.
    let with_id = guard(0, most, 64, &[1000]);
    assert_eq!(recent.judge(&with_id, Position(64)), Err(TooOld));
}

#[test]
fn what_stands_in_the_way_is_told_with_its_position() {
    let mut recent = Recent::new(Position(0));
    recent.push(&posted(0, 2), Position(0));
    recent.push(&posted(2, 2), Position(0));
    let of = |seen, items, after, ids: &[u64]| {
        recent.judge(&guard(seen, items, after, ids), Position(0)).unwrap()
    };
    assert_eq!(of(0, 1, 0, &[]), Some(Standing::Matches(Position(0))));
    assert_eq!(of(0, 1, 3, &[]), Some(Standing::Matches(Position(3))));
    assert_eq!(of(0, 1, 4, &[]), None);
    assert_eq!(of(1, 1, 0, &[]), Some(Standing::Matches(Position(1))));
    assert_eq!(of(0, 0, 0, &[2, 3]), Some(Standing::Carries(Position(2))));
    assert_eq!(of(3, 0, 0, &[2, 3]), Some(Standing::Carries(Position(3))));
    assert_eq!(of(4, 1, 0, &[2, 3]), None);
    assert_eq!(of(0, 0, 0, &[9]), None);
}

#[test]
fn the_events_of_a_stream_are_seen_from_a_version_on() {
    let mut recent = Recent::new(Position(0));
    recent.push(&posted(0, 2), Position(0));
    recent.push(&posted(2, 2), Position(0));
    let stream = keys().key(Kind::Stream, "s");
    let seen = |from| {
        let seen = recent.sightings(stream, Version(from));
        seen.iter().map(|event| event.position.0).collect::<Vec<_>>()
    };
    assert_eq!((seen(0), seen(3), seen(4)), (vec![0, 1, 2, 3], vec![3], vec![]));
    assert!(recent.sightings(Key(1), Version(0)).is_empty());
    let last = recent.sightings_at(Position(3), 9).unwrap();
    let expected = Sighting {
        stream,
        version: Version(3),
        position: Position(3),
        time: Timestamp(2),
        id: [1; 16],
    };
    assert_eq!(last, [expected]);
}
