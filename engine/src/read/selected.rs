//! What is asked for.

use quipu_format::limits::{STREAM_BYTES_MAX, TAG_BYTES_MAX, TYPE_BYTES_MAX};
use quipu_index::{Key, Keys, Kind, Way};

use crate::find::Plan;
use crate::keys::category;
use crate::query::Compiled;
use crate::{Error, Event, Query, Result};

/// Which events are read.
#[derive(Clone, Debug)]
pub(crate) enum Selected {
    All,
    Stream(Box<str>),
    Category(Box<str>),
    EventType(Box<str>),
    Tag(Box<str>),
    Query(Query),
}

impl Selected {
    /// Refuses names that no event can have, as appending does.
    pub(crate) fn validate(&self) -> Result<()> {
        let bounds = |name: &str, most: usize, what: &str| match name.len() {
            len if (1..=most).contains(&len) => Ok(()),
            _ => Err(Error::invalid(format!("{what} must be 1 to {most} bytes long"))),
        };
        match self {
            Selected::All => Ok(()),
            Selected::Stream(name) => bounds(name, STREAM_BYTES_MAX, "a stream's name"),
            Selected::Category(name) if name.contains('-') => {
                Err(Error::invalid("a category ends before the first `-` of its streams' names"))
            }
            // What stands before the `-` may be nothing.
            Selected::Category(name) if name.is_empty() => Ok(()),
            Selected::Category(name) => bounds(name, STREAM_BYTES_MAX - 1, "a category"),
            Selected::EventType(name) => bounds(name, TYPE_BYTES_MAX, "a type"),
            Selected::Tag(name) => bounds(name, TAG_BYTES_MAX, "a tag"),
            Selected::Query(query) => query.validate(),
        }
    }

    /// Whether these are simply all events.
    pub(crate) fn is_everything(&self) -> bool {
        match self {
            Selected::All => true,
            Selected::Query(query) => {
                query.items().iter().any(|item| item.types.is_empty() && item.tags.is_empty())
            }
            _ => false,
        }
    }

    /// How they are found.
    pub(crate) fn plan(&self, keys: &Keys, way: Way) -> Plan {
        match self {
            Selected::All => Plan::Every(way),
            Selected::Stream(name) => Plan::key(keys.key(Kind::Stream, name), way),
            Selected::Category(name) => Plan::key(keys.key(Kind::Category, name), way),
            Selected::EventType(name) => Plan::key(keys.key(Kind::EventType, name), way),
            Selected::Tag(name) => Plan::key(keys.key(Kind::Tag, name), way),
            Selected::Query(query) => Plan::query(&Compiled::new(query, keys), way),
        }
    }

    /// Keys of which each of these events has at least one; nothing where it may have none of them.
    pub(crate) fn keys(&self, keys: &Keys) -> Option<Vec<Key>> {
        let one = |kind, name: &str| Some(vec![keys.key(kind, name)]);
        match self {
            Selected::All => None,
            Selected::Stream(name) => one(Kind::Stream, name),
            Selected::Category(name) => one(Kind::Category, name),
            Selected::EventType(name) => one(Kind::EventType, name),
            Selected::Tag(name) => one(Kind::Tag, name),
            Selected::Query(query) => Compiled::new(query, keys).needed(),
        }
    }

    /// Whether an event is one of them, by its own words: keys may collide, names do not.
    pub(crate) fn has(&self, event: &Event<'_>) -> bool {
        match self {
            Selected::All => true,
            Selected::Stream(name) => event.stream() == &**name,
            Selected::Category(name) => category(event.stream()) == Some(name),
            Selected::EventType(name) => event.event_type() == &**name,
            Selected::Tag(name) => event.tags().any(|tag| tag == &**name),
            Selected::Query(query) => query.matches(event),
        }
    }
}
