//! redb: a copy-on-write B-tree in one file.
//!
//! One transaction an append, as it has one writer at a time and no group commit: writers of many threads queue in
//! `begin_write`. The next position is read from the last key in the transaction itself. A read takes a transaction of
//! its own.
//!
//! Durable is its default, `Durability::Immediate`: one sync a commit. It has no `Os`: what is committed with
//! `Durability::None` is kept in the process's memory, and a kill takes everything since the last durable commit.
//! Quick repair is off, as it is by default: commits are faster, and an opening after a kill reads everything.

use std::path::Path;

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition,
    WriteTransaction,
};

use super::{CACHE_BYTES, keys};
use crate::failure::{Failure, Result};
use crate::store::{Append, Condition, Entry, Planned, Reader, Seen, Store, Visit};

const EVENTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("events");
const STREAMS: TableDefinition<'static, &[u8], u64> = TableDefinition::new("streams");
const TAGS: TableDefinition<'static, &[u8], ()> = TableDefinition::new("tags");

pub(crate) fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let database =
        Database::builder().set_cache_size(CACHE_BYTES).create(folder.join("store.redb"))?;
    let txn = database.begin_write()?;
    drop(Tables::open(&txn)?);
    txn.commit()?;
    Ok(Box::new(Redb { database }))
}

struct Redb {
    database: Database,
}

/// The tables, open in a transaction.
struct Tables<'t> {
    events: Table<'t, u64, &'static [u8]>,
    streams: Table<'t, &'static [u8], u64>,
    tags: Table<'t, &'static [u8], ()>,
}

impl<'t> Tables<'t> {
    fn open(txn: &'t WriteTransaction) -> Result<Tables<'t>> {
        Ok(Tables {
            events: txn.open_table(EVENTS)?,
            streams: txn.open_table(STREAMS)?,
            tags: txn.open_table(TAGS)?,
        })
    }

    fn next_position(&self) -> Result<u64> {
        Ok(self.events.last()?.map_or(0, |(position, _)| position.value() + 1))
    }

    fn is_as_expected(&self, append: &Append<'_>) -> Result<bool> {
        if let Some(Condition { tag, after }) = append.condition {
            let (first, last) = keys::tag_range(tag, after);
            let mut found = self.tags.range(first.as_slice()..=last.as_slice())?;
            return Ok(found.next().transpose()?.is_none());
        }
        keys::is_as_seen(append, |key| Ok(self.streams.get(key)?.is_some()))
    }

    fn put(
        &mut self,
        position: u64,
        (stream, version): (&str, u64),
        entry: &Entry<'_>,
    ) -> Result<()> {
        self.events.insert(position, keys::record(stream, version, entry).as_slice())?;
        self.streams.insert(keys::stream_key(stream, version).as_slice(), position)?;
        if let Some(tag) = entry.tag {
            self.tags.insert(keys::tag_key(tag, position).as_slice(), ())?;
        }
        Ok(())
    }
}

impl Store for Redb {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let txn = self.database.begin_write()?;
        let mut tables = Tables::open(&txn)?;
        if !tables.is_as_expected(append)? {
            return Err(Failure::Refused);
        }
        let first = tables.next_position()?;
        for (entry, further) in append.events.iter().zip(0..) {
            let place = (append.stream, append.first_version() + further);
            tables.put(first + further, place, entry)?;
        }
        drop(tables);
        txn.commit()?;
        Ok(append.done(first))
    }

    fn load(&self, events: &[Planned<'_>]) -> Result<()> {
        let txn = self.database.begin_write()?;
        let mut tables = Tables::open(&txn)?;
        let first = tables.next_position()?;
        for (planned, position) in events.iter().zip(first..) {
            tables.put(position, (planned.stream, planned.version), &planned.entry)?;
        }
        drop(tables);
        Ok(txn.commit()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { database: &self.database }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.close()?)
    }
}

struct Reading<'s> {
    database: &'s Database,
}

fn show(
    txn: &ReadTransaction,
    positions: impl Iterator<Item = Result<u64>>,
    visit: Visit<'_>,
) -> Result<()> {
    let events = txn.open_table(EVENTS)?;
    for position in positions {
        let position = position?;
        let record = events.get(position)?;
        let record = record.ok_or_else(|| Failure::new(format!("no event at {position}")))?;
        visit(&keys::found(position, record.value())?);
    }
    Ok(())
}

impl Reader for Reading<'_> {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        let txn = self.database.begin_read()?;
        let (first, last) = (keys::stream_key(stream, 0), keys::stream_key(stream, u64::MAX));
        let range = txn.open_table(STREAMS)?.range(first.as_slice()..=last.as_slice())?;
        show(&txn, range.map(|item| Ok(item?.1.value())), visit)
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        let txn = self.database.begin_read()?;
        let (first, last) = keys::tag_range(tag, None);
        let range = txn.open_table(TAGS)?.range(first.as_slice()..=last.as_slice())?;
        show(&txn, range.map(|item| keys::number(item?.0.value())), visit)
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        let txn = self.database.begin_read()?;
        for item in txn.open_table(EVENTS)?.iter()? {
            let (position, record) = item?;
            visit(&keys::found(position.value(), record.value())?);
        }
        Ok(())
    }
}
