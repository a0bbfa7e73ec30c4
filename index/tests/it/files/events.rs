//! Events to post, and the plain maps that say what must be found of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use quipu_format::{ByteOffset, Position, Salt, SegmentId, StoreId, Timestamp, Version};
use quipu_index::{
    Active, Covers, Identity, IndexError, Key, Keys, Kind, Lineage, Part, Post, Sealed,
    write_segment,
};

use super::source::{Copied, Lent};

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) offset: ByteOffset,
    pub(crate) version: Version,
    pub(crate) keys: Vec<Key>,
    pub(crate) local: Vec<Key>,
    /// The name of its stream where it is the first of it.
    pub(crate) born: Option<String>,
}

/// What must be found of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) ordinals: Vec<u32>,
    pub(crate) before: u64,
    pub(crate) local: bool,
}

/// What must be found of events: the model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) first: u32,
    pub(crate) keys: BTreeMap<Key, Known>,
    pub(crate) offsets: Vec<ByteOffset>,
    pub(crate) names: BTreeSet<String>,
}

impl Model {
    /// Of these events, of which the first has this ordinal.
    pub(crate) fn of(first: u32, events: &[Event]) -> Model {
        let mut model = Model { first, ..Model::default() };
        for (event, ordinal) in events.iter().zip(first..) {
            model.offsets.push(event.offset);
            model.names.extend(event.born.clone());
            let mut before = event.version.0;
            for key in &event.keys {
                model.note(*key, ordinal, std::mem::take(&mut before), false);
            }
            for key in &event.local {
                model.note(*key, ordinal, 0, true);
            }
        }
        model
    }

    fn note(&mut self, key: Key, ordinal: u32, before: u64, local: bool) {
        let new = Known { ordinals: Vec::new(), before, local };
        let known = self.keys.entry(key).or_insert(new);
        known.local &= local;
        if known.ordinals.last() != Some(&ordinal) {
            known.ordinals.push(ordinal);
        }
    }

    /// The same, with what earlier segments hold.
    pub(crate) fn with_lineage(mut self) -> Model {
        for (key, known) in &mut self.keys {
            if known.before == 0 && !known.local {
                known.before = lineage(*key).before;
            }
        }
        self
    }
}

pub(crate) fn keys() -> Keys {
    Keys::new([42; 16])
}

/// What earlier segments hold of a key: anything, but always the same.
pub(crate) fn lineage(key: Key) -> Lineage {
    let number = (key.0 >> 40) as u32 % 90;
    if number < 30 {
        return Lineage::default();
    }
    Lineage {
        before: u64::from(number) * 3,
        prev: Some(SegmentId(number)),
        jump: (number > 60).then_some(SegmentId(number / 2)),
        depth: number / 3,
    }
}

pub(crate) const IDENTITY: Identity =
    Identity { store: StoreId([3; 16]), segment: SegmentId(100), salt: Salt(0x5a17) };

pub(crate) fn covers(events: &[Event]) -> Covers {
    Covers {
        base: Position(1_000_000),
        events: events.len() as u32,
        ids: events.len() as u32 / 2,
        end: ByteOffset(events.last().map_or(4096, |event| event.offset.0 + 160)),
        last_time: Timestamp(1_700_000_000_000_000),
    }
}

/// Posts events in groups of this size.
pub(crate) fn post(active: &Active, events: &[Event], group: usize) {
    for group in events.chunks(group) {
        for name in group.iter().filter_map(|event| event.born.as_ref()) {
            active.born(name);
        }
        active.post(group.iter().map(|event| Post {
            offset: event.offset,
            version: event.version,
            keys: &event.keys,
            local: &event.local,
        }));
    }
}

pub(crate) fn memory(first: u32, events: &[Event]) -> Part {
    let active = Active::new(first);
    post(&active, events, 7);
    Part::Memory(Arc::new(active))
}

/// The file of these parts, which hold these events.
pub(crate) fn write(events: &[Event], parts: &[Part]) -> Vec<u8> {
    let mut known = |key| Ok::<_, IndexError>(lineage(key));
    write_segment(&IDENTITY, &covers(events), parts, &mut known).unwrap()
}

pub(crate) fn lent(bytes: &[u8]) -> Part {
    let sealed = Sealed::open(Box::new(Lent(bytes.to_vec())), &IDENTITY).unwrap();
    Part::File(Arc::new(sealed))
}

pub(crate) fn copied(bytes: &[u8]) -> Part {
    let sealed = Sealed::open(Box::new(Copied::new(bytes.to_vec())), &IDENTITY).unwrap();
    Part::File(Arc::new(sealed))
}

/// What chooses one event.
type Choice = (u8, u8, u16, Vec<u16>, u16);

/// Events of few and of many streams, with keys that nearly all, some, few or only one of them have.
pub(crate) fn events(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Event>> {
    let tags = proptest::collection::vec(any::<u16>(), 0..4);
    let choice = (any::<u8>(), any::<u8>(), 1..40u16, tags, any::<u16>());
    proptest::collection::vec(choice, count).prop_map(|choices| made(&choices))
}

fn made(choices: &[Choice]) -> Vec<Event> {
    let keys = keys();
    let mut versions = BTreeMap::new();
    let mut offset = 4096;
    let mut events = Vec::new();
    for (number, (stream, dense, units, tags, id)) in choices.iter().enumerate() {
        // One half of the events are in four streams, of which two began in earlier segments.
        let stream = if stream % 2 == 0 { u64::from(stream % 8) } else { u64::from(*id) };
        let name = format!("order-{stream}");
        let begun = if stream == 2 || stream == 4 { 1000 } else { 0 };
        let version = versions.entry(stream).or_insert(begun);
        let mut event = Event {
            offset: ByteOffset(offset),
            version: Version(*version),
            keys: vec![keys.key(Kind::Stream, &name), keys.key(Kind::Category, "order")],
            local: vec![keys.bytes(Kind::EventId, &number.to_le_bytes())],
            born: (*version == 0).then_some(name),
        };
        *version += 1;
        offset += u64::from(*units) * 16;
        if dense % 8 != 0 {
            event.keys.push(keys.key(Kind::EventType, "changed"));
        }
        // A tag in 7 twice, some in common with many events, most with none.
        for tag in tags {
            let tag = if tag % 3 == 0 { tag % 64 } else { *tag };
            let key = keys.key(Kind::Tag, &tag.to_string());
            event.keys.extend(std::iter::repeat_n(key, 1 + usize::from(tag % 7 == 0)));
        }
        events.push(event);
    }
    events
}
