//! Commits that one thread has in flight.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use quipu::{Durability, ExpectedVersion, Store, Ticket};
use quipu_bench::{Random, events, stream};

const STREAMS: u64 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tickets");
    group.sampling_mode(SamplingMode::Flat);
    for in_flight in [16, 1_024] {
        let ground = crate::ground();
        let store = crate::open(&ground, Durability::Sync);
        group.throughput(Throughput::Elements(in_flight));
        group.bench_function(BenchmarkId::new("in flight", in_flight), |bencher| {
            bencher.iter_custom(|rounds| in_turn(&store, in_flight, in_flight * rounds));
        });
        store.close().unwrap();
    }
    group.finish();
}

/// How long so many commits took of one event each, so many of them on their way at a time.
fn in_turn(store: &Store, in_flight: u64, commits: u64) -> Duration {
    let mut random = Random::new(1);
    let mut tickets = VecDeque::new();
    let begun = Instant::now();
    for _ in 0..commits {
        if tickets.len() as u64 == in_flight {
            settle(tickets.pop_front());
        }
        let stream = stream(random.below(STREAMS));
        let events = events(&mut random, 1);
        tickets.push_back(store.append_async(&stream, ExpectedVersion::Any, events).unwrap());
    }
    while !tickets.is_empty() {
        settle(tickets.pop_front());
    }
    begun.elapsed()
}

fn settle(ticket: Option<Ticket>) {
    ticket.map(|ticket| ticket.wait().unwrap());
}
