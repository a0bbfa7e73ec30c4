//! Opening a store that was closed.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use quipu::{Durability, Mode, Store};
use quipu_bench::{Ground, Shape};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    for shape in [Shape { streams: 1_000, events: 10 }, Shape { streams: 10_000, events: 10 }] {
        let ground = crate::ground();
        crate::filled(&ground, shape).close().unwrap();
        for (name, mode) in [("to read", Mode::ReadOnly), ("to write", Mode::Existing)] {
            group.bench_function(BenchmarkId::new(name, shape.total()), |bencher| {
                bencher.iter_custom(|times| opened(&ground, mode, times));
            });
        }
    }
    group.finish();
}

/// How long it took to open the store so often; it is closed in between.
fn opened(ground: &Ground, mode: Mode, times: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..times {
        let path = ground.store("bench.quipu");
        let begun = Instant::now();
        let store = Store::builder(path).durability(Durability::Os).mode(mode).open().unwrap();
        took += begun.elapsed();
        store.close().unwrap();
    }
    took
}
