//! A small store of which up to three things are damaged: every event comes back as it was written, or is told to be
//! lost, alike in every way of reading; what can still be written is there afterwards, and breaks no promise.
//!
//! The simulator's disk never changes a byte of the log by itself; this one does, after the store has come to rest. What
//! is left is told from the bytes (`places`), and then everything that reads a store reads this one.

pub(crate) mod asking;
mod astray;
mod harm;
mod judge;
mod places;
mod reading;
mod salvaging;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests;
mod verifying;
mod writing;

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
pub(crate) use harm::{Harm, named};
pub(crate) use judge::judge;
use places::Places;

/// Streams that are written.
const STREAMS: usize = 3;
/// Times that one store is damaged.
const HARMS_MAX: usize = 3;

/// A store that has come to rest, and what was written to it.
pub(crate) struct Whole {
    pub(crate) disk: FaultDisk,
    pub(crate) options: Options,
    pub(crate) events: Vec<Seen>,
    /// Positions between two commits.
    pub(crate) boundaries: BTreeSet<u64>,
    pub(crate) is_closed: bool,
    /// Where everything stood as the store was sound.
    pub(crate) places: Places,
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
        Whole::of(&mut subject, boundaries, rest).ok()
    }

    /// What the subject holds, which has come to rest in this way.
    ///
    /// # Errors
    /// It does not open.
    pub(crate) fn of(
        subject: &mut Subject,
        boundaries: BTreeSet<u64>,
        rest: Rest,
    ) -> Checked<Whole> {
        let events = subject.peek()?;
        let (disk, options) = (subject.disk().clone(), subject.options().clone());
        let (is_closed, places) = (rest == Rest::Closed, Places::of(&disk, events.len() as u64));
        Ok(Whole { disk, options, events, boundaries, is_closed, places })
    }

    /// The events of each commit.
    fn commits(&self) -> Vec<&[Seen]> {
        let pairs = self.boundaries.iter().zip(self.boundaries.iter().skip(1));
        pairs.filter_map(|(&start, &end)| self.events.get(start as usize..end as usize)).collect()
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
    let harms = harm(random, &whole.disk);
    let at = |broken: Violation| {
        Violation::new(broken.rule, format!("{}: {}", named(&harms), broken.detail))
    };
    judge(&whole).map(drop).map_err(at)
}

/// Damages a store, once or several times.
fn harm(random: &mut Random, disk: &FaultDisk) -> Vec<Harm> {
    let mut harms = Vec::new();
    for _ in 0..random.between(1, HARMS_MAX) {
        if let Some(harm) = Harm::draw(random, disk, &harms) {
            harm.apply(disk);
            harms.push(harm);
        }
    }
    harms
}

/// A store of a few segments.
fn small_store(random: &mut Random) -> Checked<Whole> {
    let options = options(if random.percent(50) { ReadMode::Map } else { ReadMode::Pread });
    let mut subject = Subject::new(FaultDisk::new(random.number()), options);
    let mut boundaries = BTreeSet::from([0]);
    // In a few there are enough segments for runs.
    let lives = if random.percent(10) { 6 } else { random.between(1, 2) };
    let mut rest = Rest::Closed;
    for _ in 0..lives {
        rest = if random.percent(50) { Rest::Closed } else { Rest::Killed };
        live(&mut subject, random, rest, &mut boundaries)?;
    }
    Whole::of(&mut subject, boundaries, rest)
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
