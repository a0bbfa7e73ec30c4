//! Queries and the other selections, of any names: the index gives what a scan gives.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use quipu::limits::{STREAM_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX, TYPE_BYTES_MAX};
use quipu::{ErrorKind, Events, Mode, Options, OwnedEvent, Query, QueryItem, Store};

use super::input::Input;
use super::{Judged, ensure, store};
use crate::content::{STREAMS, TAGS, TYPES};
use crate::subject::PATH;

/// Most items of a query, and types of an item.
const ITEMS_MAX: usize = 256;

/// About as long as a name gets, more than any may be.
const NAME_BYTES: usize = 2048;

/// A store that is only read, and all of its events.
static ASKED: LazyLock<Option<(Store, Vec<OwnedEvent>)>> = LazyLock::new(|| {
    let whole = store::sample(store::CLOSED)?;
    let options = Options { mode: Mode::ReadOnly, ..whole.options.clone() };
    let disk = Arc::new(whole.disk.kill());
    let store = Store::builder(PATH).disk(disk).options(options).open().ok()?;
    let mut events = store.all().events().ok()?;
    let mut all = Vec::new();
    while let Some(event) = events.next().ok()? {
        all.push(event.to_owned());
    }
    Some((store, all))
});

/// Of one item: any of the types, all of the tags.
#[derive(Clone, Default)]
struct Item {
    types: Vec<String>,
    tags: Vec<String>,
}

pub(super) fn query(input: &[u8]) -> Judged {
    let (store, all) = ASKED.as_ref().ok_or("there is no store to be asked")?;
    let mut input = Input::new(input);
    match input.byte() % 8 {
        0 => by_name(&mut input, STREAM_BYTES_MAX, &STREAMS, |name| {
            (store.stream(name).events(), scan(all, |event| event.stream == *name))
        }),
        1 => by_name(&mut input, TYPE_BYTES_MAX, &TYPES, |name| {
            (store.event_type(name).events(), scan(all, |event| event.event_type == *name))
        }),
        2 => by_name(&mut input, TAG_BYTES_MAX, &TAGS, |name| {
            let carried = |event: &OwnedEvent| event.tags.iter().any(|tag| *tag == *name);
            (store.tag(name).events(), scan(all, carried))
        }),
        3 => streams(&mut input, store, all),
        _ => by_query(&mut input, store, all),
    }
}

/// A name: one that there is, or whatever the input says, perhaps again and again.
fn name(input: &mut Input<'_>, known: &[&str]) -> String {
    let manner = input.byte();
    if manner & 1 != 0 {
        return known[usize::from(manner >> 1) % known.len()].to_owned();
    }
    let text = input.text();
    text.repeat(usize::from(manner >> 1).min(NAME_BYTES / text.len().max(1)))
}

fn by_name(
    input: &mut Input<'_>,
    bytes_max: usize,
    known: &[&str],
    ask: impl Fn(&str) -> (quipu::Result<Events>, BTreeSet<u64>),
) -> Judged {
    let name = name(input, known);
    let (events, expected) = ask(&name);
    let is_valid = (1..=bytes_max).contains(&name.len());
    judge(events, is_valid, &expected).map_err(|wrong| format!("{name:?}: {wrong}"))
}

fn scan(all: &[OwnedEvent], wanted: impl Fn(&OwnedEvent) -> bool) -> BTreeSet<u64> {
    all.iter().filter(|event| wanted(event)).map(|event| event.position.0).collect()
}

/// What is read is what was expected; what breaks a bound may be refused, and nothing else.
fn judge(events: quipu::Result<Events>, is_valid: bool, expected: &BTreeSet<u64>) -> Judged {
    let mut events = match events {
        Ok(events) => events,
        Err(error) => {
            let refused = error.kind() == ErrorKind::Invalid && !is_valid;
            return ensure(refused, || format!("{error:?}"));
        }
    };
    let mut read = BTreeSet::new();
    while let Some(event) = events.next().map_err(|error| format!("{error:?}"))? {
        ensure(read.insert(event.position().0), || format!("{} again", event.position()))?;
    }
    ensure(read == *expected, || format!("{read:?} where a scan gives {expected:?}"))
}

fn streams(input: &mut Input<'_>, store: &Store, all: &[OwnedEvent]) -> Judged {
    let prefix = name(input, &STREAMS);
    let mut listed = BTreeSet::new();
    let streams = store.streams(&prefix).map_err(|error| format!("{prefix:?}: {error:?}"))?;
    for name in streams {
        let name = name.map_err(|error| format!("{prefix:?}: {error:?}"))?;
        ensure(listed.insert(name.clone()), || format!("{name:?} again"))?;
    }
    let names = all.iter().map(|event| event.stream.clone());
    let expected: BTreeSet<String> = names.filter(|name| name.starts_with(&prefix)).collect();
    ensure(listed == expected, || format!("{prefix:?}: {listed:?}, not {expected:?}"))
}

fn by_query(input: &mut Input<'_>, store: &Store, all: &[OwnedEvent]) -> Judged {
    let (backward, from) = (input.byte() & 1 != 0, input.byte());
    let items = items(input);
    let query = items.iter().fold(Query::new(), |query, item| {
        let types = item.types.iter().cloned();
        let of_types = types.fold(QueryItem::new(), QueryItem::event_type);
        query.item(item.tags.iter().cloned().fold(of_types, QueryItem::tag))
    });
    let first = if backward { 0 } else { u64::from(from) };
    let expected = scan(all, |event| {
        event.position.0 >= first && items.iter().any(|item| item.matches(event))
    });
    let selection = store.query(query);
    let selection = if backward { selection.backward() } else { selection.from(first) };
    let is_valid = items.len() <= ITEMS_MAX && items.iter().all(Item::is_valid);
    judge(selection.events(), is_valid, &expected).map_err(|wrong| format!("a query: {wrong}"))
}

fn items(input: &mut Input<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for _ in 0..input.byte() % 4 {
        let mut item = Item::default();
        for _ in 0..input.byte() % 4 {
            let times = times(input);
            let name = name(input, &TYPES);
            item.types.extend(std::iter::repeat_n(name, times));
        }
        for _ in 0..input.byte() % 4 {
            let times = times(input);
            let name = name(input, &TAGS);
            item.tags.extend(std::iter::repeat_n(name, times));
        }
        // A large item again and again is the harness's memory, not the store's.
        let times = if item.is_small() { times(input) } else { 1 };
        items.extend(std::iter::repeat_n(item, times));
    }
    items
}

/// How often something is said: mostly once, now and then so often that it breaks a bound.
fn times(input: &mut Input<'_>) -> usize {
    match input.byte() {
        255 => ITEMS_MAX + 1,
        254 => ITEMS_MAX,
        253 => TAGS_MAX + 1,
        252 => TAGS_MAX,
        _ => 1,
    }
}

impl Item {
    fn matches(&self, event: &OwnedEvent) -> bool {
        let is_type = |name: &String| *name == event.event_type;
        let carried = |name: &String| event.tags.contains(name);
        (self.types.is_empty() || self.types.iter().any(is_type)) && self.tags.iter().all(carried)
    }

    fn is_small(&self) -> bool {
        self.types.len() + self.tags.len() <= 6
    }

    fn is_valid(&self) -> bool {
        let fits = |name: &String, most| (1..=most).contains(&name.len());
        self.types.len() <= ITEMS_MAX
            && self.tags.len() <= TAGS_MAX
            && self.types.iter().all(|name| fits(name, TYPE_BYTES_MAX))
            && self.tags.iter().all(|name| fits(name, TAG_BYTES_MAX))
    }
}
