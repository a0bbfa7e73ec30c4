//! One thread with many commits on their way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::append::finish;
use crate::arm::{Outcome, Spec};
use crate::check::{Given, stamp};
use crate::contestants::Contestant;
use crate::failure::{Failure, Result};
use crate::latency::Latencies;
use crate::payload::Payloads;
use crate::plan::{entry, stream_name};
use crate::store::{Append, Durability, Flight, Seen};
use crate::usage::Meter;

pub(crate) fn run(contestant: Contestant, in_flight: usize, spec: &Spec) -> Result<Outcome> {
    let payloads = Payloads::new(spec.scale.seed);
    let store = contestant.open(&spec.folder, Durability::Sync)?;
    let mut flight = store.flight().ok_or_else(|| Failure::new("the store has no tickets"))?;
    let mut pilot = Pilot::new(&payloads, in_flight)?;
    let length = Duration::from_secs_f64(spec.scale.seconds);
    let meter = Meter::start()?;
    let began = Instant::now();
    while began.elapsed() < length {
        if pilot.on_their_way.len() == in_flight {
            pilot.settle(&mut *flight)?;
        }
        pilot.submit(&mut *flight)?;
    }
    while !pilot.on_their_way.is_empty() {
        pilot.settle(&mut *flight)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let usage = meter.stop();
    drop(flight);
    let latency = pilot.latencies.summary();
    let mut outcome = Outcome { latency, usage, ..Outcome::rate(pilot.given.events(), seconds) };
    finish(store, &payloads, &pilot.given, spec, &mut outcome)?;
    Ok(outcome)
}

/// Goes around the streams, of which there are four times as many as commits on their way: what was seen of a stream is
/// settled by the time it comes again.
struct Pilot<'p> {
    payloads: &'p Payloads,
    seen: Vec<Option<Seen>>,
    next: usize,
    on_their_way: VecDeque<(usize, Instant)>,
    latencies: Latencies,
    given: Given,
}

impl<'p> Pilot<'p> {
    fn new(payloads: &'p Payloads, in_flight: usize) -> Result<Pilot<'p>> {
        let streams = in_flight * 4;
        Ok(Pilot {
            payloads,
            seen: vec![None; streams],
            next: 0,
            on_their_way: VecDeque::with_capacity(in_flight),
            latencies: Latencies::new()?,
            given: Given::new(streams as u64),
        })
    }

    fn submit(&mut self, flight: &mut dyn Flight) -> Result<()> {
        let stream = self.next;
        self.next = (self.next + 1) % self.seen.len();
        let seen = self.seen[stream];
        let version = seen.map_or(0, |seen| seen.version + 1);
        let payload = self.payloads.payload(stream as u64, version);
        let events = [entry(&payload, version)];
        let name = stream_name(stream as u64);
        self.on_their_way.push_back((stream, Instant::now()));
        flight.submit(&Append { stream: &name, seen, condition: None, events: &events })
    }

    fn settle(&mut self, flight: &mut dyn Flight) -> Result<()> {
        let Some((stream, began)) = self.on_their_way.pop_front() else { return Ok(()) };
        let done = flight.settle()?;
        self.latencies.record(began.elapsed());
        let stamp = stamp(stream as u64, done.version, done.position);
        self.given.stamps = self.given.stamps.wrapping_add(stamp);
        self.given.lengths[stream] += 1;
        self.seen[stream] = Some(done);
        Ok(())
    }
}
