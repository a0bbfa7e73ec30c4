//! What the store knows of a stream: in memory, and in the files of all segments.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use quipu_format::{Position, SegmentId, Version};
use quipu_index::{Key, Layer, Layers, Run, StreamHead, StreamHeads, write_run};

use crate::sample::{self, Lent, STREAMS};

/// Segments that a run sums up, and further ones that stand for themselves.
const SEGMENTS: (u32, u32) = (4, 4);

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heads");
    group.throughput(Throughput::Elements(1));

    let streams = sample::shuffled(sample::streams(0));
    let mut heads = StreamHeads::new();
    let head = StreamHead { version: Version(1), position: Position(1) };
    streams.iter().for_each(|stream| heads.set(*stream, head));
    group.bench_function("in memory", |bencher| {
        let mut streams = streams.iter().cycle();
        bencher.iter(|| streams.next().map(|stream| heads.get(black_box(*stream)).unwrap()));
    });

    let layers = layers();
    let newest = STREAMS * u64::from(SEGMENTS.0 + SEGMENTS.1 - 1);
    for (name, first) in [
        ("in the newest file", newest),
        ("in the run below all files", 0),
        ("of a new stream", newest + STREAMS),
    ] {
        let streams = sample::shuffled(sample::streams(first));
        let known: Option<Key> = streams.first().copied();
        let is_known = known.is_some_and(|key| layers.find(key).unwrap().is_some());
        assert_eq!(is_known, first <= newest);
        group.bench_function(name, |bencher| {
            let mut streams = streams.iter().cycle();
            bencher.iter(|| streams.next().map(|stream| layers.find(black_box(*stream)).unwrap()));
        });
    }
    group.finish();
}

/// Segments of streams of their own, the oldest of them summed up by a run.
fn layers() -> Layers {
    let (in_run, alone) = SEGMENTS;
    let index = |segment: u32| {
        let streams = sample::streams(STREAMS * u64::from(segment - 1));
        Layer::Index(Arc::new(sample::sealed(segment, &streams)))
    };
    let oldest: Vec<Layer> = (1..=in_run).rev().map(index).collect();
    let mut bytes = Vec::new();
    write_run(sample::STORE, &oldest, &mut bytes).unwrap();
    let run = Run::open(Box::new(Lent(bytes)), SegmentId(1), &sample::identity(in_run)).unwrap();
    let newest = (in_run + 1..=in_run + alone).rev().map(index);
    Layers::new(newest.chain([Layer::Run(Arc::new(run))]).collect())
}
