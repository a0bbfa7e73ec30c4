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
        let Call { kind, path, to, offset, length, bytes } = *call;
        (number, kind, spelled(path), to.map(spelled), offset, length, bytes).hash(self);
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

/// A path by its bytes: nobody need know its components.
fn spelled(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

const ODD: u64 = 0x9FB2_1C65_1E98_DF25;

/// Words that are summed side by side.
const LANES: usize = 8;

fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(ODD).rotate_left(29)
}

/// Two sums over each lane, one of them of the sums so far, so that the order counts (J. Fletcher: An Arithmetic
/// Checksum for Serial Transmissions, 1982). Most bytes of a simulation are hashed here.
fn sums(blocks: &[[[u8; 8]; LANES]]) -> [u64; 2 * LANES] {
    let (mut sums, mut sums_of_sums) = ([0_u64; LANES], [0_u64; LANES]);
    for block in blocks {
        for lane in 0..LANES {
            sums[lane] = sums[lane].wrapping_add(u64::from_le_bytes(block[lane]));
            sums_of_sums[lane] = sums_of_sums[lane].wrapping_add(sums[lane]);
        }
    }
    std::array::from_fn(|at| if at < LANES { sums[at] } else { sums_of_sums[at - LANES] })
}

impl Hasher for Trace {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let (blocks, words) = words.as_chunks::<LANES>();
        let mut hash = self.0;
        if !blocks.is_empty() {
            hash = sums(blocks).into_iter().fold(hash, mix);
        }
        hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
        self.0 = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
