//! An event, written and read.

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use quipu_bench::payloads;
use quipu_format::checksum::Place;
use quipu_format::record::{Check, Codec, Fields, Record, encode, settle};
use quipu_format::{ByteOffset, Salt, Timestamp, Version};

pub(crate) fn bench(criterion: &mut Criterion) {
    let tags = [Cow::Borrowed("customer:4711")];
    let fields = Fields {
        stream: "order-00000042",
        kind: "OrderPlaced",
        tags: &tags,
        metadata: b"",
        payload: &payloads()[0],
        codec: Codec::Json,
        occurred: Some(Timestamp(1_700_000_000_000_000)),
        id: Some([7; 16]),
        ordinal: 0,
    };
    let place = Place::new(Salt(0x5eed), ByteOffset(1 << 20));
    let mut record = Vec::new();
    let draft = encode(&mut record, &fields);
    settle(&mut record, draft, Version(3), place);

    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Bytes(record.len() as u64));
    group.bench_function("encode", |bencher| {
        let mut frame = Vec::with_capacity(4_096);
        bencher.iter(|| {
            frame.clear();
            encode(&mut frame, black_box(&fields))
        });
    });
    group.bench_function("settle", |bencher| {
        let mut record = record.clone();
        bencher.iter(|| settle(black_box(&mut record), draft, Version(3), place));
    });
    group.bench_function("parse and sum", |bencher| {
        bencher.iter(|| Record::parse(black_box(&record), place, Check::Sum).unwrap().version());
    });
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Record::parse(black_box(&record), place, Check::Trust).unwrap().version());
    });
    group.finish();
}
