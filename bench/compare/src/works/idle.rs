//! An open store that nobody uses: what it costs.

use std::time::Duration;

use super::Work;
use super::append::finish;
use crate::arm::{Outcome, Spec};
use crate::check::Given;
use crate::contestants::Contestant;
use crate::failure::Result;
use crate::payload::Payloads;
use crate::store::Durability;
use crate::usage::{Usage, cpu_time};

/// Time in which a store may finish what it has begun, at full scale.
const SETTLES: Duration = Duration::from_secs(3);

pub(crate) fn run(contestant: Contestant, work: &Work, spec: &Spec) -> Result<Outcome> {
    let plan = work.plan(&spec.scale);
    let store = contestant.open(&spec.folder, Durability::Sync)?;
    let length = Duration::from_secs_f64(spec.scale.idle_seconds);
    std::thread::sleep(SETTLES.min(length));
    let before = cpu_time();
    // This thread sleeps, and there is no sampler: whatever runs is the store's.
    std::thread::sleep(length);
    let cpu_seconds = (cpu_time() - before).as_secs_f64();
    let usage = Usage { cpu_seconds, ..Usage::default() };
    let (value, seconds) = (cpu_seconds * 1_000.0, length.as_secs_f64());
    let notes = vec![format!("in {seconds} s")];
    let mut outcome = Outcome { value, count: 1, seconds, usage, notes, ..Outcome::default() };
    let payloads = Payloads::new(spec.scale.seed);
    finish(store, &payloads, &Given::by_plan(plan, 0), spec, &mut outcome)?;
    Ok(outcome)
}
