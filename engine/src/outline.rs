//! What the index, conditions and retries need to know of a commit, made ready outside every lock.

use std::sync::Arc;

use quipu_format::{ByteOffset, Position, Timestamp, Version};
use quipu_index::{Key, Post};

/// How many keys an event has, more or less: its stream, category, type and a few tags.
const KEYS_EXPECTED: usize = 8;

/// One event of a commit.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Where its record begins, in bytes from the frame's start.
    offset: u32,
    /// Index of its stream in the draft.
    stream: u32,
    /// How many events of the commit precede it in its stream.
    nth: u32,
    /// Where its keys end; they begin where those of the event before end.
    keys_end: u32,
    id: [u8; 16],
}

/// The keys and ids of a commit's events: all that does not depend on order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    lines: Vec<Line>,
    /// Of each event: its stream's key first, then those of its type, category and tags.
    keys: Vec<Key>,
    /// Of each event the key of its id, where ids are indexed; else empty.
    ids: Vec<Key>,
    /// Whether any event came without an id of the writer's own: then the commit cannot be a retry.
    pub(crate) anonymous: bool,
}

/// What is noted of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted<'k> {
    pub(crate) offset: u32,
    pub(crate) stream: u32,
    pub(crate) nth: u32,
    pub(crate) keys: &'k [Key],
    pub(crate) id: [u8; 16],
    pub(crate) id_key: Option<Key>,
}

impl Outline {
    /// Makes room for so many events with a few keys each.
    pub(crate) fn reserve(&mut self, events: usize) {
        self.lines.reserve(events);
        self.keys.reserve(events * KEYS_EXPECTED);
    }

    pub(crate) fn push(&mut self, event: Noted<'_>) {
        let Noted { offset, stream, nth, keys, id, id_key } = event;
        self.keys.extend_from_slice(keys);
        self.ids.extend(id_key);
        self.lines.push(Line { offset, stream, nth, keys_end: self.keys.len() as u32, id });
    }

    /// The keys of an event, its stream's first.
    pub(crate) fn keys(&self, event: usize) -> &[Key] {
        let start = event.checked_sub(1).map_or(0, |before| self.lines[before].keys_end);
        &self.keys[start as usize..self.lines[event].keys_end as usize]
    }

    /// The keys of all events.
    pub(crate) fn all_keys(&self) -> &[Key] {
        &self.keys
    }

    /// Number of events.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn id(&self, event: usize) -> [u8; 16] {
        self.lines[event].id
    }

    /// The ids, event by event.
    pub(crate) fn ids(&self) -> impl Iterator<Item = [u8; 16]> {
        self.lines.iter().map(|line| line.id)
    }

    /// The events of one of the draft's streams, in their order.
    pub(crate) fn events_of(&self, stream: u32) -> impl Iterator<Item = usize> {
        let lines = self.lines.iter().enumerate().filter(move |(_, line)| line.stream == stream);
        lines.map(|(event, _)| event)
    }

    /// The keys of all ids; empty where ids are not indexed.
    pub(crate) fn id_keys(&self) -> &[Key] {
        &self.ids
    }

    /// Index of an event's stream in the draft, and how many events of the commit precede it there.
    pub(crate) fn stream(&self, event: usize) -> (u32, u32) {
        (self.lines[event].stream, self.lines[event].nth)
    }
}

/// A commit that has its place in the log.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) outline: Arc<Outline>,
    /// Where its frame begins.
    pub(crate) offset: ByteOffset,
    pub(crate) first_position: Position,
    pub(crate) time: Timestamp,
    /// The version of the first event of each stream of the draft.
    pub(crate) first_versions: Vec<Version>,
    /// Names of the streams that begin here.
    pub(crate) born: Vec<String>,
}

impl Posted {
    pub(crate) fn version(&self, event: usize) -> Version {
        let (stream, nth) = self.outline.stream(event);
        self.first_versions[stream as usize].plus(u64::from(nth))
    }

    pub(crate) fn next_position(&self) -> Position {
        self.first_position.plus(self.outline.len() as u64)
    }

    /// The commit's events, for the index.
    pub(crate) fn posts(&self) -> impl Iterator<Item = Post<'_>> {
        (0..self.outline.len()).map(|event| Post {
            offset: ByteOffset(self.offset.0 + u64::from(self.outline.lines[event].offset)),
            version: self.version(event),
            keys: self.outline.keys(event),
            local: self.outline.ids.get(event..=event).unwrap_or_default(),
        })
    }
}
