//! Fills a store before it is measured.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

use super::Work;
use crate::arm::{Outcome, Spec, dies};
use crate::contestants::Contestant;
use crate::failure::{Failure, Result};
use crate::payload::Payloads;
use crate::plan::{Event, Made, Plan};
use crate::store::{Append, Durability, Planned, Store};

/// Events that are given to a store at once.
const BY: usize = 250;

/// Fills a store and closes it, or has the process killed while it goes on appending.
pub(crate) fn run(contestant: Contestant, work: &Work, spec: &Spec) -> Result<Outcome> {
    let began = Instant::now();
    let plan = work.plan(&spec.scale);
    let durability =
        if contestant.offers(Durability::Os) { Durability::Os } else { Durability::Sync };
    let store = contestant.open(&spec.folder, durability)?;
    let payloads = Payloads::new(spec.scale.seed);
    load(&*store, plan, &payloads)?;
    if dies(work) {
        return die(&*store, spec, plan);
    }
    store.close()?;
    Ok(Outcome::rate(plan.events(), began.elapsed().as_secs_f64()))
}

/// Gives a plan's events to a store.
pub(crate) fn load(store: &dyn Store, plan: Plan, payloads: &Payloads) -> Result<()> {
    let mut events = plan.iter();
    loop {
        let part: Vec<Made> =
            events.by_ref().take(BY).map(|event| Made::new(event, payloads)).collect();
        if part.is_empty() {
            return Ok(());
        }
        let planned = part.iter().map(|made| Planned {
            stream: &made.stream,
            version: made.version,
            entry: made.entry(),
        });
        store.load(&planned.collect::<Vec<_>>())?;
    }
}

/// File that says how many events were acknowledged before a kill.
pub(crate) fn acknowledged_file(folder: &Path) -> std::path::PathBuf {
    folder.with_extension("acknowledged")
}

/// How many appends are acknowledged, at least, before the kill.
const LIVELY: u64 = 20;
/// A store of which so many are not taken in this time is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Kills the process while a thread appends to a stream of its own, so that an append is on its way, and nothing has
/// been closed since the store was created.
fn die(store: &dyn Store, spec: &Spec, plan: Plan) -> Result<Outcome> {
    let payloads = Payloads::new(spec.scale.seed);
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| go_on(store, plan.streams(), &payloads, &acknowledged));
        let began = Instant::now();
        while acknowledged.load(Ordering::Acquire) < LIVELY {
            if writer.is_finished() || began.elapsed() > STUCK {
                return Err(Failure::new("the store took no appends before the kill"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let events = plan.events() + acknowledged.load(Ordering::Acquire);
        std::fs::write(acknowledged_file(&spec.folder), events.to_string())?;
        kill_process(getpid(), Signal::KILL)?;
        Err(Failure::new("the process outlived its kill"))
    })
}

fn go_on(
    store: &dyn Store,
    stream: u64,
    payloads: &Payloads,
    acknowledged: &AtomicU64,
) -> Result<()> {
    let mut seen = None;
    for version in 0.. {
        let made = Made::new(Event { stream, version, tag: None }, payloads);
        let events = [made.entry()];
        let append = Append { stream: &made.stream, seen, condition: None, events: &events };
        seen = Some(store.append(&append)?);
        acknowledged.store(version + 1, Ordering::Release);
    }
    Ok(())
}
