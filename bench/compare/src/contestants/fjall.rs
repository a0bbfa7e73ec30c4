//! fjall: a log-structured merge tree, three keyspaces with batches across them.
//!
//! One batch an append, under one lock, which the dense order needs: the next position is kept beside it. fjall holds
//! the lock of its journal while it syncs and knows no group commit, so leaving this lock before the sync would let
//! nobody else in.
//!
//! Durable is a batch with `SyncData`, one `fdatasync` of the journal. `Os` is `Buffer`: written to the operating
//! system. Blocks are compressed with LZ4 below the first levels, as they are by default, and the cache has the size
//! that all get.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use super::{CACHE_BYTES, keys};
use crate::failure::{Failure, Result};
use crate::store::{Append, Condition, Durability, Entry, Planned, Reader, Seen, Store, Visit};

pub(crate) fn open(folder: &Path, durability: Durability) -> Result<Box<dyn Store>> {
    let database = Database::builder(folder).cache_size(CACHE_BYTES as u64).open()?;
    let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
    let (events, streams, tags) = (keyspace("events")?, keyspace("streams")?, keyspace("tags")?);
    let last = events.last_key_value().map(|guard| keys::number(&guard.key()?)).transpose()?;
    let next = Mutex::new(last.map_or(0, |position| position + 1));
    let persist = match durability {
        Durability::Sync => PersistMode::SyncData,
        Durability::Os => PersistMode::Buffer,
    };
    Ok(Box::new(Fjall { database, events, streams, tags, next, persist }))
}

struct Fjall {
    database: Database,
    events: Keyspace,
    streams: Keyspace,
    tags: Keyspace,
    /// The next position; its lock is the writer's.
    next: Mutex<u64>,
    persist: PersistMode,
}

impl Fjall {
    fn lock(&self) -> Result<MutexGuard<'_, u64>> {
        self.next.lock().map_err(|_| Failure::new("a writer panicked"))
    }

    fn is_as_expected(&self, append: &Append<'_>) -> Result<bool> {
        if let Some(Condition { tag, after }) = append.condition {
            let (first, last) = keys::tag_range(tag, after);
            let found = self.tags.range(first..=last).next();
            return Ok(found.map(|guard| guard.key()).transpose()?.is_none());
        }
        keys::is_as_seen(append, |key| Ok(self.streams.contains_key(key)?))
    }

    fn put(
        &self,
        batch: &mut OwnedWriteBatch,
        position: u64,
        (stream, version): (&str, u64),
        entry: &Entry<'_>,
    ) {
        let key = position.to_be_bytes();
        batch.insert(&self.events, key, keys::record(stream, version, entry));
        batch.insert(&self.streams, keys::stream_key(stream, version), key);
        if let Some(tag) = entry.tag {
            batch.insert(&self.tags, keys::tag_key(tag, position), []);
        }
    }
}

impl Store for Fjall {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let mut next = self.lock()?;
        if !self.is_as_expected(append)? {
            return Err(Failure::Refused);
        }
        let first = *next;
        let mut batch = self.database.batch().durability(Some(self.persist));
        for (entry, further) in append.events.iter().zip(0..) {
            let place = (append.stream, append.first_version() + further);
            self.put(&mut batch, first + further, place, entry);
        }
        batch.commit()?;
        let done = append.done(first);
        *next = done.position + 1;
        Ok(done)
    }

    fn load(&self, events: &[Planned<'_>]) -> Result<()> {
        let mut next = self.lock()?;
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        for (planned, position) in events.iter().zip(*next..) {
            self.put(&mut batch, position, (planned.stream, planned.version), &planned.entry);
        }
        batch.commit()?;
        *next += events.len() as u64;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { store: self }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

struct Reading<'s> {
    store: &'s Fjall,
}

impl Reading<'_> {
    fn show(&self, position: u64, visit: Visit<'_>) -> Result<()> {
        let record = self.store.events.get(position.to_be_bytes())?;
        let record = record.ok_or_else(|| Failure::new(format!("no event at {position}")))?;
        visit(&keys::found(position, &record)?);
        Ok(())
    }
}

impl Reader for Reading<'_> {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        let range = keys::stream_key(stream, 0)..=keys::stream_key(stream, u64::MAX);
        for guard in self.store.streams.range(range) {
            self.show(keys::number(&guard.value()?)?, visit)?;
        }
        Ok(())
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        let (first, last) = keys::tag_range(tag, None);
        for guard in self.store.tags.range(first..=last) {
            self.show(keys::number(&guard.key()?)?, visit)?;
        }
        Ok(())
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        for guard in self.store.events.iter() {
            let (key, record) = guard.into_inner()?;
            visit(&keys::found(keys::number(&key)?, &record)?);
        }
        Ok(())
    }
}
