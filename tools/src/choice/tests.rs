use quipu::{ExpectedVersion, NewEvent, Options};

use super::*;

const STREAMS: [&str; 5] = ["cord-1", "cord-2", "cord", "knot-1", "-"];
const CATEGORIES: [&str; 4] = ["cord", "knot", "", "none"];
const TYPES: [&str; 3] = ["Tied", "Cut", "None"];
const TAGS: [&str; 3] = ["a", "b", "none"];

/// Every stream with every type and all sets of tags, over many segments, in an order without a pattern.
fn store() -> Store {
    let options =
        Options { segment_bytes_min: 8192, segment_bytes_max: 16384, ..Options::default() };
    let store = Store::builder("choice.quipu").in_memory().options(options).open().unwrap();
    for number in 0..600_usize {
        let mixed = number.wrapping_mul(2_654_435_761) >> 7;
        let mut event = NewEvent::new(TYPES[mixed % 2], vec![b'x'; 200]);
        for tag in [1, 2].into_iter().filter(|bit| mixed >> 4 & bit != 0) {
            event = event.tag(TAGS[tag - 1]);
        }
        let stream = STREAMS[mixed / 64 % STREAMS.len()];
        store.append(stream, ExpectedVersion::Any, [event]).unwrap();
    }
    store
}

/// All combinations of what may be given.
fn choices() -> Vec<ChoiceArgs> {
    let one = |names: &[&str]| {
        let given = names.iter().map(|name| Some((*name).to_owned()));
        std::iter::once(None).chain(given).collect::<Vec<_>>()
    };
    let some = |names: &[&str]| {
        let sets = (0..1 << names.len()).map(|set: usize| {
            let held = names.iter().enumerate().filter(move |(bit, _)| set >> bit & 1 == 1);
            held.map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>()
        });
        sets.collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for stream in one(&[&STREAMS[..], &["none"]].concat()) {
        for category in one(&CATEGORIES) {
            for types in some(&TYPES) {
                for tags in some(&TAGS) {
                    let (stream, category, types) =
                        (stream.clone(), category.clone(), types.clone());
                    all.push(ChoiceArgs { stream, category, types, tags });
                }
            }
        }
    }
    all
}

/// The positions of the events asked for, by looking at every event and at nothing of the index.
fn scanned(store: &Store, choice: &ChoiceArgs) -> Vec<u64> {
    let mut events = store.all().events().unwrap();
    let mut positions = Vec::new();
    while let Some(event) = events.next().unwrap() {
        let tags: Vec<&str> = event.tags().collect();
        let dash = event.stream().find('-');
        let is_meant = [
            choice.stream.is_none() || choice.stream.as_deref() == Some(event.stream()),
            choice.category.is_none()
                || choice.category.as_deref() == dash.map(|dash| &event.stream()[..dash]),
            choice.types.is_empty() || choice.types.contains(&event.event_type().to_owned()),
            choice.tags.iter().all(|tag| tags.contains(&tag.as_str())),
        ];
        if is_meant == [true; 4] {
            positions.push(event.position().0);
        }
    }
    positions
}

fn found(chosen: Chosen<'_>, choice: &ChoiceArgs) -> Vec<u64> {
    let mut events = chosen.events().unwrap();
    let mut positions = Vec::new();
    while let Some(event) = events.next().unwrap() {
        if choice.admits(&event) {
            positions.push(event.position().0);
        }
    }
    positions
}

/// The number of choices for which the index finds other events than a scan.
fn differences<'s>(
    store: &'s Store,
    select: impl Fn(&ChoiceArgs) -> Chosen<'s>,
    order: impl Fn(Vec<u64>) -> Vec<u64>,
) -> usize {
    let choices = choices();
    let differs =
        |choice: &&ChoiceArgs| found(select(choice), choice) != order(scanned(store, choice));
    choices.iter().filter(differs).count()
}

fn reversed(mut positions: Vec<u64>) -> Vec<u64> {
    positions.reverse();
    positions
}

#[test]
fn the_index_finds_what_a_scan_finds_in_the_same_order() {
    let store = store();
    assert_eq!(differences(&store, |choice| choice.select(&store), |same| same), 0);
    assert_eq!(differences(&store, |choice| choice.select(&store).backward(), reversed), 0);
    let late = |choice: &ChoiceArgs| choice.select(&store).starting_at(Position(400));
    let from_400 = |positions: Vec<u64>| positions.into_iter().filter(|&at| at >= 400).collect();
    let streams = choices().iter().filter(|choice| choice.stream.is_some()).count();
    // Those of a stream are not counted by positions.
    assert!((1..=streams).contains(&differences(&store, late, from_400)));
}

#[test]
fn a_selection_that_asks_for_too_little_is_noticed() {
    let store = store();
    let first_type_only = |choice: &ChoiceArgs| {
        let types = choice.types.iter().take(1).cloned().collect();
        ChoiceArgs { types, ..choice.clone() }.select(&store)
    };
    assert!(differences(&store, first_type_only, |same| same) > 0);
}
