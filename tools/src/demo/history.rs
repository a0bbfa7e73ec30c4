//! What is in a store: one stream's history, what a query finds, and two stores side by side.

use std::time::{Duration, Instant};

use quipu::{Event, Query, QueryItem, Store, Version};
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Look, Output, count};
use crate::time;

/// Events that are shown of many.
const SHOWN: u64 = 4;
const DEPARTED: &str = "FlightDeparted";

/// Shows the first events of a stream; gives the version of its last.
pub(super) fn show(
    store: &Store,
    stream: &str,
    output: &Output,
) -> Result<Option<Version>, Failure> {
    output.line(format_args!("  {}", output.paint(Look::Bold, stream)));
    let mut events = store.stream(stream).limit(SHOWN).events()?;
    while let Some(event) = events.next()? {
        let version = event.version();
        output.line(format_args!("  {version:>3}  {}", describe(&event)?));
    }
    let last = store.head(stream)?.map(|head| head.version);
    if let Some(more) = last.and_then(|last| (last.0 + 1).checked_sub(SHOWN)) {
        output.line(format_args!("       and {} more", count(more)));
    }
    Ok(last)
}

/// What is asked for: the departures of a carrier to an airport.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) carrier: &'static str,
    pub(super) airport: &'static str,
}

/// How many events were found, and how long it took.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) events: u64,
    pub(super) took: Duration,
}

impl Route {
    fn tags(self) -> [String; 2] {
        [format!("carrier:{}", self.carrier), format!("dest:{}", self.airport)]
    }

    fn query(self) -> Query {
        let item = QueryItem::new().event_type(DEPARTED);
        Query::new().item(self.tags().into_iter().fold(item, QueryItem::tag))
    }

    /// Finds the departures by the index.
    pub(super) fn find(self, store: &Store) -> Result<Found, Failure> {
        let started = Instant::now();
        let (mut events, mut found) = (store.query(self.query()).events()?, 0);
        while events.next()?.is_some() {
            found += 1;
        }
        Ok(Found { events: found, took: started.elapsed() })
    }

    /// Finds them by looking at every event.
    pub(super) fn scan(self, store: &Store) -> Result<Found, Failure> {
        let started = Instant::now();
        let (mut events, mut found, tags) = (store.all().events()?, 0, self.tags());
        while let Some(event) = events.next()? {
            let has = |tag: &String| event.tags().any(|carried| carried == tag);
            found += u64::from(event.event_type() == DEPARTED && tags.iter().all(has));
        }
        Ok(Found { events: found, took: started.elapsed() })
    }

    /// Shows the newest of them.
    pub(super) fn show(self, store: &Store, output: &Output) -> Result<(), Failure> {
        let mut newest = store.query(self.query()).backward().limit(SHOWN).events()?;
        while let Some(event) = newest.next()? {
            output.line(format_args!("       {}", describe(&event)?));
        }
        Ok(())
    }
}

/// A flight on one line.
fn describe(event: &Event<'_>) -> Result<String, Failure> {
    let payload: Value = event.json()?;
    let field = |name: &str| payload[name].as_str().unwrap_or("?").to_owned();
    Ok(format!(
        "{}  {:<16}{:<8}{} to {}",
        event.occurred().map(time::show).unwrap_or_default(),
        event.event_type(),
        field("flight"),
        field("origin"),
        field("dest")
    ))
}

/// Whether two stores hold the same events at the same positions, whenever they were recorded.
pub(super) fn same_events(one: &Store, other: &Store) -> Result<bool, Failure> {
    let mut ours = one.all().events()?;
    let mut theirs = other.all().events()?;
    loop {
        match (ours.next()?, theirs.next()?) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) => {
                let (mut a, b) = (a.to_owned(), b.to_owned());
                a.recorded = b.recorded;
                if a != b {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}
