//! Streams of fifty events among two thousand of them, warm.

use criterion::{Criterion, Throughput};
use quipu::{Selection, Store, Version};
use quipu_bench::{Random, Shape, stream};

const SHAPE: Shape = Shape { streams: 2_000, events: 50 };

pub(crate) fn bench(criterion: &mut Criterion) {
    let ground = crate::ground();
    let store = crate::filled(&ground, SHAPE);
    let mut group = criterion.benchmark_group("stream");
    for (name, events, select) in [
        ("forward", SHAPE.events, whole as fn(Selection<'_, Version>) -> Selection<'_, Version>),
        ("backward", SHAPE.events, |stream| stream.backward()),
        ("its last event", 1, |stream| stream.backward().limit(1)),
    ] {
        group.throughput(Throughput::Elements(events));
        group.bench_function(name, |bencher| {
            let mut random = Random::new(1);
            bencher.iter(|| {
                let stream = stream(random.below(SHAPE.streams));
                assert_eq!(count(&store, &stream, select), events);
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("head", |bencher| {
        let mut random = Random::new(1);
        bencher.iter(|| store.head(&stream(random.below(SHAPE.streams))).unwrap().unwrap());
    });
    group.finish();
    store.close().unwrap();
}

fn whole(stream: Selection<'_, Version>) -> Selection<'_, Version> {
    stream
}

fn count(
    store: &Store,
    stream: &str,
    select: fn(Selection<'_, Version>) -> Selection<'_, Version>,
) -> u64 {
    let mut events = select(store.stream(stream)).events().unwrap();
    let mut seen = 0;
    while let Some(event) = events.next().unwrap() {
        seen += u64::from(!event.payload().is_empty());
    }
    seen
}
