//! What ties bytes to their place.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use quipu_bench::{Random, payload};
use quipu_format::checksum::{Domain, HEAD_BYTES, Place, plain, seal};
use quipu_format::{ByteOffset, Salt};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for bytes in [256, 4 << 10, 1 << 20] {
        let data = payload(&mut Random::new(4), bytes);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::new("of bytes", bytes), &data, |bencher, data| {
            bencher.iter(|| plain(black_box(data)));
        });
    }
    let place = Place::new(Salt(0x5eed), ByteOffset(4_192));
    group.throughput(Throughput::Elements(1));
    group.bench_function("of a head", |bencher| {
        let head = [7; HEAD_BYTES];
        bencher.iter(|| seal(Domain::Record, black_box(9), black_box(&head), place));
    });
    group.finish();
}
