//! The bugs that can be put in, each with the harness that must find it, and how soon.

use quipu::plant::{Bug, put_in};

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
}

/// How a bug was found.
#[derive(Debug)]
pub struct Found {
    /// At which try, from 1.
    pub at: u64,
    /// What was seen.
    pub what: String,
}

/// All bugs.
pub const PLANTS: &[Plant] = &[
    by_simulator(Bug::AcknowledgedBeforeSync, 10),
    by_simulator(Bug::ShortWriteIgnored, 30),
    by_simulator(Bug::FailedSyncRetried, 30),
    by_simulator(Bug::VisibleBeforeSync, 10),
    by_simulator(Bug::RolledBeforeSync, 20),
    by_simulator(Bug::ConditionJudgedOutside, 10),
    by_simulator(Bug::QueuedNotTold, 10),
    by_simulator(Bug::RefusedEarly, 10),
    by_simulator(Bug::HandedOverEarly, 10),
    by_simulator(Bug::ExpectationOfReaders, 10),
    by_simulator(Bug::HeadOfFirstEvent, 10),
    by_simulator(Bug::RetryOfOneEvent, 10),
    by_simulator(Bug::RetryStoredAgain, 10),
    by_simulator(Bug::PageOfTheDead, 150),
    by_simulator(Bug::SilentWriterBelieved, 500),
];

const fn by_simulator(bug: Bug, within: u64) -> Plant {
    Plant { bug, harness: Harness::Simulator, within }
}

impl Harness {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Harness::Simulator => "the simulator",
        }
    }

    fn attempt(self, number: u64) -> Option<String> {
        match self {
            Harness::Simulator => simulator::run(number, Setting::default())
                .violation
                .map(|violation| violation.to_string()),
        }
    }
}

impl Plant {
    /// Puts the bug in and looks for it.
    #[must_use]
    pub fn find(&self) -> Option<Found> {
        put_in(Some(self.bug));
        let found = (0..self.within).find_map(|number| {
            self.harness.attempt(number).map(|what| Found { at: number + 1, what })
        });
        put_in(None);
        found
    }
}
