//! The threads that append, and what they measure.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use quipu::{Codec, Durability, ExpectedVersion, NewEvent, Store, Ticket};

use super::orders::{Random, payload};
use crate::cli::{Acknowledged, BenchArgs};
use crate::failure::Failure;

/// Bytes of all payloads together, roughly: they are made once, and appended again and again.
const PAYLOADS_BYTES: usize = 4 << 20;

/// What the store, or the raw disk, did while it was measured.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) commits: u64,
    pub(super) seconds: f64,
    /// How long each commit took, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
}

impl Default for Side {
    fn default() -> Side {
        Side { commits: 0, seconds: 0.0, latencies: latencies() }
    }
}

impl Side {
    pub(super) fn add(&mut self, other: &Side) {
        self.commits += other.commits;
        self.seconds += other.seconds;
        // Both grow as they need.
        let _always = self.latencies.add(&other.latencies);
    }

    /// Commits a second.
    pub(super) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.commits as f64 / self.seconds } else { 0.0 }
    }
}

/// A histogram that is right to a thousandth, and grows with the longest time in it.
fn latencies() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are within what it takes")
}

/// Adds one time to a histogram.
pub(super) fn record(latencies: &mut Histogram<u64>, time: Duration) {
    // It grows as it needs.
    let _always = latencies.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

/// What is appended.
pub(super) struct Work {
    payloads: Vec<Vec<u8>>,
    events_per_commit: usize,
    streams: u64,
    in_flight: usize,
    pub(super) durability: Durability,
}

impl Work {
    pub(super) fn new(args: &BenchArgs) -> Work {
        let bytes = args.payload as usize;
        let number = (PAYLOADS_BYTES / bytes).clamp(2, 4_096);
        let mut random = Random::new(1);
        Work {
            payloads: (0..number).map(|_| payload(&mut random, bytes)).collect(),
            events_per_commit: args.events_per_commit as usize,
            streams: args.streams.into(),
            in_flight: args.in_flight as usize,
            durability: match args.durability {
                Acknowledged::Sync => Durability::Sync,
                Acknowledged::Os => Durability::Os,
            },
        }
    }

    /// The events of one commit, which begin with any of the payloads.
    fn events(&self, random: &mut Random) -> impl Iterator<Item = NewEvent<'_>> {
        let first = random.below(self.payloads.len() as u64) as usize;
        let payloads = self.payloads.iter().cycle().skip(first).take(self.events_per_commit);
        payloads.map(|payload| NewEvent::new("OrderPlaced", payload.as_slice()).codec(Codec::Json))
    }
}

/// All threads that append.
pub(super) struct Writers(Vec<Writer>);

impl Writers {
    pub(super) fn new(args: &BenchArgs) -> Writers {
        let seeds = 2..2 + u64::from(args.threads);
        Writers(seeds.map(Writer::new).collect())
    }

    /// Has every thread append until then, or until it is told to halt; at least one commit each. Meanwhile `wait`
    /// is called. Gives the number of commits.
    pub(super) fn run(
        &mut self,
        store: &Store,
        work: &Work,
        until: Instant,
        halt: &AtomicBool,
        wait: impl FnOnce(),
    ) -> Result<u64, Failure> {
        let failed = &AtomicBool::new(false);
        let is_over = &|| {
            failed.load(Ordering::Relaxed)
                || halt.load(Ordering::Relaxed)
                || Instant::now() >= until
        };
        std::thread::scope(|scope| {
            let mut running = Vec::with_capacity(self.0.len());
            for writer in &mut self.0 {
                let run = move || {
                    let done = writer.run(store, work, is_over);
                    failed.fetch_or(done.is_err(), Ordering::Relaxed);
                    done.map_err(super::refused)
                };
                let spawned = std::thread::Builder::new().spawn_scoped(scope, run);
                running.push(spawned.map_err(|error| {
                    failed.store(true, Ordering::Relaxed);
                    let message = format!("cannot start as many threads: {error}");
                    Failure::new("system", message, "ask for fewer --threads")
                })?);
            }
            if !failed.load(Ordering::Relaxed) {
                wait();
            }
            let mut commits = 0;
            for thread in running {
                commits += thread.join().expect("a writer does not panic")?;
            }
            Ok(commits)
        })
    }

    /// Begins to measure anew.
    pub(super) fn forget(&mut self) {
        for writer in &mut self.0 {
            writer.latencies.reset();
        }
    }

    /// How long each commit took.
    pub(super) fn latencies(&self) -> Histogram<u64> {
        let mut all = latencies();
        for writer in &self.0 {
            // It grows as it needs.
            let _always = all.add(&writer.latencies);
        }
        all
    }
}

/// One thread that appends.
struct Writer {
    random: Random,
    stream: String,
    latencies: Histogram<u64>,
    /// Commits that are on their way, and since when.
    tickets: VecDeque<(Instant, Ticket)>,
}

impl Writer {
    fn new(seed: u64) -> Writer {
        let (stream, tickets) = (String::new(), VecDeque::new());
        Writer { random: Random::new(seed), stream, latencies: latencies(), tickets }
    }

    fn run(
        &mut self,
        store: &Store,
        work: &Work,
        is_over: &(impl Fn() -> bool + ?Sized),
    ) -> quipu::Result<u64> {
        let mut commits = 0;
        loop {
            self.commit(store, work)?;
            commits += 1;
            if is_over() {
                break;
            }
        }
        while let Some(oldest) = self.tickets.pop_front() {
            self.settle(oldest)?;
        }
        Ok(commits)
    }

    /// Appends once, and waits for the oldest commit if there are enough on their way.
    fn commit(&mut self, store: &Store, work: &Work) -> quipu::Result<()> {
        self.stream.clear();
        let number = self.random.below(work.streams);
        // Writing to a string cannot fail.
        let _always = write!(self.stream, "order-{number}");
        let events = work.events(&mut self.random);
        let begun = Instant::now();
        if work.in_flight == 1 {
            store.append(&self.stream, ExpectedVersion::Any, events)?;
            record(&mut self.latencies, begun.elapsed());
            return Ok(());
        }
        let ticket = store.append_async(&self.stream, ExpectedVersion::Any, events)?;
        self.tickets.push_back((begun, ticket));
        if self.tickets.len() < work.in_flight {
            return Ok(());
        }
        self.tickets.pop_front().map_or(Ok(()), |oldest| self.settle(oldest))
    }

    fn settle(&mut self, (begun, ticket): (Instant, Ticket)) -> quipu::Result<()> {
        ticket.wait()?;
        record(&mut self.latencies, begun.elapsed());
        Ok(())
    }
}
