//! The header of a commit.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use quipu_format::checksum::Place;
use quipu_format::frame::{FrameHeader, FrameKind};
use quipu_format::{ByteOffset, Position, Salt, Timestamp};

pub(crate) fn bench(criterion: &mut Criterion) {
    let place = Place::new(Salt(0x5eed), ByteOffset(1 << 20));
    let header = FrameHeader {
        kind: FrameKind::Events,
        flags: 0,
        len: 368,
        events: 1,
        first_position: Position(1_000_000),
        time: Timestamp(1_700_000_000_000_000),
        durable_to: ByteOffset(1 << 19),
    };
    let bytes = header.encode(place);
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(&header).encode(black_box(place)));
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| FrameHeader::decode(black_box(&bytes), place).unwrap());
    });
    group.finish();
}
