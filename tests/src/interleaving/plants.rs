//! The bugs that only an unlucky interleaving of threads shows, each with the scene that must find it.

use quipu::plant::{Bug, put_in};

use super::{Choice, Explored, MODELS};

/// A bug, and what finds it.
#[derive(Debug)]
pub struct Plant {
    /// The bug.
    pub bug: Bug,
    /// The scene that has to find it.
    pub model: &'static str,
    /// How its threads are chosen.
    pub choice: Choice,
    /// In so many schedules.
    pub within: usize,
}

/// All of them. Each gets at least five times the schedules that it takes on average.
pub const PLANTS: &[Plant] = &[
    at_random(Bug::LeftoversNotHandedOver, "commits", 10_000),
    at_random(Bug::RoomNotTold, "room", 50),
    by_priority(Bug::TicketNotAskedAgain, "tasks", 10_000),
    at_random(Bug::QueuedNotTold, "failures", 50),
    at_random(Bug::AcknowledgedBeforeSync, "power", 200),
    at_random(Bug::PositionBeforeBounds, "watermark", 50),
    at_random(Bug::HandedOverEarly, "following", 100),
    by_priority(Bug::NewsInBetweenMissed, "tasks", 5000),
    at_random(Bug::FirstTaskNotWoken, "following-async", 50),
    by_priority(Bug::NewsInBetweenMissed, "following-async", 10_000),
    at_random(Bug::EndNotTold, "closing", 50),
    at_random(Bug::StopToldTooEarly, "commits", 100),
];

const fn at_random(bug: Bug, model: &'static str, within: usize) -> Plant {
    Plant { bug, model, choice: Choice::Random, within }
}

const fn by_priority(bug: Bug, model: &'static str, within: usize) -> Plant {
    Plant { bug, model, choice: Choice::Priorities, within }
}

impl Plant {
    /// Puts the bug in and plays the scene; nothing if there is no such scene.
    #[must_use]
    pub fn find(&self, seed: u64) -> Option<Explored> {
        let model = MODELS.iter().find(|model| model.name == self.model)?;
        put_in(Some(self.bug));
        let explored = model.explore(self.choice, seed, self.within);
        put_in(None);
        Some(explored)
    }
}
