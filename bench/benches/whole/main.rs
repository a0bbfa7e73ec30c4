//! The whole store, on a real disk: in the folder that `QUIPU_BENCH_DIR` names, else in cargo's target directory.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

mod append;
mod conditions;
mod open;
mod replay;
mod streams;
mod tickets;

use std::time::Duration;

use criterion::Criterion;
use quipu::{Durability, Store};
use quipu_bench::{Ground, Shape, fill};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(10)
        .configure_from_args();
    append::bench(&mut criterion);
    tickets::bench(&mut criterion);
    conditions::bench(&mut criterion);
    streams::bench(&mut criterion);
    replay::bench(&mut criterion);
    open::bench(&mut criterion);
    criterion.final_summary();
}

/// A folder of one benchmark's own.
fn ground() -> Ground {
    Ground::new(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn open(ground: &Ground, durability: Durability) -> Store {
    Store::builder(ground.store("bench.quipu")).durability(durability).open().unwrap()
}

/// A store with something in it, opened after a clean close.
fn filled(ground: &Ground, shape: Shape) -> Store {
    let store = open(ground, Durability::Os);
    fill(&store, shape).unwrap();
    store.close().unwrap();
    open(ground, Durability::Os)
}

fn name(durability: Durability) -> &'static str {
    match durability {
        Durability::Sync => "sync",
        Durability::Os => "os",
    }
}
