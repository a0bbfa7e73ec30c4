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
pub const PLANTS: &[Plant] =
    &[Plant { bug: Bug::AcknowledgedBeforeSync, harness: Harness::Simulator, within: 10 }];

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
