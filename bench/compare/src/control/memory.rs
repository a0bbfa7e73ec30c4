//! Memory, read from its beginning to its end: what a replay without any work would take.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::commit_bytes;
use crate::arm::{Outcome, Spec};
use crate::failure::Result;
use crate::usage::Meter;
use crate::works::Work;

/// Memory is scanned in a round of at most this, which no cache of a processor holds.
const BYTES_MAX: usize = 1 << 30;

pub(crate) fn run(work: &Work, spec: &Spec) -> Result<Outcome> {
    let event_bytes = commit_bytes(1);
    let events = usize::try_from(work.plan(&spec.scale).events())?.min(BYTES_MAX / event_bytes);
    let words: Vec<u64> = (0..(events * event_bytes / 8) as u64).collect();
    let length = Duration::from_secs_f64(spec.scale.seconds);
    let meter = Meter::start()?;
    let began = Instant::now();
    let mut count = 0;
    while count == 0 || began.elapsed() < length {
        let sum = words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word));
        black_box(sum);
        count += events as u64;
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Outcome { usage: meter.stop(), ..Outcome::rate(count, seconds) })
}
