//! All events, one after the other, warm.

use criterion::{Criterion, Throughput};
use quipu::{Store, Verify};
use quipu_bench::Shape;

const SHAPE: Shape = Shape { streams: 10_000, events: 10 };

pub(crate) fn bench(criterion: &mut Criterion) {
    let ground = crate::ground();
    let store = crate::filled(&ground, SHAPE);
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(SHAPE.total()));
    for (name, verify) in [("verified", Verify::Always), ("unverified", Verify::Never)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(count(&store, verify), SHAPE.total()));
        });
    }
    group.finish();
    store.close().unwrap();
}

fn count(store: &Store, verify: Verify) -> u64 {
    let mut events = store.all().verify(verify).events().unwrap();
    let mut seen = 0;
    while let Some(event) = events.next().unwrap() {
        seen += u64::from(!event.payload().is_empty());
    }
    seen
}
