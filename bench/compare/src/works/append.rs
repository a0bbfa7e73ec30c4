//! Appends from threads: in a closed loop, or at a fixed rate.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::{Among, Better, Pace, Shape, Unit, Work};
use crate::arm::{Outcome, Spec};
use crate::check::{self, Given, stamp};
use crate::choice::Sampler;
use crate::contestants::Contestant;
use crate::failure::{Failure, Result};
use crate::latency::Latencies;
use crate::pace::{Clock, RealClock, Schedule};
use crate::payload::{Payload, Payloads};
use crate::plan::{Plan, entry, stream_name};
use crate::random::Random;
use crate::scale::Scale;
use crate::store::{Append, Entry, Seen, Store};
use crate::usage::{Meter, Usage, kept_bytes};

/// Streams where nothing else is said. Enough that an append hardly ever finds its stream at hand, few enough that most
/// of them get several events.
const STREAMS: u64 = 10_000;

/// Runs the work and checks what the store holds then.
pub(crate) fn run(
    contestant: Contestant,
    work: &Work,
    shape: Shape,
    spec: &Spec,
) -> Result<Outcome> {
    let plan = work.plan(&spec.scale);
    let payloads = Payloads::new(spec.scale.seed);
    let store = contestant.open(&spec.folder, shape.durability)?;
    let streams = match shape.among {
        Among::New => STREAMS,
        Among::Few | Among::Many => plan.streams().max(shape.threads as u64),
    };
    let job = Job { store: &*store, shape, plan, streams, payloads: &payloads, scale: &spec.scale };
    let ran = job.run()?;
    let mut outcome = ran.outcome(work.unit)?;
    if shape.pace == Pace::Fixed {
        let reached = outcome.count as f64 / outcome.seconds;
        outcome.notes.push(format!("{reached:.0} of {:.0} events/s", spec.scale.rate));
    }
    finish(store, &payloads, &ran.given(plan, streams), spec, &mut outcome)?;
    Ok(outcome)
}

/// Checks what the store holds, closes it, and notes what it takes on the disk.
pub(crate) fn finish(
    store: Box<dyn Store>,
    payloads: &Payloads,
    given: &Given,
    spec: &Spec,
    outcome: &mut Outcome,
) -> Result<()> {
    outcome.stored = check::history(&mut *store.reader()?, payloads, given)
        .map_err(|wrong| wrong.during("what the store gives back is wrong"))?;
    store.close()?;
    outcome.kept_bytes = kept_bytes(&spec.folder)?;
    Ok(())
}

struct Job<'j> {
    store: &'j dyn Store,
    shape: Shape,
    plan: Plan,
    streams: u64,
    payloads: &'j Payloads,
    scale: &'j Scale,
}

/// What all threads did together.
struct Ran {
    threads: Vec<Thread>,
    seconds: f64,
    /// Without the memory in which the writers keep what they have seen.
    usage: Usage,
}

/// What one thread did.
struct Thread {
    latencies: Latencies,
    events: u64,
    stamps: u64,
    /// The streams that were appended to, by their number among those of the thread.
    lengths: Vec<u32>,
    number: u64,
}

impl Job<'_> {
    fn run(&self) -> Result<Ran> {
        let threads = self.shape.threads;
        let barrier = Barrier::new(threads + 1);
        let own = self.streams * (size_of::<Option<Seen>>() + size_of::<u32>()) as u64;
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..threads)
                .map(|number| {
                    let mut writer = Writer::new(self, number as u64);
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        writer.as_mut().map_or(Ok(()), |writer| writer.run())?;
                        writer.map(|writer| writer.thread)
                    })
                })
                .collect();
            let meter = Meter::start();
            barrier.wait();
            let began = Instant::now();
            let joined = writers.into_iter().map(|writer| {
                writer.join().unwrap_or_else(|_| Err(Failure::new("a writer panicked")))
            });
            let threads = joined.collect::<Result<Vec<_>>>()?;
            let seconds = began.elapsed().as_secs_f64();
            let usage = meter?.stop();
            let anonymous_bytes = usage.anonymous_bytes.saturating_sub(own);
            Ok(Ran { threads, seconds, usage: Usage { anonymous_bytes, ..usage } })
        })
    }
}

impl Ran {
    fn outcome(&self, unit: Unit) -> Result<Outcome> {
        let mut all = Latencies::new()?;
        for thread in &self.threads {
            all.add(&thread.latencies)?;
        }
        let events = self.threads.iter().map(|thread| thread.events).sum();
        let latency = all.summary();
        let outcome = Outcome::rate(events, self.seconds);
        let p99 = latency.as_ref().map_or(0.0, |latency| latency.p99);
        let value = if unit.better() == Better::Less { p99 } else { outcome.value };
        Ok(Outcome { value, latency, usage: self.usage, ..outcome })
    }

    fn given(&self, plan: Plan, streams: u64) -> Given {
        let mut given = Given::by_plan(plan, streams);
        let step = self.threads.len() as u64;
        for thread in &self.threads {
            given.stamps = given.stamps.wrapping_add(thread.stamps);
            for (index, length) in (0..).zip(&thread.lengths) {
                given.lengths[(index * step + thread.number) as usize] += u64::from(*length);
            }
        }
        given
    }
}

/// One thread with the streams that only it appends to: every append says what it has seen of its stream, and none is
/// refused.
struct Writer<'j> {
    job: &'j Job<'j>,
    sampler: Sampler,
    random: Random,
    seen: Vec<Option<Seen>>,
    payloads: Vec<Payload>,
    thread: Thread,
}

impl<'j> Writer<'j> {
    fn new(job: &'j Job<'j>, number: u64) -> Result<Writer<'j>> {
        let threads = job.shape.threads as u64;
        let own = (job.streams - number).div_ceil(threads);
        let seen = (0..own).map(|index| job.plan.seen(index * threads + number)).collect();
        let lengths = vec![0; own as usize];
        Ok(Writer {
            job,
            sampler: Sampler::new(job.shape.choice, own),
            random: Random::numbered(job.scale.seed, number),
            seen,
            payloads: Vec::with_capacity(job.shape.by),
            thread: Thread { latencies: Latencies::new()?, events: 0, stamps: 0, lengths, number },
        })
    }

    fn run(&mut self) -> Result<()> {
        match self.job.shape.pace {
            Pace::Closed => self.run_closed(),
            Pace::Fixed => self.run_fixed(),
        }
    }

    fn run_closed(&mut self) -> Result<()> {
        let length = Duration::from_secs_f64(self.job.scale.seconds);
        let began = Instant::now();
        let mut last = began;
        while last - began < length {
            self.append()?;
            // One look at the clock an append: the end of one is the beginning of the next.
            let now = Instant::now();
            self.thread.latencies.record(now - last);
            last = now;
        }
        Ok(())
    }

    fn run_fixed(&mut self) -> Result<()> {
        let clock = RealClock::start();
        let end = clock.now() + Duration::from_secs_f64(self.job.scale.seconds);
        let (threads, number) = (self.job.shape.threads, self.thread.number as usize);
        let schedule = Schedule::of_thread(self.job.scale.rate, number, threads, end);
        let mut taken = Latencies::new()?;
        schedule.run(&clock, || self.append(), |latency| taken.record(latency))?;
        self.thread.latencies = taken;
        Ok(())
    }

    fn append(&mut self) -> Result<()> {
        let index = self.sampler.draw(&mut self.random) as usize;
        let stream = index as u64 * self.job.shape.threads as u64 + self.thread.number;
        let seen = self.seen[index];
        let (first, by) = (seen.map_or(0, |seen| seen.version + 1), self.job.shape.by as u64);
        self.payloads.clear();
        let payloads =
            (first..first + by).map(|version| self.job.payloads.payload(stream, version));
        self.payloads.extend(payloads);
        let done = self.give(&stream_name(stream), seen, first)?;
        for version in first..first + by {
            let position = (done.position + version + 1).saturating_sub(first + by);
            self.thread.stamps = self.thread.stamps.wrapping_add(stamp(stream, version, position));
        }
        self.seen[index] = Some(done);
        self.thread.lengths[index] += by as u32;
        self.thread.events += by;
        Ok(())
    }

    fn give(&self, stream: &str, seen: Option<Seen>, first: u64) -> Result<Seen> {
        if let [payload] = &self.payloads[..] {
            let events = [entry(payload, first)];
            return self.job.store.append(&Append {
                stream,
                seen,
                condition: None,
                events: &events,
            });
        }
        let events: Vec<Entry<'_>> = self
            .payloads
            .iter()
            .zip(first..)
            .map(|(payload, version)| entry(payload, version))
            .collect();
        self.job.store.append(&Append { stream, seen, condition: None, events: &events })
    }
}
