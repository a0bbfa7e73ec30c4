//! A small store that is harmed while it is running: while somebody writes it and others read it here and elsewhere,
//! bytes of its files change, cannot be read, or are gone.
//!
//! What was acknowledged, and where it stands, is noted as it is written (`ledger`), so that after each harm the bytes
//! alone say which events may be lost. Everything else comes as it was written, and what may be lost comes as it was
//! written, or whoever asks is told.

mod appending;
mod flaw;
mod gauge;
mod ground;
mod harm;
mod ledger;
mod openings;
mod reading;
mod source;
mod steps;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests;
mod verifying;

use std::panic::{AssertUnwindSafe, catch_unwind};

use quipu::{Durability, Options, ReadMode};
use quipu_disk::FaultDisk;

use crate::checker::{Checked, Violation};
use crate::random::Random;
use crate::simulator::panicked;
use ground::Ground;
pub use steps::Counts;
use steps::Run;

/// More segments than any of these stores has.
const ALL_SEGMENTS: u32 = 1000;

/// Runs one store and harms it, all of it determined by the seed. Gives what happened.
///
/// # Errors
/// The promise that was broken.
pub fn run(seed: u64) -> Checked<Counts> {
    let tried = catch_unwind(AssertUnwindSafe(|| attempt(seed)));
    tried.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn attempt(seed: u64) -> Checked<Counts> {
    let mut random = Random::new(seed);
    let disk = FaultDisk::new(random.number());
    let options = options(&mut random);
    let words =
        format!("{:?} {:?} {} ids", options.durability, options.read_mode, options.id_segments);
    let mut run = Run::new(Ground::new(disk, options));
    run.ground.say(|| words);
    let done = run.steps(&mut random).and_then(|()| run.end(&mut random));
    let words = || run.ground.words.join("; ");
    done.map_err(|broken| Violation::new(broken.rule, format!("{}\n{}", broken.detail, words())))?;
    Ok(run.ground.counts)
}

fn options(random: &mut Random) -> Options {
    let durability = if random.percent(70) { Durability::Sync } else { Durability::Os };
    Options {
        durability,
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        id_segments: if random.percent(60) { ALL_SEGMENTS } else { 0 },
        read_mode: if random.percent(50) { ReadMode::Map } else { ReadMode::Pread },
        ..Options::default()
    }
}
