//! Stores with many small segments, and a list of what is in them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quipu::{
    Codec, ExpectedVersion, Mode, NewEvent, Options, OwnedEvent, Position, ReadMode, Store,
    Timestamp, Uuid, Version,
};
use quipu_disk::{Disk, FaultDisk};

use super::model::{STREAMS, TAGS, TYPES};
use crate::random::Random;

pub(crate) const PATH: &str = "s";

pub(crate) fn options(read_mode: ReadMode) -> Options {
    Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        read_mode,
        ..Options::default()
    }
}

pub(crate) fn open(disk: &(impl Disk + Clone + 'static), read_mode: ReadMode) -> Store {
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options(read_mode));
    builder.open().unwrap()
}

pub(crate) fn open_to_read(disk: &(impl Disk + Clone + 'static), read_mode: ReadMode) -> Store {
    let options = Options { mode: Mode::ReadOnly, ..options(read_mode) };
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).open().unwrap()
}

/// A store that is written, and what is in it.
pub(crate) struct Written {
    pub(crate) disk: FaultDisk,
    pub(crate) events: Vec<OwnedEvent>,
    versions: HashMap<&'static str, u64>,
    random: Random,
}

impl Written {
    pub(crate) fn new(seed: u64) -> Written {
        Written {
            disk: FaultDisk::new(seed),
            events: Vec::new(),
            versions: HashMap::new(),
            random: Random(seed),
        }
    }

    /// Writes some random commits.
    pub(crate) fn write(&mut self, store: &Store, commits: u64) {
        for _ in 0..commits {
            self.commit(store);
        }
    }

    fn commit(&mut self, store: &Store) {
        if self.random.once_in(2) {
            self.disk.advance(Duration::from_micros(self.random.below(5)));
        }
        let count = if self.random.once_in(4) { 1 + self.random.below(12) } else { 1 };
        let first = self.events.len();
        let mut commit = store.commit();
        let mut pending = Vec::new();
        for at in 0..count {
            let event = self.event(Position((first as u64) + at));
            commit = commit.append(event.0, ExpectedVersion::Any, [new(&event.1)]);
            pending.push(event.1);
        }
        let done = commit.submit().unwrap().wait().unwrap();
        assert_eq!(done.first_position.0, first as u64);
        for event in pending {
            self.events.push(OwnedEvent { recorded: done.recorded, ..event });
        }
    }

    fn event(&mut self, position: Position) -> (&'static str, OwnedEvent) {
        let random = &mut self.random;
        // Some names come up only here and there, so that most segments do not hold them.
        let rare = random.once_in(60);
        let name = if rare { "rare-1" } else { random.pick(&STREAMS[..7]) };
        let name = if random.once_in(4) { "long-stream" } else { name };
        let next = self.versions.entry(name).or_default();
        let version = Version(*next);
        *next += 1;
        let tags = TAGS[..4].iter().filter(|_| random.once_in(3)).map(ToString::to_string);
        let mut tags: Vec<String> = tags.collect();
        if random.once_in(50) {
            tags.push("rare".to_owned());
        }
        let kind = if rare { "Rare" } else { random.pick(&TYPES[..3]) };
        let event = OwnedEvent {
            stream: name.to_owned(),
            version,
            position,
            event_type: kind.to_owned(),
            id: Some(Uuid::from_u128(u128::from(random.next()))),
            recorded: Timestamp(0),
            occurred: random.once_in(2).then(|| Timestamp(random.below(100).cast_signed())),
            tags,
            metadata: vec![1; random.below(20) as usize],
            payload: vec![2; random.below(200) as usize],
            codec: Codec::Bytes,
        };
        (name, event)
    }
}

fn new(event: &OwnedEvent) -> NewEvent<'static> {
    let new = NewEvent::new(event.event_type.clone(), event.payload.clone())
        .metadata(event.metadata.clone())
        .id(event.id.unwrap());
    let new = event.tags.iter().fold(new, |new, tag| new.tag(tag.clone()));
    match event.occurred {
        Some(at) => new.occurred(at),
        None => new,
    }
}
