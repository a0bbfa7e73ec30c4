//! Ways to read a store.

use quipu::{Delivery, Events, Position, Result, Selection, Subscription, Version};

use super::gauge::Way;
use crate::content::{self, STREAMS, TAGS, TYPES};
use crate::flips::asking::Choice;
use crate::history::Seen;
use crate::subject::Asked;

/// Where events come from.
pub(super) enum Source {
    Cursor(Box<Events>),
    ByPosition(Box<Subscription<Position>>),
    ByVersion(Box<Subscription<Version>>),
}

/// How they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Read(Way),
    Followed,
}

/// Begins to read a selection; the last word is where a subscription to it is kept.
macro_rules! begin {
    ($selection:expr, $manner:expr, $from:expr, $followed:path) => {{
        let selection = $selection;
        match $manner {
            Manner::Read(Way::Forward) => selection.from($from).events().map(Source::cursor),
            Manner::Read(Way::Backward) => selection.backward().events().map(Source::cursor),
            Manner::Followed => selection.from($from).subscribe().map(Box::new).map($followed),
        }
    }};
}

impl Source {
    /// Asks for these events, from this position on, or of a stream from this version on; backward for all of them.
    pub(super) fn new(
        store: &impl Asked,
        choice: &Choice,
        manner: Manner,
        from: u64,
    ) -> Result<Source> {
        let by_position =
            |selection: Selection<'_>| begin!(selection, manner, from, Source::ByPosition);
        match choice {
            Choice::All => by_position(store.all()),
            Choice::Stream(at) => {
                begin!(store.stream(STREAMS[*at]), manner, from, Source::ByVersion)
            }
            Choice::Category(category) => by_position(store.category(category)),
            Choice::Type(at) => by_position(store.event_type(TYPES[*at])),
            Choice::Tag(at) => by_position(store.tag(TAGS[*at])),
            Choice::Query(items) => by_position(store.query(content::query(items))),
        }
    }

    fn cursor(events: Events) -> Source {
        Source::Cursor(Box::new(events))
    }

    /// The next event. None if there is no more, or not yet.
    pub(super) fn next(&mut self) -> Result<Option<Seen>> {
        match self {
            Source::Cursor(events) => Ok(events.next()?.map(|event| content::seen(&event))),
            Source::ByPosition(subscription) => subscription.try_next().map(delivered),
            Source::ByVersion(subscription) => subscription.try_next().map(delivered),
        }
    }
}

fn delivered(delivery: Option<Delivery<'_>>) -> Option<Seen> {
    match delivery {
        Some(Delivery::Event(event)) => Some(content::seen(&event)),
        Some(Delivery::CaughtUp) | None => None,
    }
}
