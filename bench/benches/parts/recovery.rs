//! Opening what a killed writer has left: its last segment is scanned, and indexed in memory.

use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use quipu::stepping::Stepper;
use quipu::{Mode, Options, Store};
use quipu_bench::fill_stepped;
use quipu_disk::MemoryDisk;

const EVENTS: u64 = 20_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recovery");
    group.throughput(Throughput::Elements(EVENTS));
    group.sample_size(10);
    for commit_events in [1, 100] {
        let disk = Arc::new(MemoryDisk::new());
        // All of it fits into one segment.
        let segment = 16 << 20;
        let options = Options {
            segment_bytes_min: segment,
            segment_bytes_max: segment,
            ..Options::in_memory()
        };
        let path = Path::new("bench.quipu");
        let killed = Stepper::open(Arc::clone(&disk) as _, path, &options).unwrap();
        fill_stepped(&killed, EVENTS / commit_events, commit_events as usize).unwrap();
        drop(killed);
        let options = Options { mode: Mode::ReadOnly, ..options };
        group.bench_function(BenchmarkId::new("scan", commit_events), |bencher| {
            bencher.iter_with_large_drop(|| {
                let disk = Arc::clone(&disk) as _;
                let store = Store::builder(path).disk(disk).options(options.clone()).open();
                let store = store.unwrap();
                assert_eq!(store.next_position().0, EVENTS);
                store
            });
        });
    }
    group.finish();
}
