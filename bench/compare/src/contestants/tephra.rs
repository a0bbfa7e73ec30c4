//! Tephra: an embedded event store with conditions over queries (DCB) and no streams.
//!
//! The name of the stream is a tag of its events, as its documentation has entities. An append fails if an event with
//! that tag lies behind the position that the writer has seen last: that is its version check, and readers count
//! versions as they go. `WriteHandle::append` groups the writers of many threads; `append_submit` with a channel of
//! replies is its way to have many on their way from one thread. Segments have 256 MiB, as in its documentation, and
//! everything else its defaults.
//!
//! It cannot acknowledge before the disk has an append: it has no `Os`. Positions are dense from 1 there, and told
//! from 0 here.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use tephra::{
    AppendCondition, AppendError, Event, EventType, Position, PositionRange, Query, QueryItem,
    SegmentConfig, SegmentSet, Tag, Tags, WriteCoordinator, WriteHandle, WriterConfig,
};

use crate::failure::{Failure, Result};
use crate::store::{Append, Entry, Flight, Found, Planned, Reader, Seen, Store, Visit};

const SEGMENT_BYTES: usize = 256 << 20;

pub(crate) fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let segments = SegmentSet::open(folder, SegmentConfig::new(SEGMENT_BYTES))?;
    let (coordinator, handle) = WriteCoordinator::start(segments, WriterConfig::default())?;
    Ok(Box::new(Tephra { coordinator, handle }))
}

struct Tephra {
    coordinator: WriteCoordinator,
    handle: WriteHandle,
}

fn event(stream: &str, entry: &Entry<'_>) -> Result<Event> {
    let names = [Some(stream), entry.tag].into_iter().flatten();
    let tags = Tags::new(names.map(Tag::new).collect::<std::result::Result<Vec<_>, _>>()?)?;
    Ok(Event::new(&EventType::new(entry.kind)?, &tags, entry.payload)?)
}

fn events(append: &Append<'_>) -> Result<Vec<Event>> {
    append.events.iter().map(|entry| event(append.stream, entry)).collect()
}

fn query(tag: &str) -> Result<Query> {
    Ok(Query::item(QueryItem::with_tags(Tags::new([Tag::new(tag)?])?)))
}

fn condition(append: &Append<'_>) -> Result<AppendCondition> {
    let (tag, after) = match append.condition {
        Some(condition) => (condition.tag, condition.after),
        None => (append.stream, append.seen.map(|seen| seen.position)),
    };
    let after = after.map_or(Position::ZERO, |position| Position::new(position + 1));
    Ok(AppendCondition::new(query(tag)?).after(after))
}

fn failure(error: AppendError) -> Failure {
    match error {
        AppendError::Conflict { .. } => Failure::Refused,
        other => other.into(),
    }
}

impl Store for Tephra {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let range = self.handle.append(events(append)?, Some(condition(append)?));
        Ok(append.done(range.map_err(failure)?.first.get() - 1))
    }

    fn load(&self, planned: &[Planned<'_>]) -> Result<()> {
        let events = planned.iter().map(|planned| event(planned.stream, &planned.entry));
        self.handle.append(events.collect::<Result<_>>()?, None)?;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { handle: &self.handle }))
    }

    fn flight(&self) -> Option<Box<dyn Flight + '_>> {
        let (reply, replies) = flume::unbounded();
        let settled = HashMap::new();
        Some(Box::new(Flying {
            handle: &self.handle,
            reply,
            replies,
            sent: VecDeque::new(),
            settled,
            next: 0,
        }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        let Tephra { coordinator, handle } = *self;
        drop(handle);
        drop(coordinator.shutdown());
        Ok(())
    }
}

struct Reading<'s> {
    handle: &'s WriteHandle,
}

impl Reading<'_> {
    fn show(&self, query: &Query, stream: Option<&str>, visit: Visit<'_>) -> Result<()> {
        let mut reads = self.handle.read(query, Position::ZERO, None);
        while let Some(item) = reads.next() {
            let item = item?;
            let stream = stream.or_else(|| item.event.tags().find(|tag| !tag.contains(':')));
            visit(&Found {
                position: item.position.get() - 1,
                version: None,
                stream: stream.unwrap_or_default(),
                payload: item.event.data(),
            });
        }
        Ok(())
    }
}

impl Reader for Reading<'_> {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        self.show(&query(stream)?, Some(stream), visit)
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        self.show(&query(tag)?, None, visit)
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        self.show(&Query::all(), None, visit)
    }
}

type Reply = (u64, std::result::Result<PositionRange, AppendError>);

struct Flying<'s> {
    handle: &'s WriteHandle,
    reply: flume::Sender<Reply>,
    replies: flume::Receiver<Reply>,
    /// By token: versions of the last events, counted by the writer.
    sent: VecDeque<(u64, u64)>,
    /// Replies that came before those that are older.
    settled: HashMap<u64, std::result::Result<PositionRange, AppendError>>,
    next: u64,
}

impl Flight for Flying<'_> {
    fn submit(&mut self, append: &Append<'_>) -> Result<()> {
        let (events, condition) = (events(append)?, condition(append)?);
        let token = self.next;
        self.next += 1;
        self.handle
            .append_submit(events, Some(condition), token, self.reply.clone())
            .map_err(failure)?;
        self.sent.push_back((token, append.done(0).version));
        Ok(())
    }

    fn settle(&mut self) -> Result<Seen> {
        let (token, version) =
            self.sent.pop_front().ok_or_else(|| Failure::new("nothing is on its way"))?;
        let range = loop {
            if let Some(result) = self.settled.remove(&token) {
                break result.map_err(failure)?;
            }
            let (token, result) = self.replies.recv()?;
            self.settled.insert(token, result);
        };
        Ok(Seen { version, position: range.last.get() - 1 })
    }
}
