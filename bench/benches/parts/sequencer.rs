//! The way of a commit to its place, and from there to a disk in memory: without threads, and without waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use quipu::stepping::{Part, Stepper};
use quipu::{Durability, ExpectedVersion, Options};
use quipu_bench::{Random, events, place, settle, stream};
use quipu_disk::MemoryDisk;

/// Commits that are given their places one after the other, before any of them is written.
const GROUP: usize = 16;
/// Groups after which a store is large enough; another one is begun.
const GROUPS: u64 = 256;
const STREAMS: u64 = 1_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sequencer");
    for commit_events in [1, 100] {
        let commits = commits(commit_events);
        group.throughput(Throughput::Elements((GROUP * commit_events) as u64));
        group.bench_function(BenchmarkId::new("encode and place", commit_events), |bencher| {
            bencher.iter_custom(|groups| sequenced(&commits, groups).0);
        });
        group.bench_function(BenchmarkId::new("copy and write", commit_events), |bencher| {
            bencher.iter_custom(|groups| sequenced(&commits, groups).1);
        });
    }
    group.finish();
}

/// What is appended, again and again. The names live as long as the process.
fn commits(commit_events: usize) -> Vec<[Part<'static>; 1]> {
    let mut random = Random::new(6);
    let part = |_| {
        let stream: &'static str = stream(random.below(STREAMS)).leak();
        let events = events(&mut random, commit_events).collect();
        [Part { stream, expected: ExpectedVersion::Any, events }]
    };
    (0..1_024).map(part).collect()
}

/// How long so many groups took: to get their places, and to be copied and written.
fn sequenced(commits: &[[Part<'static>; 1]], groups: u64) -> (Duration, Duration) {
    let (mut placing, mut writing) = (Duration::ZERO, Duration::ZERO);
    let mut commits = commits.iter().cycle();
    for begun in (0..groups).step_by(GROUPS as usize) {
        let stepper = empty();
        for _ in begun..groups.min(begun + GROUPS) {
            let mut placed = Vec::with_capacity(GROUP);
            let before = Instant::now();
            for part in commits.by_ref().take(GROUP) {
                placed.extend(place(&stepper, part, Durability::Sync).unwrap());
            }
            let between = Instant::now();
            for copy in placed {
                drop(copy.finish());
            }
            settle(&stepper);
            placing += between - before;
            writing += between.elapsed();
        }
    }
    (placing, writing)
}

/// A store in memory, whose buffers take a whole group.
fn empty() -> Stepper {
    let options = Options {
        buffer_bytes: 1 << 20,
        segment_bytes_min: 1 << 20,
        segment_bytes_max: 64 << 20,
        ..Options::in_memory()
    };
    Stepper::open(Arc::new(MemoryDisk::new()), Path::new("bench.quipu"), &options).unwrap()
}
