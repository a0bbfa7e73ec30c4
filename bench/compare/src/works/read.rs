//! Reads of a store that was filled by another process and closed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::append::finish;
use super::{Cache, Checks, TAGS, What, Work};
use crate::arm::{Outcome, Spec};
use crate::cache::drop_pages;
use crate::check::Given;
use crate::contestants::Contestant;
use crate::failure::{Failure, Result};
use crate::latency::Latencies;
use crate::payload::Payloads;
use crate::plan::{LONG, Plan, stream_name, tag_name};
use crate::random::{Random, mix};
use crate::store::{Durability, Reader, Store};
use crate::usage::{Meter, Usage};

pub(crate) fn run(
    contestant: Contestant,
    work: &Work,
    (what, cache): (What, Cache),
    spec: &Spec,
) -> Result<Outcome> {
    let plan = work.plan(&spec.scale);
    let mut notes = Vec::new();
    if cache == Cache::Cold {
        notes.push(drop_pages(&spec.folder, spec.scale.cold)?.to_owned());
    }
    let store = contestant.open(&spec.folder, Durability::Sync)?;
    let reading = Reading { store: &*store, plan, cache, spec };
    let mut outcome = match what {
        What::EvenStreams => reading.streams(plan.streams()),
        What::LongStreams => reading.streams(plan.streams() - short_streams(plan)),
        What::Tagged { readers } => reading.tags(readers),
        What::Everything(checks) => reading.everything(checks),
    }?;
    let units = outcome.count.max(1) as f64;
    if cache == Cache::Cold {
        let pages = outcome.usage.read_bytes as f64 / 4_096.0 / units;
        notes.push(format!("{pages:.2} pages read for each"));
    }
    outcome.notes = notes;
    let payloads = Payloads::new(spec.scale.seed);
    finish(store, &payloads, &Given::by_plan(plan, 0), spec, &mut outcome)?;
    Ok(outcome)
}

fn short_streams(plan: Plan) -> u64 {
    match plan {
        Plan::Mixed { short, .. } => short,
        Plan::Even { .. } => 0,
    }
}

struct Reading<'r> {
    store: &'r dyn Store,
    plan: Plan,
    cache: Cache,
    spec: &'r Spec,
}

/// Reads something and tells how many events came, each looked at.
fn counted(read: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<()>) -> Result<u64> {
    let mut events = 0;
    let mut bytes = 0;
    read(&mut |payload| {
        events += 1;
        // The payload is touched, so that it has to be there.
        bytes += payload.len() + payload.last().map_or(0, |byte| usize::from(*byte));
    })?;
    black_box(bytes);
    Ok(events)
}

fn expect(found: u64, expected: u64, what: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: {found} events were found, {expected} must be there")))
}

impl Reading<'_> {
    fn length(&self) -> Duration {
        Duration::from_secs_f64(self.spec.scale.seconds)
    }

    /// Reads streams of 50 events, by one thread. Warm, each of those to be read has been read before; cold, each is
    /// read once.
    fn streams(&self, among: u64) -> Result<Outcome> {
        let mut reader = self.store.reader()?;
        // No more than can be read before, as the rest of the memory is for the other streams.
        let among = among.min(20_000);
        if self.cache == Cache::Warm {
            for stream in 0..among {
                self.stream(&mut *reader, stream)?;
            }
        }
        let mut random = Random::new(self.spec.scale.seed);
        let mut latencies = Latencies::new()?;
        let meter = Meter::start()?;
        let began = Instant::now();
        let (mut last, mut count) = (began, 0);
        while last - began < self.length() {
            let stream = match self.cache {
                Cache::Warm => random.below(among),
                // A step that has no factor in common with most numbers, so that neighbours do not follow each other.
                Cache::Cold if count < among => (count * 7_919) % among,
                Cache::Cold => break,
            };
            self.stream(&mut *reader, stream)?;
            count += 1;
            let now = Instant::now();
            latencies.record(now - last);
            last = now;
        }
        let (usage, latency) = (meter.stop(), latencies.summary());
        Ok(Outcome { latency, usage, ..Outcome::rate(count, (last - began).as_secs_f64()) })
    }

    fn stream(&self, reader: &mut dyn Reader, stream: u64) -> Result<()> {
        let name = stream_name(stream);
        let found = counted(|see| reader.stream(&name, &mut |found| see(found.payload)))?;
        expect(found, LONG, &name)
    }

    /// Reads all events of tags, by several threads; each begins with another tag. Cold, each tag is read once.
    fn tags(&self, readers: usize) -> Result<Outcome> {
        let mut expected = vec![0_u64; TAGS as usize];
        for event in self.plan.iter() {
            if let Some(tag) = event.tag {
                expected[tag as usize] += 1;
            }
        }
        let expected = &expected;
        if self.cache == Cache::Warm {
            let mut reader = self.store.reader()?;
            counted(|see| reader.all(&mut |found| see(found.payload)))?;
            for tag in 0..TAGS {
                self.tag(&mut *reader, tag, expected)?;
            }
        }
        let meter = Meter::start()?;
        let began = Instant::now();
        let (count, latencies) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..readers as u64)
                .map(|number| scope.spawn(move || self.tags_of(number, readers as u64, expected)))
                .collect();
            let mut all = (0, Latencies::new()?);
            for thread in threads {
                let joined = thread.join();
                let (count, latencies) =
                    joined.unwrap_or_else(|_| Err(Failure::new("a reader panicked")))?;
                all.0 += count;
                all.1.add(&latencies)?;
            }
            Ok::<_, Failure>(all)
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let (usage, latency): (Usage, _) = (meter.stop(), latencies.summary());
        Ok(Outcome { latency, usage, ..Outcome::rate(count, seconds) })
    }

    fn tags_of(&self, number: u64, readers: u64, expected: &[u64]) -> Result<(u64, Latencies)> {
        let mut reader = self.store.reader()?;
        let mut latencies = Latencies::new()?;
        let began = Instant::now();
        let mut events = 0;
        for turn in 0.. {
            let next = turn * readers + number;
            let tag = match self.cache {
                Cache::Warm => mix(next) % TAGS,
                Cache::Cold if next < TAGS => next,
                Cache::Cold => break,
            };
            let started = Instant::now();
            events += self.tag(&mut *reader, tag, expected)?;
            latencies.record(started.elapsed());
            if began.elapsed() >= self.length() {
                break;
            }
        }
        Ok((events, latencies))
    }

    fn tag(&self, reader: &mut dyn Reader, tag: u64, expected: &[u64]) -> Result<u64> {
        let name = tag_name(tag);
        let found = counted(|see| reader.tagged(&name, &mut |found| see(found.payload)))?;
        expect(found, expected[tag as usize], &name)?;
        Ok(found)
    }

    /// Reads everything, again and again, once before it counts.
    fn everything(&self, checks: Checks) -> Result<Outcome> {
        let mut reader = self.store.reader()?;
        let mut replay = || {
            let found = counted(|see| match checks {
                Checks::Default => reader.all(&mut |found| see(found.payload)),
                Checks::None => reader.all_unverified(&mut |found| see(found.payload)),
            })?;
            expect(found, self.plan.events(), "replay")?;
            Ok::<_, Failure>(found)
        };
        replay()?;
        let meter = Meter::start()?;
        let began = Instant::now();
        let mut count = 0;
        while count == 0 || began.elapsed() < self.length() {
            count += replay()?;
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(Outcome { usage: meter.stop(), ..Outcome::rate(count, seconds) })
    }
}
