//! The index of what was written last, in memory.
//!
//! One thread posts, any number of threads read meanwhile. Offsets become readable before the keys that
//! lead to them, and [`Active::end`] moves on last: whoever finds an ordinal finds its offset, and whoever
//! has seen an end finds every key of the events before it.

mod arena;
mod shard;
mod sorted;

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::{Mutex, RwLock};
use quipu_format::index::Scope;
use quipu_format::{ByteOffset, Version};

use crate::part::BATCH;
use crate::{Held, IndexError, Key, Way};
pub(crate) use shard::Posted;
use shard::{Pair, SHARDS, Shard, shard_of};
pub(crate) use sorted::Sorted;

/// One event as it is posted.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Where its record stands in the segment's file.
    pub offset: ByteOffset,
    /// Its version in its stream.
    pub version: Version,
    /// Its keys, that of its stream first.
    pub keys: &'a [Key],
    /// Keys that are found in this segment only, and never in heads, chains or runs.
    pub local: &'a [Key],
}

/// The index of the last events of the active segment, in memory: about 70 bytes for each key, and up
/// to 8 for each event that has it beyond the third.
#[derive(Debug)]
pub struct Active {
    /// The ordinals below stand in a file.
    first: u32,
    /// The ordinals from `first` to here are posted with all of their keys.
    end: AtomicU32,
    /// Of each ordinal from `first` on, in units of 16 bytes.
    offsets: RwLock<Vec<u32>>,
    /// By the upper bits of the keys: in the order of shards keys are sorted.
    shards: [RwLock<Shard>; SHARDS],
    /// Names of the streams that began here, in the order they did.
    born: RwLock<Vec<Box<str>>>,
    /// Memory that is used again by each [`Active::post`]; locked for as long as one runs.
    scratch: Mutex<Scratch>,
}

/// What is to be posted, before any lock that readers take is held.
#[derive(Debug, Default)]
struct Scratch {
    offsets: Vec<u32>,
    pairs: [Vec<Pair>; SHARDS],
}

impl Active {
    /// An empty index of the ordinals from `first` on.
    #[must_use]
    pub fn new(first: u32) -> Active {
        Active {
            first,
            end: AtomicU32::new(first),
            offsets: RwLock::default(),
            shards: Default::default(),
            born: RwLock::default(),
            scratch: Mutex::default(),
        }
    }

    /// Posts the next events, in the order of their ordinals. A key that stands twice in one event is
    /// posted once.
    pub fn post<'a>(&self, events: impl Iterator<Item = Post<'a>>) {
        let mut scratch = self.scratch.lock();
        let first = self.end();
        scratch.fill(first, events);
        let end = first + scratch.offsets.len() as u32;
        self.offsets.write().append(&mut scratch.offsets);
        for (shard, pairs) in self.shards.iter().zip(&mut scratch.pairs) {
            if !pairs.is_empty() {
                let mut shard = shard.write();
                pairs.iter().for_each(|pair| shard.post(pair));
            }
        }
        self.end.store(end, Ordering::Release);
    }

    /// Notes the name of a stream whose version 0 is posted here.
    pub fn born(&self, name: &str) {
        self.born.write().push(name.into());
    }

    /// The first ordinal that stands here.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The ordinal of the next event to be posted.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.end.load(Ordering::Acquire)
    }

    /// Number of keys.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    pub(crate) fn find(&self, key: Key) -> Option<Held> {
        let shard = self.shards[shard_of(key)].read();
        let posted = shard.get(key)?;
        Some(Held {
            key,
            before: posted.before,
            count: posted.ordinals.len() as u32,
            last: *posted.ordinals.last()?,
            prev: None,
            jump: None,
            depth: 0,
            postings: 0,
        })
    }

    pub(crate) fn nth(&self, held: &Held, n: u32) -> Result<u32, IndexError> {
        let shard = self.shards[shard_of(held.key)].read();
        known(&shard, held)?.get(n as usize).copied().ok_or(NO_ORDINAL)
    }

    pub(crate) fn batch(
        &self,
        held: &Held,
        from: u32,
        way: Way,
        out: &mut Vec<u32>,
    ) -> Result<(), IndexError> {
        let shard = self.shards[shard_of(held.key)].read();
        let known = known(&shard, held)?;
        match way {
            Way::Forward => {
                let start = known.partition_point(|&ordinal| ordinal < from);
                out.extend(known[start..].iter().take(BATCH));
            }
            Way::Backward => {
                let end = known.partition_point(|&ordinal| ordinal <= from);
                out.extend(known[..end].iter().rev().take(BATCH));
            }
        }
        Ok(())
    }

    pub(crate) fn offset(&self, ordinal: u32) -> Option<ByteOffset> {
        let index = ordinal.checked_sub(self.first)?;
        self.offsets.read().get(index as usize).copied().map(ByteOffset::from_units)
    }

    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let born = self.born.read();
        let wanted = born.iter().filter(|name| name.starts_with(prefix));
        let mut names: Vec<String> = wanted.map(ToString::to_string).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The offsets of the ordinals below `end`, in units, from [`Active::first`] on.
    pub(crate) fn offsets(&self, end: u32) -> Vec<u32> {
        let count = end.saturating_sub(self.first) as usize;
        self.offsets.read().iter().take(count).copied().collect()
    }

    /// What is posted of the ordinals below `end`, in the order of keys.
    pub(crate) fn sorted(&self, end: u32) -> Sorted<'_> {
        Sorted::new(&self.shards, end)
    }
}

const NO_ORDINAL: IndexError = IndexError::damaged(0, "the key has no such ordinal in memory");

/// The ordinals of a key when it was found.
fn known<'a>(shard: &'a Shard, held: &Held) -> Result<&'a [u32], IndexError> {
    let posted = shard.get(held.key).ok_or(NO_ORDINAL)?;
    posted.ordinals.get(..held.count as usize).ok_or(NO_ORDINAL)
}

impl Scratch {
    /// Takes the events apart, into what each lock guards.
    fn fill<'a>(&mut self, first: u32, events: impl Iterator<Item = Post<'a>>) {
        self.offsets.clear();
        self.pairs.iter_mut().for_each(Vec::clear);
        for (post, ordinal) in events.zip(first..) {
            self.offsets.push(post.offset.units());
            let mut before = post.version.0;
            for &key in post.keys {
                let before = mem::take(&mut before);
                self.pairs[shard_of(key)].push(Pair { key, before, ordinal, scope: Scope::Store });
            }
            for &key in post.local {
                self.pairs[shard_of(key)].push(Pair {
                    key,
                    before: 0,
                    ordinal,
                    scope: Scope::Local,
                });
            }
        }
    }
}
