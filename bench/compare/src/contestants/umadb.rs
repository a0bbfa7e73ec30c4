//! UmaDB: the core of an event store server with conditions over queries (DCB) and no streams.
//!
//! Its server has one writer thread that takes all requests which wait and commits them together; this does the same,
//! with the core's own writer thread (the synchronous one, its default), the server's bound of 2,000 events a batch, and
//! a cache of pages of the size that all get, since its own benchmarks run with a large one. The name of the stream is a
//! tag; an append fails if an event with it lies behind the position that the writer has seen last. Reads collect
//! their events before they return; a replay asks for pages of 4,096.
//!
//! It cannot acknowledge before the disk has an append: it has no `Os`. Positions are dense from 1 there, and told
//! from 0 here.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{
    DcbAppendCondition, DcbError, DcbEvent, DcbEventStoreSync as _, DcbQuery, DcbQueryItem,
    DcbResult, DcbSequencedEvent,
};

use super::CACHE_BYTES;
use crate::failure::{Failure, Result};
use crate::store::{Append, Entry, Flight, Found, Planned, Reader, Seen, Store, Visit};

const BATCH_EVENTS_MAX: usize = 2_000;
const QUEUE_REQUESTS: usize = 1_024;
const PAGE_EVENTS: u32 = 4_096;

pub(crate) fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let options = StorageOptions::default().db_path(folder).page_cache_max_mb(CACHE_BYTES >> 20);
    let mvcc = Arc::new(Mvcc::new(false, options)?);
    let (requests, waiting) = mpsc::channel(QUEUE_REQUESTS);
    let (head, _) = watch::channel(None);
    let writer = {
        let mvcc = Arc::clone(&mvcc);
        let run = move || writer_thread_blocking(mvcc, waiting, head, BATCH_EVENTS_MAX);
        std::thread::Builder::new().name("umadb-writer".into()).spawn(run)?
    };
    Ok(Box::new(Uma { database: UmaDb::from_arc(mvcc), requests, writer }))
}

struct Uma {
    database: UmaDb,
    requests: mpsc::Sender<WriterThreadRequest>,
    writer: JoinHandle<()>,
}

type Answer = oneshot::Receiver<DcbResult<u64>>;

fn event(stream: &str, entry: &Entry<'_>) -> DcbEvent {
    let tags = [Some(stream), entry.tag].into_iter().flatten();
    DcbEvent::new().event_type(entry.kind).tags(tags).data(entry.payload)
}

fn query(tag: &str) -> DcbQuery {
    DcbQuery::new().item(DcbQueryItem::new().tags([tag]))
}

fn condition(append: &Append<'_>) -> DcbAppendCondition {
    let (tag, after) = match append.condition {
        Some(condition) => (condition.tag, condition.after),
        None => (append.stream, append.seen.map(|seen| seen.position)),
    };
    DcbAppendCondition::new(query(tag)).after(after.map(|position| position + 1))
}

impl Uma {
    fn send(&self, events: Vec<DcbEvent>, condition: Option<DcbAppendCondition>) -> Result<Answer> {
        let (response_tx, answer) = oneshot::channel();
        let request = WriterThreadRequest::Append {
            events,
            condition,
            tracking_info: None,
            response_tx,
            cancel: None,
        };
        self.requests
            .blocking_send(request)
            .map_err(|_| Failure::new("the writer thread has ended"))?;
        Ok(answer)
    }

    fn submit(&self, append: &Append<'_>) -> Result<Answer> {
        let events = append.events.iter().map(|entry| event(append.stream, entry)).collect();
        self.send(events, Some(condition(append)))
    }
}

/// Waits for the position of the last event.
fn wait(answer: Answer) -> Result<u64> {
    match answer.blocking_recv()? {
        Ok(position) => Ok(position - 1),
        Err(DcbError::IntegrityError(_)) => Err(Failure::Refused),
        Err(error) => Err(error.into()),
    }
}

impl Store for Uma {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let position = wait(self.submit(append)?)?;
        Ok(Seen { version: append.done(0).version, position })
    }

    fn load(&self, events: &[Planned<'_>]) -> Result<()> {
        let events = events.iter().map(|planned| event(planned.stream, &planned.entry)).collect();
        wait(self.send(events, None)?)?;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { database: &self.database }))
    }

    fn flight(&self) -> Option<Box<dyn Flight + '_>> {
        Some(Box::new(Flying { store: self, answers: VecDeque::new() }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        let Uma { database, requests, writer } = *self;
        // A writer thread that has ended already takes no message, and that is what is wanted.
        let _ = requests.blocking_send(WriterThreadRequest::Shutdown);
        drop(requests);
        writer.join().map_err(|_| Failure::new("the writer thread panicked"))?;
        drop(database);
        Ok(())
    }
}

struct Reading<'s> {
    database: &'s UmaDb,
}

fn show(found: &DcbSequencedEvent, stream: Option<&str>, visit: Visit<'_>) {
    let named = || found.event.tags.iter().map(String::as_str).find(|tag| !tag.contains(':'));
    visit(&Found {
        position: found.position - 1,
        version: None,
        stream: stream.or_else(named).unwrap_or_default(),
        payload: &found.event.data,
    });
}

impl Reading<'_> {
    fn query(&self, tag: &str, stream: Option<&str>, visit: Visit<'_>) -> Result<()> {
        for found in self.database.read(Some(query(tag)), None, false, None)? {
            show(&found?, stream, visit);
        }
        Ok(())
    }
}

impl Reader for Reading<'_> {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        self.query(stream, Some(stream), visit)
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        self.query(tag, None, visit)
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        let mut next = 1;
        loop {
            let mut page = self.database.read(None, Some(next), false, Some(PAGE_EVENTS))?;
            let events = page.next_batch()?;
            let Some(last) = events.last() else { return Ok(()) };
            next = last.position + 1;
            events.iter().for_each(|found| show(found, None, visit));
        }
    }
}

struct Flying<'s> {
    store: &'s Uma,
    /// With the version of the last event, counted by the writer.
    answers: VecDeque<(u64, Answer)>,
}

impl Flight for Flying<'_> {
    fn submit(&mut self, append: &Append<'_>) -> Result<()> {
        self.answers.push_back((append.done(0).version, self.store.submit(append)?));
        Ok(())
    }

    fn settle(&mut self) -> Result<Seen> {
        let (version, answer) =
            self.answers.pop_front().ok_or_else(|| Failure::new("nothing is on its way"))?;
        Ok(Seen { version, position: wait(answer)? })
    }
}
