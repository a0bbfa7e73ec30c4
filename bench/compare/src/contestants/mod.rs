//! The stores that take part, one file each.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::store::{Durability, Store};

mod fjall;
mod keys;
mod lmdb;
mod quipu;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sqlite;
mod tephra;
#[cfg(test)]
pub(crate) mod tests;
mod umadb;

/// Bytes of memory that each store which has a cache of its own may use for it. The others are read through the
/// page cache of the system.
const CACHE_BYTES: usize = 1 << 30;

/// A store that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Contestant {
    Quipu,
    Tephra,
    Umadb,
    #[cfg(feature = "rocksdb")]
    Rocksdb,
    Lmdb,
    Redb,
    Fjall,
    Sqlite,
}

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Quipu => "quipu",
            Contestant::Tephra => "tephra",
            Contestant::Umadb => "umadb",
            #[cfg(feature = "rocksdb")]
            Contestant::Rocksdb => "rocksdb",
            Contestant::Lmdb => "lmdb",
            Contestant::Redb => "redb",
            Contestant::Fjall => "fjall",
            Contestant::Sqlite => "sqlite",
        }
    }

    /// Whether the store can acknowledge that way; each file says why one cannot.
    pub(crate) fn offers(self, durability: Durability) -> bool {
        let durable_only =
            matches!(self, Contestant::Tephra | Contestant::Umadb | Contestant::Redb);
        durability == Durability::Sync || !durable_only
    }

    /// Whether one thread can have many appends on their way.
    pub(crate) fn has_flights(self) -> bool {
        matches!(self, Contestant::Quipu | Contestant::Tephra | Contestant::Umadb)
    }

    /// Opens the store in this folder, which is there; creates it where there is none.
    pub(crate) fn open(self, folder: &Path, durability: Durability) -> Result<Box<dyn Store>> {
        match self {
            Contestant::Quipu => quipu::open(folder, durability),
            Contestant::Tephra => tephra::open(folder),
            Contestant::Umadb => umadb::open(folder),
            #[cfg(feature = "rocksdb")]
            Contestant::Rocksdb => rocksdb::open(folder, durability),
            Contestant::Lmdb => lmdb::open(folder, durability),
            Contestant::Redb => redb::open(folder),
            Contestant::Fjall => fjall::open(folder, durability),
            Contestant::Sqlite => sqlite::open(folder, durability),
        }
    }
}
