//! SQLite, by `rusqlite`: one table of events, in WAL mode.
//!
//! The position is the row id; a unique index over stream and version is the index by stream and the version check; a
//! partial index finds tags. One transaction an append, on one connection under a lock, as SQLite has one writer at a
//! time and no group commit; statements are prepared once. Each reader has a connection of its own. The cache has the
//! size that all get, and as much is mapped.
//!
//! Durable is `synchronous=FULL`: one sync of the WAL a commit. `Os` is `synchronous=NORMAL`: the WAL is written and
//! synced at checkpoints only, so a killed process loses nothing and a power cut keeps the file sound.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rusqlite::{Connection, OptionalExtension as _, Row, Rows, Transaction, params};

use super::CACHE_BYTES;
use crate::failure::{Failure, Result};
use crate::store::{
    Append, Condition, Durability, Entry, Found, Planned, Reader, Seen, Store, Visit,
};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        version INTEGER NOT NULL,
        kind TEXT NOT NULL,
        tag TEXT,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS streams ON events (stream, version);
    CREATE INDEX IF NOT EXISTS tags ON events (tag, position) WHERE tag IS NOT NULL;";
const INSERT: &str = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const LAST_POSITION: &str = "SELECT max(position) FROM events";
const LAST_VERSION: &str = "SELECT max(version) FROM events WHERE stream = ?1";
const TAGGED_AFTER: &str = "SELECT 1 FROM events WHERE tag = ?1 AND position > ?2 LIMIT 1";

pub(crate) fn open(folder: &Path, durability: Durability) -> Result<Box<dyn Store>> {
    let path = folder.join("store.sqlite");
    let synchronous = match durability {
        Durability::Sync => "FULL",
        Durability::Os => "NORMAL",
    };
    let writer = connect(&path, synchronous)?;
    writer.execute_batch(SCHEMA)?;
    Ok(Box::new(Sqlite { path, synchronous, writer: Mutex::new(writer) }))
}

fn connect(path: &Path, synchronous: &str) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    let kibibytes = i64::try_from(CACHE_BYTES >> 10)?;
    connection.pragma_update(None, "cache_size", -kibibytes)?;
    connection.pragma_update(None, "mmap_size", i64::try_from(CACHE_BYTES)?)?;
    Ok(connection)
}

struct Sqlite {
    path: PathBuf,
    synchronous: &'static str,
    writer: Mutex<Connection>,
}

impl Sqlite {
    fn lock(&self) -> Result<MutexGuard<'_, Connection>> {
        self.writer.lock().map_err(|_| Failure::new("a writer panicked"))
    }
}

/// SQLite's integers have a sign; positions and versions never come near it.
fn signed(number: u64) -> Result<i64> {
    Ok(i64::try_from(number)?)
}

fn next_position(txn: &Transaction<'_>) -> Result<u64> {
    let last: Option<i64> = txn.prepare_cached(LAST_POSITION)?.query_row([], |row| row.get(0))?;
    last.map_or(Ok(0), |last| Ok(u64::try_from(last)? + 1))
}

fn is_as_expected(txn: &Transaction<'_>, append: &Append<'_>) -> Result<bool> {
    if let Some(Condition { tag, after }) = append.condition {
        let after = after.map_or(Ok(-1), signed)?;
        let mut statement = txn.prepare_cached(TAGGED_AFTER)?;
        let found = statement.query_row(params![tag, after], |_| Ok(())).optional()?;
        return Ok(found.is_none());
    }
    let mut statement = txn.prepare_cached(LAST_VERSION)?;
    let last: Option<i64> = statement.query_row([append.stream], |row| row.get(0))?;
    Ok(last == append.seen.map(|seen| signed(seen.version)).transpose()?)
}

fn put(
    txn: &Transaction<'_>,
    position: u64,
    (stream, version): (&str, u64),
    entry: &Entry<'_>,
) -> Result<()> {
    let row =
        params![signed(position)?, stream, signed(version)?, entry.kind, entry.tag, entry.payload];
    txn.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

impl Store for Sqlite {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let mut writer = self.lock()?;
        let txn = writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        if !is_as_expected(&txn, append)? {
            return Err(Failure::Refused);
        }
        let first = next_position(&txn)?;
        for (entry, further) in append.events.iter().zip(0..) {
            put(&txn, first + further, (append.stream, append.first_version() + further), entry)?;
        }
        txn.commit()?;
        Ok(append.done(first))
    }

    fn load(&self, events: &[Planned<'_>]) -> Result<()> {
        let mut writer = self.lock()?;
        let txn = writer.transaction()?;
        let first = next_position(&txn)?;
        for (planned, position) in events.iter().zip(first..) {
            put(&txn, position, (planned.stream, planned.version), &planned.entry)?;
        }
        Ok(txn.commit()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { connection: connect(&self.path, self.synchronous)? }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        let writer = self.writer.into_inner().map_err(|_| Failure::new("a writer panicked"))?;
        writer.close().map_err(|(_, error)| error.into())
    }
}

struct Reading {
    connection: Connection,
}

fn show(mut rows: Rows<'_>, visit: Visit<'_>) -> Result<()> {
    while let Some(row) = rows.next()? {
        visit(&found(row)?);
    }
    Ok(())
}

fn found<'r>(row: &'r Row<'_>) -> Result<Found<'r>> {
    Ok(Found {
        position: u64::try_from(row.get::<_, i64>(0)?)?,
        version: Some(u64::try_from(row.get::<_, i64>(1)?)?),
        stream: row.get_ref(2)?.as_str()?,
        payload: row.get_ref(3)?.as_blob()?,
    })
}

const OF_STREAM: &str =
    "SELECT position, version, stream, payload FROM events WHERE stream = ?1 ORDER BY version";
const WITH_TAG: &str =
    "SELECT position, version, stream, payload FROM events WHERE tag = ?1 ORDER BY position";
const ALL: &str = "SELECT position, version, stream, payload FROM events ORDER BY position";

impl Reader for Reading {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        show(self.connection.prepare_cached(OF_STREAM)?.query([stream])?, visit)
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        show(self.connection.prepare_cached(WITH_TAG)?.query([tag])?, visit)
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        show(self.connection.prepare_cached(ALL)?.query([])?, visit)
    }
}
