//! Appends that fail if an event with a tag has come since (DCB), from threads, to a store that holds many events.

use std::time::{Duration, Instant};

use super::Work;
use super::append::finish;
use crate::arm::{Outcome, Spec};
use crate::check::{Given, stamp};
use crate::contestants::Contestant;
use crate::failure::{Failure, Result};
use crate::latency::Latencies;
use crate::payload::Payloads;
use crate::plan::{Event, Made, Plan, tag_name};
use crate::random::Random;
use crate::store::{Append, Condition, Durability, Seen, Store};
use crate::usage::Meter;

pub(crate) fn run(
    contestant: Contestant,
    work: &Work,
    threads: usize,
    spec: &Spec,
) -> Result<Outcome> {
    let plan = work.plan(&spec.scale);
    let payloads = Payloads::new(spec.scale.seed);
    let store = contestant.open(&spec.folder, Durability::Sync)?;
    let meter = Meter::start()?;
    let began = Instant::now();
    let deciders = std::thread::scope(|scope| {
        let (store, payloads) = (&*store, &payloads);
        let started: Vec<_> = (0..threads as u64)
            .map(|number| {
                scope.spawn(move || {
                    let mut decider = Decider::new(plan, number, threads as u64, spec.scale.seed)?;
                    decider.run(store, payloads, Duration::from_secs_f64(spec.scale.seconds))?;
                    Ok(decider)
                })
            })
            .collect();
        let joined = started.into_iter().map(|decider| {
            decider.join().unwrap_or_else(|_| Err(Failure::new("a writer panicked")))
        });
        joined.collect::<Result<Vec<_>>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let usage = meter.stop();
    let (latencies, given) = together(&deciders, plan)?;
    let appended = given.events() - plan.events();
    let latency = latencies.summary();
    let mut outcome = Outcome { latency, usage, ..Outcome::rate(appended, seconds) };
    finish(store, &payloads, &given, spec, &mut outcome)?;
    Ok(outcome)
}

fn together(deciders: &[Decider], plan: Plan) -> Result<(Latencies, Given)> {
    let mut latencies = Latencies::new()?;
    let mut given = Given::by_plan(plan, 0);
    for decider in deciders {
        latencies.add(&decider.latencies)?;
        given.stamps = given.stamps.wrapping_add(decider.stamps);
        for (index, seen) in (0..).zip(&decider.seen) {
            let stream = index * decider.threads + decider.number;
            given.lengths[stream as usize] = seen.map_or(0, |seen| seen.version + 1);
        }
    }
    Ok((latencies, given))
}

/// One thread, which decides about entities of its own: what it has seen of one is still so, and no append fails.
struct Decider {
    number: u64,
    threads: u64,
    seen: Vec<Option<Seen>>,
    random: Random,
    latencies: Latencies,
    stamps: u64,
}

impl Decider {
    fn new(plan: Plan, number: u64, threads: u64, seed: u64) -> Result<Decider> {
        let own = (plan.streams() - number).div_ceil(threads);
        let seen = (0..own).map(|index| plan.seen(index * threads + number)).collect();
        let random = Random::numbered(seed, number);
        Ok(Decider { number, threads, seen, random, latencies: Latencies::new()?, stamps: 0 })
    }

    fn run(&mut self, store: &dyn Store, payloads: &Payloads, length: Duration) -> Result<()> {
        let began = Instant::now();
        let mut last = began;
        while last - began < length {
            self.append(store, payloads)?;
            let now = Instant::now();
            self.latencies.record(now - last);
            last = now;
        }
        Ok(())
    }

    fn append(&mut self, store: &dyn Store, payloads: &Payloads) -> Result<()> {
        let index = self.random.below(self.seen.len() as u64);
        let stream = index * self.threads + self.number;
        let seen = self.seen[index as usize];
        let version = seen.map_or(0, |seen| seen.version + 1);
        let made = Made::new(Event { stream, version, tag: Some(stream) }, payloads);
        let tag = tag_name(stream);
        let condition = Some(Condition { tag: &tag, after: seen.map(|seen| seen.position) });
        let events = [made.entry()];
        let append = Append { stream: &made.stream, seen, condition, events: &events };
        let done = store.append(&append)?;
        self.stamps = self.stamps.wrapping_add(stamp(stream, done.version, done.position));
        self.seen[index as usize] = Some(Seen { version, position: done.position });
        Ok(())
    }
}
