//! What is asked of a store, answered from a plain list of its events.

use quipu::{
    Event, Events, OwnedEvent, Position, Query, QueryItem, Result, Selection, Store, Timestamp,
    Version,
};

use crate::random::Random;

pub(crate) const STREAMS: [&str; 9] =
    ["a", "b-1", "b-2", "b-", "bb-1", "c-1-2", "-x", "rare-1", "long-stream"];
pub(crate) const TYPES: [&str; 4] = ["Opened", "Moved", "Closed", "Rare"];
pub(crate) const TAGS: [&str; 5] = ["k:1", "k:2", "m", "n", "rare"];

/// Which events.
#[derive(Clone, Debug)]
pub(crate) enum About {
    All,
    Stream(String),
    Category(String),
    Type(String),
    Tag(String),
    /// Types and tags of each item.
    Query(Vec<(Vec<String>, Vec<String>)>),
}

/// A read.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) about: About,
    pub(crate) from: Option<u64>,
    pub(crate) backward: bool,
    pub(crate) limit: Option<u64>,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) occurred: Option<(i64, i64)>,
}

fn category(stream: &str) -> Option<&str> {
    stream.split_once('-').map(|(category, _)| category)
}

impl About {
    pub(crate) fn has(&self, event: &OwnedEvent) -> bool {
        match self {
            About::All => true,
            About::Stream(name) => event.stream == *name,
            About::Category(name) => category(&event.stream) == Some(name),
            About::Type(name) => event.event_type == *name,
            About::Tag(name) => event.tags.contains(name),
            About::Query(items) => items.iter().any(|(types, tags)| {
                (types.is_empty() || types.contains(&event.event_type))
                    && tags.iter().all(|tag| event.tags.contains(tag))
            }),
        }
    }

    pub(crate) fn random(random: &mut Random) -> About {
        let unknown = random.once_in(12);
        let or_unknown = |name: &str| if unknown { "unknown".to_owned() } else { name.to_owned() };
        match random.below(6) {
            0 => About::All,
            1 => About::Stream(or_unknown(random.pick(&STREAMS))),
            2 => About::Category(or_unknown(random.pick(&["b", "bb", "c", "", "long", "rare"]))),
            3 => About::Type(or_unknown(random.pick(&TYPES))),
            4 => About::Tag(or_unknown(random.pick(&TAGS))),
            _ => About::Query((0..random.below(4)).map(|_| item(random)).collect()),
        }
    }
}

fn item(random: &mut Random) -> (Vec<String>, Vec<String>) {
    let mut some = |names: &[&str]| {
        let count = random.below(3);
        (0..count).map(|_| random.pick(names).to_owned()).collect::<Vec<_>>()
    };
    (some(&TYPES), some(&TAGS))
}

impl Ask {
    pub(crate) fn simply(about: About) -> Ask {
        Ask {
            about,
            from: None,
            backward: false,
            limit: None,
            since: None,
            until: None,
            occurred: None,
        }
    }

    pub(crate) fn random(random: &mut Random, events: &[OwnedEvent]) -> Ask {
        let about = About::random(random);
        let most = match &about {
            About::Stream(_) => events.iter().filter(|event| about.has(event)).count() + 3,
            _ => events.len() + 3,
        };
        let mut ask = Ask::simply(about);
        ask.backward = random.once_in(2);
        ask.from = (!random.once_in(3)).then(|| random.below(most as u64));
        if random.once_in(20) {
            ask.from = Some(u64::MAX);
        }
        ask.limit = random.once_in(3).then(|| random.below(20));
        let mut time = |one_in| {
            let recorded = &events[random.below(events.len() as u64) as usize].recorded;
            random.once_in(one_in).then(|| recorded.0 - 1 + random.below(3).cast_signed())
        };
        (ask.since, ask.until) = (time(4), time(4));
        if random.once_in(5) {
            let first = random.below(100).cast_signed();
            ask.occurred = Some((first, first + random.below(50).cast_signed()));
        }
        ask
    }

    /// The positions of the answer, from a list of all events.
    pub(crate) fn answer(&self, events: &[OwnedEvent]) -> Vec<u64> {
        let count = |event: &OwnedEvent| match self.about {
            About::Stream(_) => event.version.0,
            _ => event.position.0,
        };
        let wanted = |event: &&OwnedEvent| {
            let from = match (self.from, self.backward) {
                (Some(from), false) => count(event) >= from,
                (Some(from), true) => count(event) <= from,
                (None, _) => true,
            };
            let occurred = self.occurred.is_none_or(|(first, last)| {
                event.occurred.is_some_and(|at| (first..=last).contains(&at.0))
            });
            self.about.has(event)
                && from
                && occurred
                && self.since.is_none_or(|since| event.recorded.0 >= since)
                && self.until.is_none_or(|until| event.recorded.0 <= until)
        };
        let mut found: Vec<u64> =
            events.iter().filter(wanted).map(|event| event.position.0).collect();
        if self.backward {
            found.reverse();
        }
        found.truncate(self.limit.unwrap_or(u64::MAX).try_into().unwrap_or(usize::MAX));
        found
    }

    /// The same from the store.
    pub(crate) fn events(&self, store: &Store) -> Result<Events> {
        match &self.about {
            About::All => self.by_position(store.all()),
            About::Stream(name) => {
                let mut stream = store.stream(name);
                if let Some(from) = self.from {
                    stream = stream.from(Version(from));
                }
                self.narrowed(stream).events()
            }
            About::Category(name) => self.by_position(store.category(name)),
            About::Type(name) => self.by_position(store.event_type(name)),
            About::Tag(name) => self.by_position(store.tag(name)),
            About::Query(items) => self.by_position(store.query(query(items))),
        }
    }

    fn by_position(&self, mut selection: Selection<'_>) -> Result<Events> {
        if let Some(from) = self.from {
            selection = selection.from(Position(from));
        }
        self.narrowed(selection).events()
    }

    fn narrowed<'s, F>(&self, mut selection: Selection<'s, F>) -> Selection<'s, F> {
        if self.backward {
            selection = selection.backward();
        }
        if let Some(limit) = self.limit {
            selection = selection.limit(limit);
        }
        if let Some(since) = self.since {
            selection = selection.since(Timestamp(since));
        }
        if let Some(until) = self.until {
            selection = selection.until(Timestamp(until));
        }
        if let Some((first, last)) = self.occurred {
            selection = selection.occurred_between(Timestamp(first), Timestamp(last));
        }
        selection
    }
}

fn query(items: &[(Vec<String>, Vec<String>)]) -> Query {
    items.iter().fold(Query::new(), |query, (types, tags)| {
        let item = types.iter().fold(QueryItem::new(), QueryItem::event_type);
        query.item(tags.iter().fold(item, QueryItem::tag))
    })
}

/// All that a cursor serves; fails if any of it is damaged.
pub(crate) fn collect(mut events: Events) -> Vec<OwnedEvent> {
    let mut all = Vec::new();
    while let Some(event) = events.next().unwrap() {
        all.push(Event::to_owned(&event));
    }
    all
}

/// Asks the store, and compares what it serves with the list.
pub(crate) fn compare(ask: &Ask, store: &Store, events: &[OwnedEvent]) {
    let served = collect(ask.events(store).unwrap());
    let positions: Vec<u64> = served.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, ask.answer(events), "{ask:?}");
    for event in &served {
        assert_eq!(*event, events[event.position.0 as usize], "{ask:?}");
    }
}
