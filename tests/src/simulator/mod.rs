//! A store's life from one seed: writers, readers, a committer, faults and crashes, in an order that
//! the seed decides.

mod between;
mod crashes;
mod following;
mod index_files;
mod manifest;
mod profile;
mod questions;
mod schedule;
mod unrecovered;

use std::panic::{AssertUnwindSafe, catch_unwind};

use quipu_disk::{FaultDisk, Lie};

use crate::checker::{Checked, Rule, Violation};
use crate::history::Entry;
use crate::random::Random;
use crate::subject::{Counts, Cursor, Subject, Submission};
use index_files::Attic;
pub use profile::Profile;

/// How a run is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// A bug, which must be found.
    pub plant: Option<Plant>,
    /// Keeps the history of a run that fails.
    pub keep_trail: bool,
    /// While a store is opened, a read may return a wrong byte.
    pub misreads: bool,
}

/// A bug that is put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// The medium lies.
    Disk(Lie),
    /// Index files lie, and sum up.
    Index,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What the seed stands for.
    pub profile: Profile,
    /// What happened.
    pub counts: Counts,
    /// A hash over every call to the disk; the same each time.
    pub trace: u64,
    /// The promise that was broken, if any.
    pub violation: Option<Violation>,
    /// The history, if it was kept and the run failed.
    pub trail: Vec<Entry>,
}

/// A simulated world: a store, and those who use it.
struct World {
    random: Random,
    profile: Profile,
    subject: Subject,
    /// Commits that found the store busy.
    waiting: Vec<Submission>,
    /// A commit found the store busy, and the store has done nothing since.
    is_stuck: bool,
    cursors: Vec<Cursor>,
    attic: Attic,
    /// Index files lie.
    forges: bool,
    misreads: bool,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, setting: Setting) -> Outcome {
    let mut random = Random::new(seed);
    let profile = Profile::draw(&mut random);
    let disk = FaultDisk::new(random.number());
    if let Some(Plant::Disk(lie)) = setting.plant {
        disk.lie(lie);
    }
    let mut subject = Subject::new(disk, profile.options.clone());
    if setting.keep_trail {
        subject.keep_trail();
    }
    let forges = setting.plant == Some(Plant::Index);
    let (waiting, cursors, attic) = (Vec::new(), Vec::new(), Attic::default());
    let (is_stuck, misreads) = (false, setting.misreads);
    let mut world =
        World { random, profile, subject, waiting, is_stuck, cursors, attic, forges, misreads };
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let violation = lived.unwrap_or_else(|panic| Err(panicked(&*panic))).err();
    let World { profile, subject, .. } = world;
    let trail = if violation.is_some() { subject.trail().to_vec() } else { Vec::new() };
    let (counts, trace) = (subject.counts, subject.disk().trace_hash());
    Outcome { seed, profile, counts, trace, violation, trail }
}

pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Violation {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Violation::new(Rule::Panic, text.unwrap_or_default())
}

impl World {
    fn live(&mut self) -> Checked {
        if self.profile.silent {
            self.subject.silence()?;
        }
        self.reopen()?;
        for _ in 0..self.profile.steps {
            self.step()?;
            self.subject.nobody_sleeps_on()?;
            if self.subject.is_off() {
                self.crash()?;
            }
        }
        self.die()
    }

    /// The last steps: in order or not, all that was promised must be there afterwards.
    fn die(&mut self) -> Checked {
        if self.random.percent(50) {
            self.crash()?;
        } else {
            self.close()?;
        }
        self.subject.faults.limit_room(&self.subject.disk().clone(), None);
        self.subject.drain()
    }
}
