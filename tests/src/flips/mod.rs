//! A small store of which one thing is damaged: every event comes back as it was written, or is told to be lost.
//!
//! The simulator's disk never changes a byte of the log by itself; this one does, once, after the store has come to
//! rest. Then everything that reads a store reads this one.

mod astray;
mod harm;
mod judge;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use quipu::{Durability, ExpectedVersion, Options, ReadMode};
use quipu_disk::FaultDisk;

use crate::checker::{Checked, Violation};
use crate::history::Seen;
use crate::random::Random;
use crate::simulator::panicked;
use crate::subject::{End, Subject, Wish};
pub use astray::run_astray;
pub(crate) use harm::Harm;
pub(crate) use judge::judge;

/// Streams that are written.
const STREAMS: usize = 3;

/// A store that has come to rest, and what was written to it.
pub(crate) struct Whole {
    pub(crate) disk: FaultDisk,
    pub(crate) options: Options,
    pub(crate) events: Vec<Seen>,
    /// Positions between two commits.
    pub(crate) boundaries: BTreeSet<u64>,
}

/// How a store has come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It was closed.
    Closed,
    /// It was killed after everything in it had become durable and the log said so: damage to anything else may look
    /// like a write that was never finished.
    Killed,
}

impl Whole {
    /// The store of a seed that has come to rest in this way. None if it could not be made.
    pub(crate) fn sample(seed: u64, rest: Rest) -> Option<Whole> {
        let mut random = Random::new(seed);
        let mut subject = Subject::new(FaultDisk::new(random.number()), options(ReadMode::Map));
        let mut boundaries = BTreeSet::from([0]);
        live(&mut subject, &mut random, Rest::Closed, &mut boundaries).ok()?;
        live(&mut subject, &mut random, rest, &mut boundaries).ok()?;
        Whole::of(&mut subject, boundaries).ok()
    }

    /// What the subject holds, which is not open.
    ///
    /// # Errors
    /// It does not open.
    pub(crate) fn of(subject: &mut Subject, boundaries: BTreeSet<u64>) -> Checked<Whole> {
        let events = subject.peek()?;
        let options = subject.options().clone();
        Ok(Whole { disk: subject.disk().clone(), options, events, boundaries })
    }
}

/// Options of a store whose segments are as small as they may be.
pub(crate) fn options(read_mode: ReadMode) -> Options {
    Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        read_mode,
        ..Options::default()
    }
}

/// Damages one store, all of it determined by the seed, and says which promise was broken, if any was.
#[must_use]
pub fn run(seed: u64) -> Option<Violation> {
    let tried = catch_unwind(AssertUnwindSafe(|| attempt(&mut Random::new(seed))));
    tried.unwrap_or_else(|panic| Err(panicked(&*panic))).err()
}

fn attempt(random: &mut Random) -> Checked {
    let whole = small_store(random)?;
    let Some(harm) = Harm::draw(random, &whole.disk) else { return Ok(()) };
    harm.apply(&whole.disk);
    let at = |violation: Violation| {
        Violation::new(violation.rule, format!("{harm}: {}", violation.detail))
    };
    judge::judge(&whole, &harm).map(drop).map_err(at)
}

/// A store of a few segments.
fn small_store(random: &mut Random) -> Checked<Whole> {
    let options = options(if random.percent(50) { ReadMode::Map } else { ReadMode::Pread });
    let mut subject = Subject::new(FaultDisk::new(random.number()), options);
    let mut boundaries = BTreeSet::from([0]);
    for _ in 0..random.between(1, 2) {
        let rest = if random.percent(50) { Rest::Closed } else { Rest::Killed };
        live(&mut subject, random, rest, &mut boundaries)?;
    }
    Whole::of(&mut subject, boundaries)
}

/// Opens the store, appends to it, and has it come to rest.
fn live(
    subject: &mut Subject,
    random: &mut Random,
    rest: Rest,
    boundaries: &mut BTreeSet<u64>,
) -> Checked {
    write(subject, random, boundaries)?;
    come_to_rest(subject, rest)
}

/// Opens the store and appends to it.
fn write(subject: &mut Subject, random: &mut Random, boundaries: &mut BTreeSet<u64>) -> Checked {
    subject.open()?;
    for _ in 0..random.between(4, 24) {
        let wishes = wishes(random);
        subject.press(&wishes, Durability::Sync)?;
        subject.drain()?;
        boundaries.insert(subject.checker().next_position());
    }
    Ok(())
}

/// Closes the store, or kills it once the log says that all is durable.
pub(crate) fn come_to_rest(subject: &mut Subject, rest: Rest) -> Checked {
    match rest {
        Rest::Closed => subject.close().map(drop),
        Rest::Killed => {
            subject.idle()?;
            subject.drain()?;
            subject.crash(End::Kill)
        }
    }
}

fn wishes(random: &mut Random) -> Vec<Wish> {
    let streams = random.between(1, 2);
    let first = random.below(STREAMS);
    let wish = |at: usize| Wish {
        stream: ((first + at) % STREAMS) as u16,
        expected: ExpectedVersion::Any,
        payloads: (0..random.between(1, 3)).map(|_| random.below(500)).collect(),
    };
    (0..streams).map(wish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many stores show each kind of damage.
    const STORES: u64 = 300;

    #[test]
    fn every_kind_of_damage_comes_up_and_changes_something() {
        let mut kinds = Vec::new();
        for seed in 0..STORES {
            let mut random = Random::new(seed);
            let whole = small_store(&mut random).unwrap();
            let Some(harm) = Harm::draw(&mut random, &whole.disk) else { continue };
            let files = |disk: &FaultDisk| {
                let named = disk.files().into_iter();
                named.map(|file| (disk.contents(&file).unwrap(), file)).collect::<Vec<_>>()
            };
            let before = files(&whole.disk);
            harm.apply(&whole.disk);
            let kind = std::mem::discriminant(&harm);
            if before != files(&whole.disk) && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        assert_eq!(kinds.len(), 8, "all that `Harm` knows");
    }
}
