//! LMDB, by `heed`: a copy-on-write B+ tree in one mapped file.
//!
//! One transaction an append, as it has one writer at a time and no group commit: writers of many threads queue at its
//! own lock. Events are added with `APPEND`, since their positions only grow, which fills pages to the end. The next
//! position is read from the last key in the transaction itself. A read takes a transaction of its own, which costs
//! no system call.
//!
//! Durable is its default, a sync of the data and one of the meta page. `Os` is `NO_SYNC`: what a killed process has
//! committed is there, since it was written to the file; a power cut may cost the whole file, which the other stores
//! with `Os` survive.

use std::ops::Bound;
use std::path::Path;

use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64, Unit};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, RwTxn};

use super::keys;
use crate::failure::{Failure, Result};
use crate::store::{Append, Condition, Durability, Entry, Planned, Reader, Seen, Store, Visit};

/// Address space, not memory: a store may grow up to this.
const MAP_BYTES: usize = 64 << 30;

pub(crate) fn open(folder: &Path, durability: Durability) -> Result<Box<dyn Store>> {
    let env = environment(folder, durability)?;
    let mut txn = env.write_txn()?;
    let tables = Tables {
        events: env.create_database(&mut txn, Some("events"))?,
        streams: env.create_database(&mut txn, Some("streams"))?,
        tags: env.create_database(&mut txn, Some("tags"))?,
    };
    txn.commit()?;
    Ok(Box::new(Lmdb { env, tables }))
}

#[allow(unsafe_code, reason = "heed opens environments by unsafe functions only")]
fn environment(folder: &Path, durability: Durability) -> Result<Env> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_BYTES).max_dbs(3);
    if durability == Durability::Os {
        // SAFETY: the flag allows the loss of the file by a power cut, and the file lies in a folder of a measurement.
        unsafe { options.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: the folder was made for this store alone, so nobody else changes the file under the map.
    Ok(unsafe { options.open(folder) }?)
}

#[derive(Clone, Copy)]
struct Tables {
    events: Database<U64<BigEndian>, Bytes>,
    streams: Database<Bytes, U64<BigEndian>>,
    tags: Database<Bytes, Unit>,
}

struct Lmdb {
    env: Env,
    tables: Tables,
}

fn within<'k>(first: &'k [u8], last: &'k [u8]) -> (Bound<&'k [u8]>, Bound<&'k [u8]>) {
    (Bound::Included(first), Bound::Included(last))
}

impl Tables {
    fn next_position(&self, txn: &RoTxn<'_>) -> Result<u64> {
        let last = self.events.remap_data_type::<heed::types::DecodeIgnore>().last(txn)?;
        Ok(last.map_or(0, |(position, ())| position + 1))
    }

    fn is_as_expected(&self, txn: &RoTxn<'_>, append: &Append<'_>) -> Result<bool> {
        if let Some(Condition { tag, after }) = append.condition {
            let (first, last) = keys::tag_range(tag, after);
            let mut found = self.tags.range(txn, &within(&first, &last))?;
            return Ok(found.next().transpose()?.is_none());
        }
        keys::is_as_seen(append, |key| Ok(self.streams.get(txn, key)?.is_some()))
    }

    fn put(
        &self,
        txn: &mut RwTxn<'_>,
        position: u64,
        (stream, version): (&str, u64),
        entry: &Entry<'_>,
    ) -> Result<()> {
        let record = keys::record(stream, version, entry);
        self.events.put_with_flags(txn, PutFlags::APPEND, &position, &record)?;
        self.streams.put(txn, &keys::stream_key(stream, version), &position)?;
        if let Some(tag) = entry.tag {
            self.tags.put(txn, &keys::tag_key(tag, position), &())?;
        }
        Ok(())
    }
}

impl Store for Lmdb {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let mut txn = self.env.write_txn()?;
        if !self.tables.is_as_expected(&txn, append)? {
            return Err(Failure::Refused);
        }
        let first = self.tables.next_position(&txn)?;
        for (entry, further) in append.events.iter().zip(0..) {
            let place = (append.stream, append.first_version() + further);
            self.tables.put(&mut txn, first + further, place, entry)?;
        }
        txn.commit()?;
        Ok(append.done(first))
    }

    fn load(&self, events: &[Planned<'_>]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        let first = self.tables.next_position(&txn)?;
        for (planned, position) in events.iter().zip(first..) {
            let place = (planned.stream, planned.version);
            self.tables.put(&mut txn, position, place, &planned.entry)?;
        }
        Ok(txn.commit()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { store: self }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.env.force_sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

struct Reading<'s> {
    store: &'s Lmdb,
}

impl Reading<'_> {
    fn show(&self, txn: &RoTxn<'_>, position: u64, visit: Visit<'_>) -> Result<()> {
        let record = self.store.tables.events.get(txn, &position)?;
        let record = record.ok_or_else(|| Failure::new(format!("no event at {position}")))?;
        visit(&keys::found(position, record)?);
        Ok(())
    }
}

impl Reader for Reading<'_> {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        let txn = self.store.env.read_txn()?;
        let (first, last) = (keys::stream_key(stream, 0), keys::stream_key(stream, u64::MAX));
        let range = within(&first, &last);
        for item in self.store.tables.streams.range(&txn, &range)? {
            self.show(&txn, item?.1, visit)?;
        }
        Ok(())
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        let txn = self.store.env.read_txn()?;
        let (first, last) = keys::tag_range(tag, None);
        let range = within(&first, &last);
        for item in self.store.tables.tags.range(&txn, &range)? {
            self.show(&txn, keys::number(item?.0)?, visit)?;
        }
        Ok(())
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        let txn = self.store.env.read_txn()?;
        for item in self.store.tables.events.iter(&txn)? {
            let (position, record) = item?;
            visit(&keys::found(position, record)?);
        }
        Ok(())
    }
}
