//! Asking the store what the list was asked.

use quipu::{
    Delivery, Event, Events, Position, Query, QueryItem, Result, Selection, Store, Subscription,
    Version,
};

use super::operation::{About, Item, Read};
use super::oracle::Told;

/// More than a life of the longest list can have written.
const DELIVERIES_MAX: usize = 100_000;

/// An event as the store gives it.
pub(super) fn told(event: &Event<'_>) -> Told {
    Told {
        stream: event.stream().to_owned(),
        version: event.version().0,
        position: event.position().0,
        event_type: event.event_type().to_owned(),
        tags: event.tags().map(str::to_owned).collect(),
        id: event.id().map_or(0, |id| id.as_u128()),
        payload: event.payload().to_vec(),
    }
}

pub(super) fn query(items: &[Item]) -> Query {
    items.iter().fold(Query::new(), |query, Item { types, tags }| {
        let item = types.iter().copied().fold(QueryItem::new(), QueryItem::event_type);
        query.item(tags.iter().copied().fold(item, QueryItem::tag))
    })
}

/// Selects what is asked for: by version the events of a stream, and by position all others.
fn by_position<'s>(store: &'s Store, about: &About) -> Selection<'s> {
    match about {
        About::All | About::Stream(_) => store.all(),
        About::Category(name) => store.category(name),
        About::Type(name) => store.event_type(name),
        About::Tag(name) => store.tag(name),
        About::Query(items) => store.query(query(items)),
    }
}

/// What a read gives.
pub(super) fn read(store: &Store, read: &Read) -> Result<Vec<Told>> {
    let Read { about, from, .. } = read;
    let mut events = if let About::Stream(name) = about {
        let mut stream = store.stream(name);
        if let Some(from) = from {
            stream = stream.from(Version(*from));
        }
        narrowed(stream, read)?
    } else {
        let mut selection = by_position(store, about);
        if let Some(from) = from {
            selection = selection.from(Position(*from));
        }
        narrowed(selection, read)?
    };
    let mut found = Vec::new();
    while let Some(event) = events.next()? {
        found.push(told(&event));
    }
    Ok(found)
}

fn narrowed<From>(mut selection: Selection<'_, From>, read: &Read) -> Result<Events> {
    if read.backward {
        selection = selection.backward();
    }
    if let Some(limit) = read.limit {
        selection = selection.limit(limit);
    }
    selection.events()
}

/// All events.
pub(super) fn everything(store: &Store) -> Result<Vec<Told>> {
    read(store, &Read { about: About::All, from: None, backward: false, limit: None })
}

/// Somebody who follows the store.
pub(super) enum Following {
    ByPosition(Box<Subscription<Position>>),
    ByVersion(Box<Subscription<Version>>),
}

impl Following {
    pub(super) fn new(store: &Store, about: &About, from: Option<u64>) -> Result<Following> {
        macro_rules! subscribe {
            ($selection:expr, $number:expr) => {
                match from {
                    Some(from) => $selection.from($number(from)).subscribe()?,
                    None => $selection.from_end().subscribe()?,
                }
            };
        }
        Ok(match about {
            About::Stream(name) => {
                Following::ByVersion(Box::new(subscribe!(store.stream(name), Version)))
            }
            _ => {
                let selection = by_position(store, about);
                Following::ByPosition(Box::new(subscribe!(selection, Position)))
            }
        })
    }

    /// All that is delivered without waiting; nothing if that has no end.
    pub(super) fn deliver(&mut self) -> Result<Option<Vec<Told>>> {
        let mut delivered = Vec::new();
        for _ in 0..DELIVERIES_MAX {
            let delivery = match self {
                Following::ByPosition(subscription) => subscription.try_next()?,
                Following::ByVersion(subscription) => subscription.try_next()?,
            };
            match delivery {
                Some(Delivery::Event(event)) => delivered.push(told(&event)),
                Some(Delivery::CaughtUp) => {}
                None => return Ok(Some(delivered)),
            }
        }
        Ok(None)
    }
}
