//! Appends, by threads, events of a commit, and durability.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use quipu::{Durability, ExpectedVersion, Store};
use quipu_bench::{Random, events, stream};

/// Commits of each thread in one round.
const ROUND: u64 = 16;
const STREAMS: u64 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.sampling_mode(SamplingMode::Flat);
    for durability in [Durability::Sync, Durability::Os] {
        for threads in [1, 16, 64] {
            for commit_events in [1, 100] {
                let threads_name = format!("{} x{threads}", crate::name(durability));
                let ground = crate::ground();
                let store = crate::open(&ground, durability);
                group.throughput(Throughput::Elements(ROUND * threads * commit_events));
                group.bench_function(BenchmarkId::new(threads_name, commit_events), |bencher| {
                    bencher.iter_custom(|rounds| {
                        appended(&store, threads, commit_events as usize, ROUND * rounds)
                    });
                });
                store.close().unwrap();
            }
        }
    }
    group.finish();
}

/// How long all threads took to append so many commits each.
fn appended(store: &Store, threads: u64, commit_events: usize, commits: u64) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for seed in 0..threads {
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..commits {
                    let stream = stream(random.below(STREAMS));
                    let events = events(&mut random, commit_events);
                    store.append(&stream, ExpectedVersion::Any, events).unwrap();
                }
            });
        }
    });
    begun.elapsed()
}
