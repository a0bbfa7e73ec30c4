//! Opens a store that another process has closed, or been killed with.

use std::time::Instant;

use super::append::finish;
use super::{Ending, Kind, Work};
use crate::arm::{Outcome, Spec};
use crate::check::{self, Given};
use crate::contestants::Contestant;
use crate::failure::{Failure, Result};
use crate::payload::Payloads;
use crate::store::{Append, Durability, Store};
use crate::usage::{Meter, kept_bytes};
use crate::works::fill::acknowledged_file;

/// The time until the store can be written and read: it opens, and gives back one stream.
pub(crate) fn run(contestant: Contestant, work: &Work, spec: &Spec) -> Result<Outcome> {
    let plan = work.plan(&spec.scale);
    let meter = Meter::start()?;
    let began = Instant::now();
    let store = contestant.open(&spec.folder, Durability::Sync)?;
    let opened = began.elapsed();
    let usage = meter.stop();
    let seconds = opened.as_secs_f64();
    let value = seconds * 1_000.0;
    let mut outcome = Outcome { value, count: 1, seconds, usage, ..Outcome::default() };
    let payloads = Payloads::new(spec.scale.seed);
    match work.kind {
        Kind::Open { after: Ending::Killed, .. } => {
            check_after_kill(store, &payloads, spec, plan.streams(), &mut outcome)?;
        }
        _ => finish(store, &payloads, &Given::by_plan(plan, 0), spec, &mut outcome)?,
    }
    Ok(outcome)
}

/// Everything that was acknowledged before the kill must be there, and at most a little that was on its way: the stream
/// that was appended to as the kill came holds the rest.
fn check_after_kill(
    store: Box<dyn Store>,
    payloads: &Payloads,
    spec: &Spec,
    last_stream: u64,
    outcome: &mut Outcome,
) -> Result<()> {
    let acknowledged = acknowledged_file(&spec.folder);
    let least: u64 = std::fs::read_to_string(&acknowledged)?.parse()?;
    std::fs::remove_file(acknowledged)?;
    let work = Work::named(&spec.work).ok_or_else(|| Failure::new("no such work"))?;
    let mut given = Given::by_plan(work.plan(&spec.scale), last_stream + 1);
    let before = given.events();
    let name = crate::plan::stream_name(last_stream);
    let mut seen = 0;
    let mut stamps = 0_u64;
    store.reader()?.stream(&name, &mut |found| {
        stamps = stamps.wrapping_add(check::stamp(last_stream, seen, found.position));
        seen += 1;
    })?;
    if before + seen < least {
        let words =
            format!("{} events are there after the kill, {least} were acknowledged", before + seen);
        return Err(Failure::Failed(words));
    }
    given.lengths[last_stream as usize] = seen;
    given.stamps = given.stamps.wrapping_add(stamps);
    refuses_stale(&*store, &name)?;
    outcome.notes.push(format!("{} more than acknowledged by then", before + seen - least));
    finish(store, payloads, &given, spec, outcome)?;
    outcome.kept_bytes = kept_bytes(&spec.folder)?;
    Ok(())
}

/// The store still knows its streams: who expects a new one where events are is refused.
fn refuses_stale(store: &dyn Store, stream: &str) -> Result<()> {
    let events = [crate::store::Entry { kind: "OrderPlaced", payload: b"{}", tag: None }];
    let stale = Append { stream, seen: None, condition: None, events: &events };
    match store.append(&stale) {
        Err(Failure::Refused) => Ok(()),
        Err(failed) => Err(failed),
        Ok(_) => Err(Failure::new("an append to a new stream was taken, and the stream is there")),
    }
}
