//! Appends that fail if an event matches a query, beside a hundred thousand events.

use criterion::{Criterion, Throughput};
use quipu::{ExpectedVersion, NewEvent, Query, QueryItem, Store};
use quipu_bench::Shape;

const SHAPE: Shape = Shape { streams: 10_000, events: 10 };

pub(crate) fn bench(criterion: &mut Criterion) {
    let ground = crate::ground();
    let store = crate::filled(&ground, SHAPE);
    let mut group = criterion.benchmark_group("condition");
    group.throughput(Throughput::Elements(1));
    group.bench_function("os, a name that nobody has", |bencher| {
        let mut number = 0;
        bencher.iter(|| {
            number += 1;
            take_a_name(&store, &format!("name:{}-{number}", store.next_position()));
        });
    });
    group.bench_function("os, nothing since a position", |bencher| {
        let mut number = 0;
        bencher.iter(|| {
            number = (number + 7_919) % SHAPE.streams;
            decide(&store, &format!("customer:{number}"));
        });
    });
    group.finish();
    store.close().unwrap();
}

fn take_a_name(store: &Store, name: &str) {
    let taken = Query::new().item(QueryItem::new().event_type("NameTaken").tag(name));
    let event = NewEvent::new("NameTaken", b"{}".as_slice()).tag(name);
    let commit = store.commit().append("names", ExpectedVersion::Any, [event]);
    commit.fail_if(taken.absent()).submit().unwrap().wait().unwrap();
}

/// What a decision does that was made on all that is known of a customer by now.
fn decide(store: &Store, customer: &str) {
    let known = Query::new().item(QueryItem::new().event_type("OrderPlaced").tag(customer));
    let seen = store.next_position().0 - 1;
    let event = NewEvent::new("OrderPlaced", b"{}".as_slice()).tag(customer);
    let commit = store.commit().append("decisions", ExpectedVersion::Any, [event]);
    commit.fail_if(known.after(seen)).submit().unwrap().wait().unwrap();
}
