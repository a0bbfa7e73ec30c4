//! Subscriptions of every kind, and what they delivered.

use std::sync::Arc;
use std::time::Duration;

use quipu::{
    Delivery, Durability, Error, Event, ExpectedVersion, NewEvent, Options, OwnedEvent, Position,
    Query, QueryItem, ReadMode, Result, Selection, Store, Subscription, Version,
};
use quipu_disk::{Disk, Gate};

use crate::random::Random;

pub(crate) const PATH: &str = "s";
const STREAMS: [&str; 6] = ["a", "b-1", "b-2", "bb-1", "c-1", "rare-1"];
const TYPES: [&str; 3] = ["Opened", "Moved", "Closed"];
const TAGS: [&str; 4] = ["k:1", "k:2", "m", "rare"];

/// Small segments, so that the store rolls again and again.
pub(crate) fn options(read_mode: ReadMode, durability: Durability) -> Options {
    Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        sync_interval: Duration::from_millis(2),
        read_mode,
        durability,
        ..Options::default()
    }
}

pub(crate) fn open_with(disk: &(impl Disk + Clone + 'static), options: Options) -> Store {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).open().unwrap()
}

pub(crate) fn open(disk: &(impl Disk + Clone + 'static)) -> Store {
    open_with(disk, options(ReadMode::Map, Durability::Sync))
}

pub(crate) fn event(kind: &'static str) -> NewEvent<'static> {
    NewEvent::new(kind, b"payload".as_slice())
}

pub(crate) fn append(store: &Store, stream: &str) {
    store.append(stream, ExpectedVersion::Any, [event("Noted")]).unwrap();
}

/// Waits a little, so that others may do something wrong.
pub(crate) fn pause(millis: u64) {
    let _passed = Gate::new().wait(1, Some(Duration::from_millis(millis)));
}

/// Appends a random commit.
pub(crate) fn write(store: &Store, random: &mut Random) {
    let mut commit = store.commit();
    let count = if random.once_in(4) { 1 + random.below(6) } else { 1 };
    for _ in 0..count {
        let rare = random.once_in(40);
        let stream = if rare { "rare-1" } else { random.pick(&STREAMS[..5]) };
        let payload = vec![3; random.below(200) as usize];
        let mut event = NewEvent::new(random.pick(&TYPES), payload);
        for tag in &TAGS[..3] {
            event = if random.once_in(3) { event.tag(*tag) } else { event };
        }
        event = if rare { event.tag("rare") } else { event };
        commit = commit.append(stream, ExpectedVersion::Any, [event]);
    }
    commit.submit().unwrap().wait().unwrap();
}

/// What is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About {
    All,
    Stream(&'static str),
    Category(&'static str),
    Type(&'static str),
    Tag(&'static str),
    Query(&'static [(&'static [&'static str], &'static [&'static str])]),
}

/// One of each kind, some of them with few events and some with none.
pub(crate) const ABOUT: [About; 14] = [
    About::All,
    About::Stream("a"),
    About::Stream("rare-1"),
    About::Stream("unknown"),
    About::Category("b"),
    About::Category("none"),
    About::Type("Moved"),
    About::Tag("k:1"),
    About::Tag("rare"),
    About::Query(&[(&["Opened"], &["k:1", "m"]), (&[], &["k:2"])]),
    About::Query(&[(&["Opened", "Closed"], &["rare"])]),
    About::Query(&[(&["Opened", "Closed"], &[])]),
    About::Query(&[(&[], &[])]),
    About::Query(&[]),
];

impl About {
    fn by_version(self, store: &Store) -> Option<Selection<'_, Version>> {
        match self {
            About::Stream(name) => Some(store.stream(name)),
            _ => None,
        }
    }

    fn by_position(self, store: &Store) -> Selection<'_> {
        match self {
            About::All | About::Stream(_) => store.all(),
            About::Category(name) => store.category(name),
            About::Type(name) => store.event_type(name),
            About::Tag(name) => store.tag(name),
            About::Query(items) => store.query(items.iter().fold(Query::new(), |query, item| {
                let own = item.0.iter().copied().fold(QueryItem::new(), QueryItem::event_type);
                query.item(item.1.iter().copied().fold(own, QueryItem::tag))
            })),
        }
    }

    /// Follows from the start, or from what a follower said.
    pub(crate) fn follow(self, store: &Store, from: u64) -> Follower {
        match self.by_version(store) {
            Some(selection) => Follower::Version(selection.from(from).subscribe().unwrap()),
            None => Follower::Position(self.by_position(store).from(from).subscribe().unwrap()),
        }
    }

    pub(crate) fn follow_from_end(self, store: &Store) -> Follower {
        match self.by_version(store) {
            Some(selection) => Follower::Version(selection.from_end().subscribe().unwrap()),
            None => Follower::Position(self.by_position(store).from_end().subscribe().unwrap()),
        }
    }

    /// Positions of all that a cursor reads.
    pub(crate) fn read_sound(self, store: &Store) -> Vec<u64> {
        self.read(store).iter().map(|event| event.position.0).collect()
    }

    /// All that a cursor reads.
    pub(crate) fn read(self, store: &Store) -> Vec<OwnedEvent> {
        let mut events = match self.by_version(store) {
            Some(selection) => selection.events().unwrap(),
            None => self.by_position(store).events().unwrap(),
        };
        let mut read = Vec::new();
        while let Some(event) = events.next().unwrap() {
            read.push(Event::to_owned(&event));
        }
        read
    }
}

/// A subscription, counted one way or the other.
pub(crate) enum Follower {
    Position(Subscription<Position>),
    Version(Subscription<Version>),
}

/// What a subscription delivered.
#[derive(Debug, PartialEq)]
pub(crate) enum Got {
    Event(OwnedEvent),
    CaughtUp,
    Nothing,
}

impl Got {
    fn new(delivery: Option<Delivery<'_>>) -> Got {
        match delivery {
            Some(Delivery::Event(event)) => Got::Event(Event::to_owned(&event)),
            Some(Delivery::CaughtUp) => Got::CaughtUp,
            None => Got::Nothing,
        }
    }

    pub(crate) fn event(self) -> OwnedEvent {
        match self {
            Got::Event(event) => event,
            other => panic!("{other:?} instead of an event"),
        }
    }
}

impl Follower {
    pub(crate) fn next(&mut self) -> Result<Got> {
        match self {
            Follower::Position(subscription) => subscription.next().map(Got::new),
            Follower::Version(subscription) => subscription.next().map(Got::new),
        }
    }

    pub(crate) fn try_next(&mut self) -> Result<Got> {
        match self {
            Follower::Position(subscription) => subscription.try_next().map(Got::new),
            Follower::Version(subscription) => subscription.try_next().map(Got::new),
        }
    }

    /// Where to go on.
    pub(crate) fn checkpoint(&self) -> u64 {
        match self {
            Follower::Position(subscription) => subscription.position().0,
            Follower::Version(subscription) => subscription.version().0,
        }
    }

    /// Takes all there is, and fails unless it is told once that this is all. Errors are kept apart.
    pub(crate) fn catch_up(&mut self, events: &mut Vec<OwnedEvent>) -> Vec<Error> {
        let (mut told, mut errors) = (0, Vec::new());
        loop {
            match self.try_next() {
                Ok(Got::Event(event)) => {
                    assert_eq!(told, 0, "it was told that there is no more");
                    events.push(event);
                }
                Ok(Got::CaughtUp) => told += 1,
                Ok(Got::Nothing) => break,
                Err(error) => errors.push(error),
            }
            assert!(errors.len() < 1000, "{errors:?}");
        }
        assert!(told <= 1, "told {told} times");
        errors
    }
}
