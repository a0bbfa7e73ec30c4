//! One shard of the table of keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use quipu_format::index::Scope;

use super::arena::{Arena, LIST_MIN};
use crate::Key;
use crate::hasher::BuildKeyHasher;

const SHARD_BITS: u32 = 4;

/// Number of shards: readers seldom meet the poster, and a group still takes each lock only once.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;

/// The shard of a key.
pub(super) fn shard_of(key: Key) -> usize {
    (key.0 >> (u128::BITS - SHARD_BITS)) as usize
}

/// A key of an event that is to be posted.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Key,
    /// Events with this key before this one, where that is known.
    pub(super) before: u64,
    pub(super) ordinal: u32,
    pub(super) scope: Scope,
}

/// What is posted under one key.
#[derive(Debug)]
struct Slot {
    before: u64,
    /// Number of ordinals; the highest bit is set where the key is local.
    count: u32,
    /// The ordinals themselves as long as there is room, else the last one and the place of the list.
    words: [u32; LIST_MIN - 1],
}

const LOCAL: u32 = 1 << 31;

impl Slot {
    fn new(pair: &Pair) -> Slot {
        let local = if pair.scope == Scope::Local { LOCAL } else { 0 };
        Slot { before: pair.before, count: 1 | local, words: [pair.ordinal, 0, 0] }
    }

    fn count(&self) -> usize {
        (self.count & !LOCAL) as usize
    }

    fn scope(&self) -> Scope {
        if self.count & LOCAL == 0 { Scope::Store } else { Scope::Local }
    }

    fn last(&self) -> u32 {
        let count = self.count();
        if count < LIST_MIN { self.words[count - 1] } else { self.words[0] }
    }

    fn ordinals<'a>(&'a self, arena: &'a Arena) -> &'a [u32] {
        let count = self.count();
        if count < LIST_MIN { &self.words[..count] } else { arena.list(self.place(), count) }
    }

    fn place(&self) -> usize {
        (self.words[1] as usize) << 32 | self.words[2] as usize
    }

    fn push(&mut self, pair: &Pair, arena: &mut Arena) {
        if pair.scope == Scope::Store {
            self.count &= !LOCAL;
        }
        if pair.ordinal == self.last() {
            return;
        }
        let count = self.count();
        self.count += 1;
        if count + 1 < LIST_MIN {
            self.words[count] = pair.ordinal;
            return;
        }
        let place = if count + 1 == LIST_MIN {
            let [first, second, third] = self.words;
            arena.begin([first, second, third, pair.ordinal])
        } else {
            arena.push(self.place(), count, pair.ordinal)
        };
        self.words = [pair.ordinal, (place >> 32) as u32, place as u32];
    }
}

/// A key as the table holds it: aligned to 8 bytes, which saves 8 in each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Halves {
    low: u64,
    high: u64,
}

impl Halves {
    fn new(key: Key) -> Halves {
        Halves { low: key.0 as u64, high: (key.0 >> 64) as u64 }
    }

    fn key(self) -> Key {
        Key(u128::from(self.high) << 64 | u128::from(self.low))
    }
}

impl Hash for Halves {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.low);
    }
}

const _: () = assert!(size_of::<(Halves, Slot)>() == 40);

/// What is posted under one key, as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted<'a> {
    pub(crate) key: Key,
    /// Events with this key in earlier segments, as far as the first post knew.
    pub(crate) before: u64,
    pub(crate) scope: Scope,
    /// Ascending, never empty.
    pub(crate) ordinals: &'a [u32],
}

/// The keys of one shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    by_key: HashMap<Halves, Slot, BuildKeyHasher>,
    lists: Arena,
}

impl Shard {
    pub(super) fn post(&mut self, pair: &Pair) {
        match self.by_key.entry(Halves::new(pair.key)) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot::new(pair));
            }
            Entry::Occupied(mut slot) => slot.get_mut().push(pair, &mut self.lists),
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<Posted<'_>> {
        let (halves, slot) = self.by_key.get_key_value(&Halves::new(key))?;
        Some(self.posted(*halves, slot))
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// A copy of what is posted of the ordinals below `end`.
    pub(super) fn copy(&self, end: u32) -> Copied {
        let mut copied = Copied::default();
        for (halves, slot) in &self.by_key {
            let posted = self.posted(*halves, slot);
            let below = posted.ordinals.partition_point(|&ordinal| ordinal < end);
            if below > 0 {
                copied.add(&Posted { ordinals: &posted.ordinals[..below], ..posted });
            }
        }
        copied.keys.sort_unstable_by_key(|key| key.key);
        copied
    }

    fn posted<'a>(&'a self, halves: Halves, slot: &'a Slot) -> Posted<'a> {
        Posted {
            key: halves.key(),
            before: slot.before,
            scope: slot.scope(),
            ordinals: slot.ordinals(&self.lists),
        }
    }
}

/// What was in a shard at some time, sorted by key.
#[derive(Debug, Default)]
pub(super) struct Copied {
    keys: Vec<CopiedKey>,
    ordinals: Vec<u32>,
}

#[derive(Debug)]
struct CopiedKey {
    key: Key,
    before: u64,
    scope: Scope,
    ordinals: Range<usize>,
}

impl Copied {
    fn add(&mut self, posted: &Posted<'_>) {
        let start = self.ordinals.len();
        self.ordinals.extend_from_slice(posted.ordinals);
        let Posted { key, before, scope, .. } = *posted;
        self.keys.push(CopiedKey { key, before, scope, ordinals: start..self.ordinals.len() });
    }

    /// The `n`-th key.
    pub(super) fn get(&self, n: usize) -> Option<Posted<'_>> {
        let CopiedKey { key, before, scope, ordinals } = self.keys.get(n)?;
        let ordinals = &self.ordinals[ordinals.clone()];
        Some(Posted { key: *key, before: *before, scope: *scope, ordinals })
    }
}
