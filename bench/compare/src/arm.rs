//! An arm: one store, one work, once, in a process of its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::contestants::Contestant;
use crate::control::{self, Control};
use crate::failure::{Failure, Result};
use crate::latency::Latency;
use crate::scale::Scale;
use crate::usage::Usage;
use crate::works::{Ending, Kind, Work, append, conditional, fill, idle, opening, read, tickets};

/// Who runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runner {
    Store(Contestant),
    Control(Control),
}

impl Runner {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Runner::Store(contestant) => contestant.name(),
            Runner::Control(control) => control.name(),
        }
    }
}

/// What a process of its own is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) runner: Runner,
    pub(crate) work: String,
    pub(crate) phase: Phase,
    pub(crate) folder: PathBuf,
    pub(crate) scale: Scale,
    /// Seconds after which the process ends itself, as something hangs.
    pub(crate) limit_seconds: f64,
}

/// A store is filled in one process and measured in the next, which has nothing left of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Fill,
    Measure,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The figure, in the unit of the work.
    pub(crate) value: f64,
    /// Events, or streams, that the run took or gave.
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Option<Latency>,
    pub(crate) usage: Usage,
    /// Events in the store at the end.
    pub(crate) stored: u64,
    /// Bytes that the store takes on the disk once it is closed.
    pub(crate) kept_bytes: u64,
    /// What else is worth knowing of this run.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    /// A rate, of so many in so many seconds.
    pub(crate) fn rate(count: u64, seconds: f64) -> Outcome {
        Outcome { value: count as f64 / seconds, count, seconds, ..Outcome::default() }
    }
}

/// Whether a work has to fill a store first.
pub(crate) fn fills(work: &Work, runner: Runner, scale: &Scale) -> bool {
    matches!(runner, Runner::Store(_)) && work.plan(scale).events() > 0
}

/// Whether a process that fills a store is to end by a kill.
pub(crate) fn dies(work: &Work) -> bool {
    matches!(work.kind, Kind::Open { after: Ending::Killed, .. })
}

/// Why a runner does not take part in a work, if it does not.
pub(crate) fn absence(work: &Work, runner: Runner) -> Option<&'static str> {
    match runner {
        Runner::Store(contestant) if !contestant.offers(work.durability()) => {
            Some("it has nothing between memory and disk")
        }
        Runner::Store(contestant)
            if matches!(work.kind, Kind::Tickets { .. }) && !contestant.has_flights() =>
        {
            Some("it has no call that does not wait")
        }
        Runner::Store(_) => None,
        Runner::Control(control) => {
            (!control::takes_part(control, work)).then_some("not a control of this work")
        }
    }
}

/// Does what is asked for.
pub(crate) fn run(spec: &Spec) -> Result<Outcome> {
    let work =
        Work::named(&spec.work).ok_or_else(|| Failure::new(format!("no work {}", spec.work)))?;
    let contestant = match spec.runner {
        Runner::Control(control) => return control::run(control, work, spec),
        Runner::Store(contestant) => contestant,
    };
    if spec.phase == Phase::Fill {
        return fill::run(contestant, work, spec);
    }
    match work.kind {
        Kind::Append(shape) => append::run(contestant, work, shape, spec),
        Kind::Tickets { in_flight } => tickets::run(contestant, in_flight, spec),
        Kind::Conditional { threads } => conditional::run(contestant, work, threads, spec),
        Kind::Read { what, cache } => read::run(contestant, work, (what, cache), spec),
        Kind::Open { .. } => opening::run(contestant, work, spec),
        Kind::Idle => idle::run(contestant, work, spec),
    }
}
