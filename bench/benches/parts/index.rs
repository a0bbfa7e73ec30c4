//! Keys of a segment: posted, and looked for in memory and in a file.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use quipu_index::{Active, Part, Way};

use crate::sample::{self, EVENTS, Event, STREAMS};

pub(crate) fn bench(criterion: &mut Criterion) {
    let streams = sample::streams(0);
    let events: Vec<Event> =
        (0..STREAMS * EVENTS).map(|ordinal| sample::event(&streams, ordinal)).collect();
    let mut group = criterion.benchmark_group("index");
    for at_once in [1, 100] {
        group.throughput(Throughput::Elements(at_once as u64));
        group.bench_function(BenchmarkId::new("post", at_once), |bencher| {
            bencher.iter_custom(|calls| posted(&events, calls, at_once));
        });
    }
    group.throughput(Throughput::Elements(1));
    let (known, unknown) =
        (sample::shuffled(streams.clone()), sample::shuffled(sample::streams(STREAMS)));
    let memory = Part::Memory(Arc::new(sample::active(&streams)));
    let file = Part::File(Arc::new(sample::sealed(1, &streams)));
    for (place, part) in [("in memory", &memory), ("in a file", &file)] {
        for (kind, keys) in [("known", &known), ("unknown", &unknown)] {
            group.bench_function(format!("probe {place}, {kind}"), |bencher| {
                let mut keys = keys.iter().cycle();
                bencher.iter(|| keys.next().map(|key| part.find(black_box(*key)).unwrap()));
            });
        }
        group.throughput(Throughput::Elements(EVENTS));
        group.bench_function(format!("places of a stream {place}"), |bencher| {
            let (mut keys, mut ordinals) = (known.iter().cycle(), Vec::new());
            bencher.iter(|| {
                let held = keys.next().and_then(|key| part.find(*key).unwrap()).unwrap();
                part.batch(&held, 0, Way::Forward, &mut ordinals).unwrap();
                let offset = |ordinal: &u32| part.offset(*ordinal).unwrap().unwrap().0;
                ordinals.iter().map(offset).sum::<u64>()
            });
        });
        group.throughput(Throughput::Elements(1));
    }
    group.finish();
}

/// Posts so often, and begins anew whenever a segment is full.
fn posted(events: &[Event], calls: u64, at_once: usize) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let active = Active::new(0);
        let now = left.min((events.len() / at_once) as u64);
        let begun = Instant::now();
        let mut ordinal = 0;
        for events in events.chunks_exact(at_once).take(now as usize) {
            active
                .post((ordinal..).zip(events).map(|(ordinal, event)| sample::post(ordinal, event)));
            ordinal += at_once as u64;
        }
        took += begun.elapsed();
        left -= now;
    }
    took
}
