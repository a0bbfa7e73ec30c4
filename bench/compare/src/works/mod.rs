//! The works: what is asked of every store.

use serde::{Deserialize, Serialize};

use crate::choice::Choice;
use crate::plan::{LONG, NOTHING, Plan, Tags};
use crate::scale::Scale;
use crate::store::Durability;

pub(crate) mod append;
pub(crate) mod conditional;
pub(crate) mod fill;
pub(crate) mod idle;
pub(crate) mod opening;
pub(crate) mod read;
pub(crate) mod tickets;

/// Something that is asked of every store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Events a second.
    Events,
    /// Streams a second.
    Streams,
    /// Milliseconds that opening takes.
    OpenMillis,
    /// Milliseconds of CPU.
    CpuMillis,
    /// Microseconds below which 99 of 100 appends stay.
    P99Micros,
}

impl Unit {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Unit::Events => "events/s",
            Unit::Streams => "streams/s",
            Unit::OpenMillis => "ms to open",
            Unit::CpuMillis => "ms of CPU",
            Unit::P99Micros => "µs, p99",
        }
    }

    pub(crate) fn better(self) -> Better {
        match self {
            Unit::Events | Unit::Streams => Better::More,
            Unit::OpenMillis | Unit::CpuMillis | Unit::P99Micros => Better::Less,
        }
    }
}

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// The kinds of work, each run by a module of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Append(Shape),
    /// One thread, so many commits on their way.
    Tickets {
        in_flight: usize,
    },
    /// Appends that fail if an event with a tag has come since.
    Conditional {
        threads: usize,
    },
    Read {
        what: What,
        cache: Cache,
    },
    Open {
        after: Ending,
        times: u64,
    },
    Idle,
}

/// Appends from threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) durability: Durability,
    pub(crate) threads: usize,
    /// Events a commit.
    pub(crate) by: usize,
    pub(crate) choice: Choice,
    pub(crate) among: Among,
    pub(crate) pace: Pace,
}

/// Which streams are appended to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Among {
    /// Those that the run itself creates.
    New,
    /// A thousand that are there.
    Few,
    /// As many as the scale has, which are there.
    Many,
}

/// When the next append of a thread begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As the last one is acknowledged.
    Closed,
    /// At a time that was set before.
    Fixed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// Streams of 50 events, all of them alike.
    EvenStreams,
    /// Streams of 50 events among very many of mean length 5.
    LongStreams,
    /// All events of a tag, 1 in 1,000, with so many readers.
    Tagged {
        readers: usize,
    },
    Everything(Checks),
}

/// Whether a read verifies what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// As the store does by default.
    Default,
    /// Not at all, where the store offers that.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    Warm,
    Cold,
}

/// How a store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    Killed,
}

/// One in so many events has a tag.
pub(crate) const TAGS: u64 = 1_000;
/// Streams where there are few of them.
const FEW: u64 = 1_000;

impl Work {
    pub(crate) fn named(name: &str) -> Option<&'static Work> {
        WORKS.iter().find(|work| work.name == name)
    }

    /// When appends are acknowledged while the work runs.
    pub(crate) fn durability(&self) -> Durability {
        match self.kind {
            Kind::Append(shape) => shape.durability,
            _ => Durability::Sync,
        }
    }

    /// What the store is filled with before.
    pub(crate) fn plan(&self, scale: &Scale) -> Plan {
        let events = scale.events;
        let even =
            |streams: u64, each| Plan::Even { streams: streams.max(1), each, tags: Tags::None };
        match self.kind {
            Kind::Append(Shape { among: Among::Few, .. }) => even(FEW.min(scale.streams), 1),
            Kind::Append(Shape { among: Among::Many, .. }) => even(scale.streams, 1),
            Kind::Append(_) | Kind::Tickets { .. } => NOTHING,
            Kind::Conditional { threads } => {
                let streams = (events / 10).max(threads as u64);
                Plan::Even { streams, each: (events / streams).max(1), tags: Tags::OfStream }
            }
            Kind::Read { what: What::EvenStreams, .. } => even(events / LONG, LONG),
            Kind::Read { what: What::LongStreams, .. } => Plan::Mixed {
                short: events,
                events: 5 * events,
                long: (events / 500).max(1),
                seed: scale.seed,
            },
            Kind::Read { what: What::Tagged { .. }, .. } => {
                let (streams, each) = ((8 * events / 10).max(1), 10);
                Plan::Even { streams, each, tags: Tags::Among(TAGS) }
            }
            Kind::Read { what: What::Everything(_), .. } => even(events / 10, 10),
            Kind::Open { times, .. } => even(times * events / 10, 10),
            Kind::Idle => even(events / 100, 10),
        }
    }
}

const fn durable(threads: usize, by: usize, choice: Choice, pace: Pace) -> Kind {
    Kind::Append(Shape {
        durability: Durability::Sync,
        threads,
        by,
        choice,
        among: Among::New,
        pace,
    })
}

const fn os(by: usize, choice: Choice) -> Kind {
    let durability = Durability::Os;
    Kind::Append(Shape {
        durability,
        threads: 1,
        by,
        choice,
        among: Among::New,
        pace: Pace::Closed,
    })
}

const fn among(among: Among, durability: Durability, threads: usize) -> Kind {
    let (by, choice, pace) = (1, Choice::Uniform, Pace::Closed);
    Kind::Append(Shape { durability, threads, by, choice, among, pace })
}

const fn read(what: What, cache: Cache) -> Kind {
    Kind::Read { what, cache }
}

const fn work(name: &'static str, title: &'static str, kind: Kind, unit: Unit) -> Work {
    Work { name, title, kind, unit }
}

/// All of them, in the order in which they run.
#[rustfmt::skip]
pub(crate) const WORKS: [Work; 28] = [
    work("durable-1", "durable, 1 thread, 1 event a commit", durable(1, 1, Choice::Uniform, Pace::Closed), Unit::Events),
    work("durable-16", "durable, 16 threads, 1 event a commit", durable(16, 1, Choice::Uniform, Pace::Closed), Unit::Events),
    work("durable-64", "durable, 64 threads, 1 event a commit", durable(64, 1, Choice::Uniform, Pace::Closed), Unit::Events),
    work("durable-16-zipf", "durable, 16 threads, streams by Zipf's law", durable(16, 1, Choice::Zipf, Pace::Closed), Unit::Events),
    work("durable-1-by-100", "durable, 1 thread, 100 events a commit", durable(1, 100, Choice::Uniform, Pace::Closed), Unit::Events),
    work("durable-tickets", "durable, 1 thread, 1,024 commits on their way", Kind::Tickets { in_flight: 1_024 }, Unit::Events),
    work("durable-rate", "durable, 16 threads, at a fixed rate", durable(16, 1, Choice::Uniform, Pace::Fixed), Unit::P99Micros),
    work("conditional-64", "durable, 64 threads, each append with a condition (DCB)", Kind::Conditional { threads: 64 }, Unit::Events),
    work("rolling", "durable, 1 thread, while segments roll, seal and merge", durable(1, 1, Choice::Uniform, Pace::Closed), Unit::P99Micros),
    work("os-1", "written to the system, 1 thread, 1 event a commit", os(1, Choice::Uniform), Unit::Events),
    work("os-1-zipf", "written to the system, 1 thread, streams by Zipf's law", os(1, Choice::Zipf), Unit::Events),
    work("os-1-by-100", "written to the system, 1 thread, 100 events a commit", os(100, Choice::Uniform), Unit::Events),
    work("few-streams-sync", "durable, 64 threads, among a thousand streams", among(Among::Few, Durability::Sync, 64), Unit::Events),
    work("many-streams-sync", "durable, 64 threads, among very many streams", among(Among::Many, Durability::Sync, 64), Unit::Events),
    work("few-streams-os", "written to the system, 1 thread, among a thousand streams", among(Among::Few, Durability::Os, 1), Unit::Events),
    work("many-streams-os", "written to the system, 1 thread, among very many streams", among(Among::Many, Durability::Os, 1), Unit::Events),
    work("streams", "streams of 50 events, warm", read(What::EvenStreams, Cache::Warm), Unit::Streams),
    work("streams-long", "streams of 50 among very many of mean length 5, warm", read(What::LongStreams, Cache::Warm), Unit::Streams),
    work("streams-long-cold", "streams of 50 among very many of mean length 5, cold", read(What::LongStreams, Cache::Cold), Unit::Streams),
    work("tags", "all events of a tag, 1 in 1,000, 16 readers, warm", read(What::Tagged { readers: 16 }, Cache::Warm), Unit::Events),
    work("tags-cold", "all events of a tag, 1 in 1,000, 16 readers, cold", read(What::Tagged { readers: 16 }, Cache::Cold), Unit::Events),
    work("replay", "everything, in order, warm", read(What::Everything(Checks::Default), Cache::Warm), Unit::Events),
    work("replay-unverified", "everything, in order, warm, without checksums where that is offered", read(What::Everything(Checks::None), Cache::Warm), Unit::Events),
    work("open", "open after a clean close", Kind::Open { after: Ending::Closed, times: 1 }, Unit::OpenMillis),
    work("open-10x", "open after a clean close, ten times the events", Kind::Open { after: Ending::Closed, times: 10 }, Unit::OpenMillis),
    work("open-killed", "open after a kill", Kind::Open { after: Ending::Killed, times: 1 }, Unit::OpenMillis),
    work("open-killed-10x", "open after a kill, ten times the events", Kind::Open { after: Ending::Killed, times: 10 }, Unit::OpenMillis),
    work("idle", "an open store that nobody uses", Kind::Idle, Unit::CpuMillis),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn works_have_names_of_their_own_by_which_they_are_found() {
        let names: BTreeSet<_> = WORKS.iter().map(|work| work.name).collect();
        assert_eq!(names.len(), WORKS.len());
        assert!(
            WORKS.iter().all(|work| Work::named(work.name).map(|w| w.title) == Some(work.title))
        );
    }

    #[test]
    fn every_plan_of_the_smallest_scale_holds_something_or_nothing() {
        let scale = Scale { events: 1, ..Scale::quick() };
        for work in &WORKS {
            let plan = work.plan(&scale);
            assert_eq!(plan.iter().count() as u64, plan.events(), "{}", work.name);
        }
    }
}
