//! A commit encoded as far as it can be before it has its place in the log.

use std::collections::HashMap;
use std::sync::Arc;

use quipu_disk::Disk;
use quipu_format::Version;
use quipu_format::checksum::Place;
use quipu_format::frame::FRAME_HEADER_BYTES;
use quipu_format::limits::{
    EVENTS_MAX, FRAME_BYTES_MAX, METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, STREAM_BYTES_MAX,
    TAG_BYTES_MAX, TAGS_MAX, TYPE_BYTES_MAX,
};
use quipu_format::record::{self, Fields, RECORD_HEADER_BYTES};
use quipu_index::{BuildKeyHasher, Key, Keys, Kind, StreamHead};
use uuid::Uuid;

use crate::ids::EventIds;
use crate::keys::keys_of;
use crate::outline::{Noted, Outline};
use crate::plant::{self, Bug};
use crate::{AppendCondition, Durability, Error, ExpectedVersion, NewEvent, Result};

/// Up to this many streams a commit is searched for a stream one by one.
const STREAMS_SEARCHED: usize = 8;

/// A stream that a commit touches or checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DraftStream<'a> {
    pub(crate) key: Key,
    pub(crate) name: &'a str,
    pub(crate) expected: ExpectedVersion,
    /// Events the commit appends to it; 0 for one that is only checked.
    pub(crate) events: u32,
    /// Number of its last event in the commit.
    pub(crate) last_ordinal: u16,
    /// Its head as looked up outside the lock, if the draft is resolved.
    pub(crate) known: Option<StreamHead>,
}

#[derive(Clone, Copy, Debug)]
struct DraftRecord {
    draft: record::Draft,
    /// Index of its stream.
    stream: u32,
    /// How many events of the same commit precede it in its stream.
    nth: u32,
}

/// A commit whose records are encoded and summed; what is missing is only what depends on order:
/// versions, positions, time and place.
pub(crate) struct Draft<'a> {
    /// The frame: room for its header, then the records.
    bytes: Vec<u8>,
    records: Vec<DraftRecord>,
    pub(crate) streams: Vec<DraftStream<'a>>,
    by_key: HashMap<Key, u32, BuildKeyHasher>,
    pub(crate) outline: Arc<Outline>,
    /// The generation of tentative heads for which `known` of the streams was looked up.
    pub(crate) resolved: Option<u64>,
    /// What must not have happened.
    pub(crate) condition: Option<AppendCondition>,
    pub(crate) durability: Durability,
    /// Some of the events came with an id.
    named: bool,
    scratch: Vec<Key>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(durability: Durability) -> Draft<'a> {
        Draft {
            bytes: vec![0; FRAME_HEADER_BYTES],
            records: Vec::new(),
            streams: Vec::new(),
            by_key: HashMap::default(),
            outline: Arc::default(),
            resolved: None,
            condition: None,
            durability,
            named: false,
            scratch: Vec::new(),
        }
    }

    /// Makes room for so many events of so many bytes, as far as a commit may be as large.
    pub(crate) fn reserve(&mut self, events: usize, bytes: usize) {
        let events = events.min(EVENTS_MAX);
        let headers = events * RECORD_HEADER_BYTES;
        self.bytes.reserve(bytes.saturating_add(headers).min(FRAME_BYTES_MAX));
        self.records.reserve(events);
        Arc::make_mut(&mut self.outline).reserve(events);
    }

    /// Adds a stream that is only checked.
    pub(crate) fn check(
        &mut self,
        keys: &Keys,
        stream: &'a str,
        expected: ExpectedVersion,
    ) -> Result<()> {
        self.stream(keys, stream, expected).map(|_| ())
    }

    /// Adds events to a stream.
    pub(crate) fn append<'e>(
        &mut self,
        context: &Context<'_>,
        stream: &'a str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> Result<()> {
        let index = self.stream(context.keys, stream, expected)?;
        for event in events {
            self.event(context, index, &event)?;
        }
        Ok(())
    }

    fn stream(&mut self, keys: &Keys, name: &'a str, expected: ExpectedVersion) -> Result<u32> {
        bound("stream name", name.len(), 1, STREAM_BYTES_MAX)?;
        if name.starts_with('$') {
            return Err(Error::invalid("stream names that begin with `$` are reserved"));
        }
        let key = keys.key(Kind::Stream, name);
        let entry = DraftStream { key, name, expected, events: 0, last_ordinal: 0, known: None };
        if let Some(index) = self.find(key) {
            let known = self.streams[index as usize].expected;
            if known == ExpectedVersion::Any {
                self.streams[index as usize].expected = expected;
            } else if expected != ExpectedVersion::Any && expected != known {
                // Both must hold: the second is judged as a stream that is only checked.
                self.streams.push(entry);
            }
            return Ok(index);
        }
        let index = self.streams.len() as u32;
        self.streams.push(entry);
        if self.streams.len() > STREAMS_SEARCHED {
            if self.by_key.is_empty() {
                // A stream that stands twice is known by its first entry.
                let known = self.streams.iter().map(|stream| stream.key).zip(0..);
                known.for_each(|(key, index)| {
                    self.by_key.entry(key).or_insert(index);
                });
            }
            self.by_key.entry(key).or_insert(index);
        }
        Ok(index)
    }

    fn find(&self, key: Key) -> Option<u32> {
        if self.by_key.is_empty() {
            let index = self.streams.iter().position(|stream| stream.key == key)?;
            return u32::try_from(index).ok();
        }
        self.by_key.get(&key).copied()
    }

    fn event(&mut self, context: &Context<'_>, index: u32, event: &NewEvent<'_>) -> Result<()> {
        check_bounds(event)?;
        if self.records.len() == EVENTS_MAX {
            return Err(Error::invalid("a commit takes at most 65,535 events"));
        }
        let ordinal = self.records.len() as u16;
        let id = event.id.unwrap_or_else(|| context.ids.next(context.disk)).into_bytes();
        let stream = &mut self.streams[index as usize];
        let fields = Fields {
            stream: stream.name,
            kind: &event.kind,
            tags: &event.tags,
            metadata: &event.metadata,
            payload: &event.payload,
            codec: event.codec,
            occurred: event.occurred,
            id: Some(id),
            ordinal,
        };
        let bytes = record::encoded_bytes(&fields);
        if self.bytes.len() as u64 + bytes > FRAME_BYTES_MAX as u64 {
            return Err(Error::invalid(
                "a commit takes at most 64 MiB, headers and names included",
            ));
        }
        self.bytes.reserve(bytes as usize);
        let draft = record::encode(&mut self.bytes, &fields);
        let nth = stream.events;
        self.records.push(DraftRecord { draft, stream: index, nth });
        stream.events += 1;
        stream.last_ordinal = ordinal;
        self.note(
            context,
            event,
            Noted { offset: draft.offset, stream: index, nth, keys: &[], id, id_key: None },
        );
        Ok(())
    }

    /// Notes what the index will need to know of the event.
    fn note(&mut self, context: &Context<'_>, event: &NewEvent<'_>, noted: Noted<'_>) {
        let Context { keys, .. } = context;
        let DraftStream { key, name, .. } = self.streams[noted.stream as usize];
        let mut all = std::mem::take(&mut self.scratch);
        let tags = event.tags.iter().map(|tag| &**tag);
        keys_of(keys, (key, name), &event.kind, tags, &mut all);
        let id_key = context.index_ids.then(|| keys.bytes(Kind::EventId, &noted.id));
        let outline = Arc::make_mut(&mut self.outline);
        outline.anonymous |= event.id.is_none();
        self.named |= event.id.is_some();
        outline.push(Noted { keys: &all, id_key, ..noted });
        self.scratch = all;
    }

    /// The draft, if it is a commit at all.
    pub(crate) fn finish(self) -> Result<Draft<'a>> {
        if self.records.is_empty() {
            return Err(Error::invalid("a commit needs at least one event"));
        }
        if self.named && self.records.len() > 1 {
            let mut ids: Vec<_> = self.outline.ids().collect();
            ids.sort_unstable();
            let is_twice = ids.windows(2).any(|pair| pair[0] == pair[1]);
            if is_twice && !plant::is_in(Bug::OneIdTwice) {
                return Err(Error::invalid("two events of a commit have the same id"));
            }
        }
        Ok(self)
    }

    /// Bytes of the frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Number of events; the bound is checked as they are added.
    pub(crate) fn events(&self) -> u16 {
        self.records.len() as u16
    }

    /// Writes the records into the frame's place in a staging buffer, with the versions they were
    /// given. The header is left to the committer.
    pub(crate) fn settle(&self, frame: &mut [u8], place: Place, first_versions: &[Version]) {
        frame.copy_from_slice(&self.bytes);
        for DraftRecord { draft, stream, nth } in &self.records {
            let version = first_versions[*stream as usize].plus(u64::from(*nth));
            let offset = draft.offset as usize;
            record::settle(&mut frame[offset..], *draft, version, place.plus(offset as u64));
        }
    }
}

/// What encoding needs of the store.
pub(crate) struct Context<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) ids: &'a EventIds,
    pub(crate) disk: &'a dyn Disk,
    /// Whether ids are indexed.
    pub(crate) index_ids: bool,
}

fn check_bounds(event: &NewEvent<'_>) -> Result<()> {
    bound("event type", event.kind.len(), 1, TYPE_BYTES_MAX)?;
    bound("metadata", event.metadata.len(), 0, METADATA_BYTES_MAX)?;
    bound("payload", event.payload.len(), 0, PAYLOAD_BYTES_MAX)?;
    if event.tags.len() > TAGS_MAX {
        return Err(Error::invalid(format!(
            "an event takes at most {TAGS_MAX} tags, not {}",
            event.tags.len()
        )));
    }
    event.tags.iter().try_for_each(|tag| bound("tag", tag.len(), 1, TAG_BYTES_MAX))?;
    if event.id == Some(Uuid::nil()) {
        return Err(Error::invalid("the nil UUID names no event"));
    }
    if !event.codec.is_storable() {
        return Err(Error::invalid("a codec without a name has a number from 5 to 15"));
    }
    Ok(())
}

fn bound(what: &str, bytes: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&bytes) {
        return Ok(());
    }
    Err(Error::invalid(format!("{what}: {bytes} bytes, where {least} to {most} are allowed")))
}
