//! Every way of asking a store for events, and what came of one.

use std::collections::BTreeSet;
use std::ops::Range;

use quipu::{Delivery, Error, Events, Position, Selection, Subscription, Version};

use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content::{self, Labels, STREAMS, TAGS, TYPES};
use crate::history::{Item, Seen};
use crate::subject::Asked;

/// Reading that tells of more pieces than this does not come to its end.
const PIECES_MAX: usize = 10_000;

/// Which events are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    All,
    /// By the place among [`STREAMS`].
    Stream(usize),
    Category(&'static str),
    /// By the place among [`TYPES`].
    Type(usize),
    /// By the place among [`TAGS`].
    Tag(usize),
    Query(Vec<Item>),
}

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Forward,
    Backward,
    Followed,
    /// Forward from this position, or this version of a stream.
    From(u64),
}

/// What somebody was given, in order, and told to be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) delivered: Vec<Seen>,
    pub(super) lost: Vec<Range<u64>>,
}

impl Choice {
    /// Each kind, with and without events.
    pub(crate) fn every() -> Vec<Choice> {
        let item =
            |types: &[usize], tags: &[usize]| Item { types: types.into(), tags: tags.into() };
        let mut every = vec![Choice::All];
        every.extend((0..STREAMS.len()).map(Choice::Stream));
        every.extend(["order", "account", "nothing"].map(Choice::Category));
        every.extend((0..TYPES.len()).map(Choice::Type));
        every.extend((0..TAGS.len()).map(Choice::Tag));
        every.push(Choice::Query(vec![item(&[0, 2], &[0])]));
        every.push(Choice::Query(vec![item(&[1], &[]), item(&[], &[0, 1])]));
        every
    }

    /// Whether an event is asked for.
    pub(crate) fn has(&self, event: &Seen) -> bool {
        let labels = Labels::of(event.id);
        let own = |item: &Item| {
            (item.types.is_empty() || item.types.contains(&labels.event_type))
                && item.tags.iter().all(|&tag| tag < labels.tags)
        };
        match self {
            Choice::All => true,
            Choice::Stream(at) => usize::from(event.stream) == *at,
            Choice::Category(category) => {
                let name = STREAMS.get(usize::from(event.stream));
                name.and_then(|name| name.split_once('-')).is_some_and(|(own, _)| own == *category)
            }
            Choice::Type(at) => labels.event_type == *at,
            Choice::Tag(at) => *at < labels.tags,
            Choice::Query(items) => items.iter().any(own),
        }
    }

    /// Whether an event lies behind the place where reading in this manner begins, or there.
    pub(super) fn is_reached(&self, manner: Manner, event: &Seen) -> bool {
        match (self, manner) {
            (Choice::Stream(_), Manner::From(version)) => event.version >= version,
            (_, Manner::From(position)) => event.position >= position,
            _ => true,
        }
    }

    /// Asks.
    pub(super) fn ask(&self, store: &impl Asked, manner: Manner) -> Checked<Told> {
        let by_position = |selection: Selection<'_, Position>| match manner {
            Manner::From(from) => manner.read(selection.from(from)),
            _ => manner.read(selection),
        };
        match self {
            Choice::All => by_position(store.all()),
            Choice::Stream(at) => {
                let selection: Selection<'_, Version> = store.stream(STREAMS[*at]);
                match manner {
                    Manner::From(from) => manner.read(selection.from(from)),
                    _ => manner.read(selection),
                }
            }
            Choice::Category(category) => by_position(store.category(category)),
            Choice::Type(at) => by_position(store.event_type(TYPES[*at])),
            Choice::Tag(at) => by_position(store.tag(TAGS[*at])),
            Choice::Query(items) => by_position(store.query(content::query(items))),
        }
    }
}

impl Manner {
    fn read<From>(self, selection: Selection<'_, From>) -> Checked<Told> {
        let asked = match self {
            Manner::Forward | Manner::From(_) => selection.events().map(read),
            Manner::Backward => selection.backward().events().map(read).map(reversed),
            Manner::Followed => selection.subscribe().map(|mut events| follow(&mut events)),
        };
        asked.unwrap_or_else(|error| Err(unexplained(&error)))
    }
}

impl Told {
    /// The positions that were told to be lost.
    pub(super) fn lost(&self) -> BTreeSet<u64> {
        self.lost.iter().cloned().flatten().collect()
    }

    /// Takes an error that tells of damage.
    pub(super) fn note(&mut self, error: &Error) -> Checked {
        let Some(damage) = error.damage() else { return Err(unexplained(error)) };
        self.lost.push(damage.positions.start.0..damage.positions.end.0);
        ensure(self.lost.len() < PIECES_MAX, Rule::Stuck, || format!("{error:?}, again and again"))
    }
}

fn read(mut events: Events) -> Checked<Told> {
    let mut told = Told::default();
    for _ in 0..PIECES_MAX {
        match events.next() {
            Ok(Some(event)) => told.delivered.push(content::seen(&event)),
            Ok(None) => return Ok(told),
            Err(error) => told.note(&error)?,
        }
    }
    Err(endless(&told))
}

fn follow<From>(events: &mut Subscription<From>) -> Checked<Told> {
    let mut told = Told::default();
    for _ in 0..PIECES_MAX {
        match events.try_next() {
            Ok(Some(Delivery::Event(event))) => told.delivered.push(content::seen(&event)),
            Ok(Some(Delivery::CaughtUp)) => return Ok(told),
            // It may have looked at much that was not asked for.
            Ok(None) => {}
            Err(error) => told.note(&error)?,
        }
    }
    Err(endless(&told))
}

fn endless(told: &Told) -> Violation {
    let (delivered, lost) = (told.delivered.len(), told.lost.len());
    Violation::new(Rule::Stuck, format!("no end behind {delivered} events and {lost} losses"))
}

fn reversed(told: Checked<Told>) -> Checked<Told> {
    told.map(|mut told| {
        told.delivered.reverse();
        told.lost.reverse();
        told
    })
}

pub(super) fn unexplained(error: &Error) -> Violation {
    Violation::new(Rule::Error, format!("{error:?}"))
}
