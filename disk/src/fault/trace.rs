//! A hash over everything that was asked of a disk, and what it answered.

use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;

/// What is asked.
#[derive(Clone, Copy, Hash, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    OpenToWrite,
    Create,
    List,
    Rename,
    Remove,
    CreateDirectory,
    SyncDirectory,
    Lock,
    Size,
    Read,
    Write,
    Sync,
    Map,
}

/// One call, as far as it goes into the hash.
#[derive(Hash)]
pub(super) struct Call<'a> {
    kind: Kind,
    path: &'a Path,
    /// The new name of a rename.
    to: Option<&'a Path>,
    offset: u64,
    length: usize,
    /// What is written.
    bytes: &'a [u8],
}

impl<'a> Call<'a> {
    pub(super) fn of(kind: Kind, path: &'a Path) -> Call<'a> {
        Call { kind, path, to: None, offset: 0, length: 0, bytes: &[] }
    }

    pub(super) fn rename(from: &'a Path, to: &'a Path) -> Call<'a> {
        Call { to: Some(to), ..Call::of(Kind::Rename, from) }
    }

    pub(super) fn read(path: &'a Path, length: usize, offset: u64) -> Call<'a> {
        Call { offset, length, ..Call::of(Kind::Read, path) }
    }

    pub(super) fn write(path: &'a Path, bytes: &'a [u8], offset: u64) -> Call<'a> {
        Call { offset, length: bytes.len(), bytes, ..Call::of(Kind::Write, path) }
    }

    pub(super) fn changes_names(&self) -> bool {
        matches!(self.kind, Kind::Create | Kind::Rename | Kind::Remove | Kind::CreateDirectory)
    }
}

/// The running hash: fast rather than strong, since nobody attacks it.
#[derive(Clone)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) fn new(seed: u64) -> Trace {
        Trace(seed)
    }

    pub(super) fn hash(&self) -> u64 {
        self.0
    }

    /// Notes a call and its number.
    pub(super) fn begin(&mut self, number: u64, call: &Call<'_>) {
        (number, call).hash(self);
    }

    /// Notes a part of the answer.
    pub(super) fn note(&mut self, answer: impl Hash) {
        answer.hash(self);
    }

    /// Notes whether a call succeeded, or how it failed.
    pub(super) fn end<T>(&mut self, result: &io::Result<T>) {
        self.note(result.as_ref().map(drop).map_err(io::Error::kind));
    }
}

impl Hasher for Trace {
    fn write(&mut self, bytes: &[u8]) {
        const ODD: u64 = 0x9FB2_1C65_1E98_DF25;
        let (words, rest) = bytes.as_chunks::<8>();
        let mut hash = self.0;
        for word in words {
            hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
        }
        for byte in rest {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(ODD).rotate_left(29);
        }
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
