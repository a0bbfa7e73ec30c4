//! RocksDB: a log-structured merge tree, three column families with batches across them. Behind the feature `rocksdb`.
//!
//! Writers of many threads are grouped by RocksDB itself (`sync` writes that wait together share one sync), so they
//! must not write under a lock. Under one they only check, against the store and what is on its way, and get their
//! positions; then each writes its batch; and each is acknowledged once all positions before it are written too. So the
//! order stays dense: a crash can only leave a gap above everything that was acknowledged, and opening removes what lies
//! behind such a gap. Readers see up to the first gap.
//!
//! Durable is `sync` of the write options. `Os` is the default: the WAL is written to the operating system and not
//! synced. Bloom filters of 10 bits, the cache of the size that all get, LZ4, and background threads for every core, as
//! its tuning guide has it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    Direction, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::{CACHE_BYTES, keys};
use crate::failure::{Failure, Result};
use crate::store::{Append, Condition, Durability, Entry, Planned, Reader, Seen, Store, Visit};

const EVENTS: &str = "events";
const STREAMS: &str = "streams";
const TAGS: &str = "tags";
/// A key and its value.
type Pair = std::result::Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>;

/// No more events are on their way at once, so a gap lies no further before the end.
const ON_THEIR_WAY_MAX: u64 = 65_536;

pub(crate) fn open(folder: &Path, durability: Durability) -> Result<Box<dyn Store>> {
    let options = options();
    let families = [EVENTS, STREAMS, TAGS];
    let families = families.map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
    let database = DB::open_cf_descriptors(&options, folder, families)?;
    let mut write_options = WriteOptions::default();
    write_options.set_sync(durability == Durability::Sync);
    let order = Mutex::new(Order::default());
    let store = Rocks { database, write_options, order, written: Condvar::new() };
    store.close_gap()?;
    Ok(Box::new(store))
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_bloom_filter(10.0, false);
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    options.increase_parallelism(i32::try_from(cores).unwrap_or(1));
    options
}

struct Rocks {
    database: DB,
    write_options: WriteOptions,
    order: Mutex<Order>,
    /// Rung as everything before some position is written.
    written: Condvar,
}

/// Which positions are given, which are written, and what is on its way.
#[derive(Default)]
struct Order {
    next: u64,
    /// Everything below is written.
    written: u64,
    /// Written behind a gap: from a position up to another.
    ahead: BTreeMap<u64, u64>,
    /// Of streams that are being appended to, the last version.
    streams: HashMap<String, u64>,
    /// Of tags that are being appended with, the last position.
    tags: HashMap<String, u64>,
    /// A write failed: positions behind it will never follow on each other.
    broken: bool,
}

impl Order {
    fn finish(&mut self, first: u64, end: u64) {
        self.ahead.insert(first, end);
        while let Some(end) = self.ahead.remove(&self.written) {
            self.written = end;
        }
    }

    fn give(&mut self, append: &Append<'_>) -> Seen {
        let done = append.done(self.next);
        self.next = done.position + 1;
        self.streams.insert(append.stream.to_owned(), done.version);
        for tag in append.events.iter().filter_map(|entry| entry.tag) {
            self.tags.insert(tag.to_owned(), done.position);
        }
        done
    }

    /// Forgets what is in the store by now.
    fn forget(&mut self, append: &Append<'_>, done: Seen) {
        if self.streams.get(append.stream) == Some(&done.version) {
            self.streams.remove(append.stream);
        }
        for tag in append.events.iter().filter_map(|entry| entry.tag) {
            if self.tags.get(tag) == Some(&done.position) {
                self.tags.remove(tag);
            }
        }
    }
}

impl Rocks {
    fn lock(&self) -> Result<MutexGuard<'_, Order>> {
        self.order.lock().map_err(|_| Failure::new("a writer panicked"))
    }

    fn family(&self, name: &str) -> Result<&ColumnFamily> {
        self.database.cf_handle(name).ok_or_else(|| Failure::new(format!("no family {name}")))
    }

    fn is_as_expected(&self, order: &Order, append: &Append<'_>) -> Result<bool> {
        if let Some(Condition { tag, after }) = append.condition {
            if order.tags.get(tag).is_some_and(|last| after.is_none_or(|after| *last > after)) {
                return Ok(false);
            }
            let (first, last) = keys::tag_range(tag, after);
            return Ok(self.range(TAGS, &first, last)?.next().transpose()?.is_none());
        }
        if let Some(last) = order.streams.get(append.stream) {
            return Ok(append.seen.is_some_and(|seen| seen.version == *last));
        }
        let streams = self.family(STREAMS)?;
        keys::is_as_seen(append, |key| Ok(self.database.get_pinned_cf(streams, key)?.is_some()))
    }

    /// Keys and values from a key up to and with another.
    fn range(
        &self,
        family: &str,
        first: &[u8],
        mut last: Vec<u8>,
    ) -> Result<impl Iterator<Item = Pair>> {
        // The bound is the first key that is not wanted.
        last.push(0);
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(last);
        let mode = IteratorMode::From(first, Direction::Forward);
        Ok(self.database.iterator_cf_opt(self.family(family)?, options, mode))
    }

    fn put(
        &self,
        batch: &mut WriteBatch,
        position: u64,
        (stream, version): (&str, u64),
        entry: &Entry<'_>,
    ) -> Result<()> {
        let key = position.to_be_bytes();
        batch.put_cf(self.family(EVENTS)?, key, keys::record(stream, version, entry));
        batch.put_cf(self.family(STREAMS)?, keys::stream_key(stream, version), key);
        if let Some(tag) = entry.tag {
            batch.put_cf(self.family(TAGS)?, keys::tag_key(tag, position), b"");
        }
        Ok(())
    }

    /// Finds the end, and removes what lies behind a gap before it: it was never acknowledged.
    fn close_gap(&self) -> Result<()> {
        let events = self.family(EVENTS)?;
        let last = self.database.iterator_cf(events, IteratorMode::End).next().transpose()?;
        let Some((last, _)) = last else { return Ok(()) };
        let last = keys::number(&last)?;
        let first = (last + 1).saturating_sub(ON_THEIR_WAY_MAX);
        let mut next = first;
        let mut batch = WriteBatch::default();
        for item in self.range(EVENTS, &first.to_be_bytes(), last.to_be_bytes().to_vec())? {
            let (key, record) = item?;
            let position = keys::number(&key)?;
            if position == next {
                next += 1;
                continue;
            }
            let (stream, version, tag) = keys::names(&record)?;
            batch.delete_cf(events, &key);
            batch.delete_cf(self.family(STREAMS)?, keys::stream_key(stream, version));
            batch.delete_cf(self.family(TAGS)?, keys::tag_key(tag, position));
        }
        self.database.write_opt(batch, &self.write_options)?;
        let mut order = self.lock()?;
        (order.next, order.written) = (next, next);
        Ok(())
    }

    /// Waits until everything up to a position is written, this append's own events among it.
    fn wait(&self, append: &Append<'_>, (first, done): (u64, Seen)) -> Result<Seen> {
        let mut order = self.lock()?;
        order.finish(first, done.position + 1);
        order.forget(append, done);
        self.written.notify_all();
        while order.written <= done.position && !order.broken {
            order = self.written.wait(order).map_err(|_| Failure::new("a writer panicked"))?;
        }
        if order.written <= done.position {
            return Err(Failure::new("an earlier write failed"));
        }
        Ok(done)
    }
}

impl Store for Rocks {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let (first, done) = {
            let mut order = self.lock()?;
            if order.broken || order.next - order.written > ON_THEIR_WAY_MAX / 2 {
                return Err(Failure::new("too much is on its way, or a write failed"));
            }
            if !self.is_as_expected(&order, append)? {
                return Err(Failure::Refused);
            }
            (order.next, order.give(append))
        };
        let mut batch = WriteBatch::default();
        for (entry, further) in append.events.iter().zip(0..) {
            let place = (append.stream, append.first_version() + further);
            self.put(&mut batch, first + further, place, entry)?;
        }
        if let Err(error) = self.database.write_opt(batch, &self.write_options) {
            self.lock()?.broken = true;
            self.written.notify_all();
            return Err(error.into());
        }
        self.wait(append, (first, done))
    }

    fn load(&self, events: &[Planned<'_>]) -> Result<()> {
        let mut order = self.lock()?;
        let mut batch = WriteBatch::default();
        for (planned, position) in events.iter().zip(order.next..) {
            self.put(&mut batch, position, (planned.stream, planned.version), &planned.entry)?;
        }
        self.database.write(batch)?;
        let (first, end) = (order.next, order.next + events.len() as u64);
        order.next = end;
        order.finish(first, end);
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { store: self }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.database.flush_wal(true)?;
        self.database.cancel_all_background_work(true);
        Ok(())
    }
}

struct Reading<'s> {
    store: &'s Rocks,
}

impl Reading<'_> {
    fn show(&self, position: u64, visit: Visit<'_>) -> Result<()> {
        let events = self.store.family(EVENTS)?;
        let record = self.store.database.get_pinned_cf(events, position.to_be_bytes())?;
        let record = record.ok_or_else(|| Failure::new(format!("no event at {position}")))?;
        visit(&keys::found(position, &record)?);
        Ok(())
    }
}

impl Reader for Reading<'_> {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        let end = self.store.lock()?.written;
        let (first, last) = (keys::stream_key(stream, 0), keys::stream_key(stream, u64::MAX));
        for item in self.store.range(STREAMS, &first, last)? {
            let position = keys::number(&item?.1)?;
            if position < end {
                self.show(position, visit)?;
            }
        }
        Ok(())
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        let end = self.store.lock()?.written;
        let (first, last) = keys::tag_range(tag, None);
        for item in self.store.range(TAGS, &first, last)? {
            let position = keys::number(&item?.0)?;
            if position < end {
                self.show(position, visit)?;
            }
        }
        Ok(())
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        let end = self.store.lock()?.written;
        let Some(last) = end.checked_sub(1) else { return Ok(()) };
        for item in self.store.range(EVENTS, &0_u64.to_be_bytes(), last.to_be_bytes().to_vec())? {
            let (key, record) = item?;
            visit(&keys::found(keys::number(&key)?, &record)?);
        }
        Ok(())
    }
}
