//! The bugs that can be put in, each with the harness that must find it, and how soon.

use std::ops::Range;

use quipu::plant::{Bug, put_in};

use crate::flips;
use crate::fuzzing::{Changed, Target};
use crate::model;
use crate::simulator::{self, Setting};

/// A bug, and what finds it.
#[derive(Debug)]
pub struct Plant {
    /// The bug.
    pub bug: Bug,
    /// What has to find it.
    pub harness: Harness,
    /// In so many tries.
    pub within: u64,
}

/// What looks for bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harness {
    /// The simulator; a try is a seed.
    Simulator,
    /// Damaged stores; a try is a store.
    Flips,
    /// A list of events, compared with a store; a try is a life.
    Model,
    /// A fuzz target of this name, without a fuzzer; a try is an input changed at random.
    Changed(&'static str),
}

/// How a bug was found.
#[derive(Debug)]
pub struct Found {
    /// At which try, from 1.
    pub at: u64,
    /// What was seen.
    pub what: String,
}

/// All bugs. Each gets at least five times the tries that it takes on average, so that a change of the schedule, which
/// draws other seeds, loses none.
pub const PLANTS: &[Plant] = &[
    by_simulator(Bug::AcknowledgedBeforeSync, 10),
    by_simulator(Bug::ShortWriteIgnored, 150),
    by_simulator(Bug::FailedSyncRetried, 200),
    by_simulator(Bug::VisibleBeforeSync, 20),
    by_simulator(Bug::RolledBeforeSync, 80),
    by_simulator(Bug::ConditionJudgedOutside, 10),
    by_simulator(Bug::QueuedNotTold, 50),
    by_simulator(Bug::RefusedEarly, 10),
    by_simulator(Bug::HandedOverEarly, 10),
    by_simulator(Bug::ExpectationOfReaders, 10),
    by_simulator(Bug::HeadOfFirstEvent, 10),
    by_simulator(Bug::RetryOfOneEvent, 30),
    by_simulator(Bug::RetryStoredAgain, 40),
    by_simulator(Bug::RetryNamedOnce, 20),
    by_simulator(Bug::RetryOnItsWayUnknown, 50),
    by_simulator(Bug::RetryAfterFailureRefused, 600),
    by_simulator(Bug::OneIdTwice, 10),
    by_simulator(Bug::FirstTaskNotWoken, 10),
    by_simulator(Bug::EndNotTold, 300),
    by_simulator(Bug::FailedWriterBelieved, 8000),
    by_simulator(Bug::PageOfTheDead, 150),
    by_simulator(Bug::LostPageBelieved, 2500),
    by_simulator(Bug::SilentWriterBelieved, 500),
    by_simulator(Bug::NoDirectorySync, 10),
    by_simulator(Bug::TailNotScrubbed, 300),
    by_simulator(Bug::ManifestInPlace, 3000),
    by_simulator(Bug::StaleIndexBelieved, 800),
    by_simulator(Bug::SavedIndexBelieved, 100),
    by_simulator(Bug::RunCoversMore, 20),
    by_simulator(Bug::PositionReused, 10),
    by_simulator(Bug::TornTailRefused, 50),
    by_flips(Bug::DamageTakenForTail, 250),
    by_simulator(Bug::SealedBeforeSync, 800),
    by_simulator(Bug::RemovedBeforeRetired, 800),
    by_flips(Bug::ChecksumSkipped, 20),
    by_flips(Bug::RecycledSegment, 200),
    by_flips(Bug::LengthUnbounded, 40),
    by_flips(Bug::DamagedCommitKept, 20),
    by_flips(Bug::LossByKeyNotTold, 100),
    by_flips(Bug::UnknownHeadBelieved, 2500),
    by_flips(Bug::LossAtEndNotCounted, 1000),
    by_flips(Bug::LossNotListed, 20),
    // Found by the simulator too: these show that the model finds what it is there for.
    by_model(Bug::HeadOfFirstEvent, 30),
    by_model(Bug::RetryOfOneEvent, 200),
    by_model(Bug::PositionReused, 50),
    by_model(Bug::ExpectationOfReaders, 200),
    by_model(Bug::NoDirectorySync, 50),
    // That the fuzz targets see what is wrong.
    by_changed(Bug::PositionReused, "segment", 60),
    by_changed(Bug::PositionReused, "manifest", 60),
    by_changed(Bug::NoDirectorySync, "operations", 20),
    by_changed(Bug::ChecksumSkipped, "operations", 20),
    by_changed(Bug::DamagedCommitKept, "operations", 20),
    by_changed(Bug::DamageTakenForTail, "operations", 60),
    by_changed(Bug::TailNotScrubbed, "operations", 150),
];

const fn by_simulator(bug: Bug, within: u64) -> Plant {
    Plant { bug, harness: Harness::Simulator, within }
}

const fn by_flips(bug: Bug, within: u64) -> Plant {
    Plant { bug, harness: Harness::Flips, within }
}

const fn by_changed(bug: Bug, target: &'static str, within: u64) -> Plant {
    Plant { bug, harness: Harness::Changed(target), within }
}

const fn by_model(bug: Bug, within: u64) -> Plant {
    Plant { bug, harness: Harness::Model, within }
}

impl Harness {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Harness::Simulator => "the simulator",
            Harness::Flips => "damaged stores",
            Harness::Model => "the model",
            Harness::Changed(_) => "changed inputs",
        }
    }

    /// One try after the other, each by its number.
    fn attempts(self) -> Box<dyn Fn(u64) -> Option<String>> {
        match self {
            Harness::Simulator => Box::new(|number| {
                let violation = simulator::run(number, Setting::default()).violation;
                violation.map(|violation| violation.to_string())
            }),
            Harness::Flips => {
                Box::new(|number| flips::run(number).map(|violation| violation.to_string()))
            }
            Harness::Model => Box::new(|number| {
                model::run(number, 1, None).err().map(|difference| difference.what)
            }),
            Harness::Changed(name) => match Target::named(name).map(Changed::of) {
                Some(inputs) => Box::new(move |number| inputs.judge(number).err()),
                None => Box::new(|_| None),
            },
        }
    }
}

impl Plant {
    /// Puts the bug in and looks for it.
    #[must_use]
    pub fn find(&self, tries: Range<u64>) -> Option<Found> {
        let attempt = self.harness.attempts();
        put_in(Some(self.bug));
        let found =
            tries.zip(1..).find_map(|(number, at)| attempt(number).map(|what| Found { at, what }));
        put_in(None);
        found
    }
}
