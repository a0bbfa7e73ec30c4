//! The parts of the store, each alone and in memory.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

mod checksum;
mod frame;
mod heads;
mod index;
mod record;
mod recovery;
mod sample;
mod sequencer;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    checksum::bench(&mut criterion);
    frame::bench(&mut criterion);
    record::bench(&mut criterion);
    sequencer::bench(&mut criterion);
    index::bench(&mut criterion);
    heads::bench(&mut criterion);
    recovery::bench(&mut criterion);
    criterion.final_summary();
}
