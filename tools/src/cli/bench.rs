//! The command that measures a machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  quipu bench
  quipu bench --threads 16 --seconds 30
  quipu bench --durability os --events-per-commit 100
  quipu bench --in-flight 1024 --payload 1024 --json
  quipu bench flights.load --streams 100000 --keep";

/// Measure how fast this machine and its disk take events.
///
/// Appends made-up orders to a store of its own, and writes as many bytes a commit straight to the disk,
/// in turns: half of the time for each. What the disk charges for a write and what the store makes of it
/// can so be compared: the ratio says how many commits the store took for each of the raw disk's. The raw
/// disk has one writer, which writes to a file filled with zeros, the cheapest way that there is: one
/// `pwrite` and one `fdatasync` for each commit, or with --durability os the `pwrite` alone. Several threads,
/// and commits in flight, share their syncs: there the ratio may well lie above one.
///
/// It writes what the disk takes in that time, which may be some gigabytes, and removes it again, also when
/// it is interrupted: then the figures are those of the time until then. Only a second interruption ends it
/// at once. Durable figures are worth something only where nothing else is at work; the report says so if
/// something is. No store that exists is touched: --store means nothing here.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// The folder to write in, on the disk that is meant: one that does not exist, or is empty. If none is
    /// given, a new one in the current folder.
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// Threads that append, each for itself.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(crate) threads: u32,

    /// Events in a commit.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) events_per_commit: u32,

    /// Bytes of the payload of an event, JSON.
    #[arg(long, value_name = "BYTES", default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(2..=16_777_216))]
    pub(crate) payload: u32,

    /// When a commit is acknowledged.
    #[arg(long, value_name = "WHEN", default_value = "sync")]
    pub(crate) durability: Acknowledged,

    /// How long to measure, the raw disk included.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// Streams to append to, all equally often.
    #[arg(long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(crate) streams: u32,

    /// Commits that a thread has on their way before it waits for the oldest.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) in_flight: u32,

    /// Keep the store that was filled, and say where it is.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Acknowledged {
    /// Once it is on disk: it survives a power cut.
    Sync,
    /// Once the operating system has it: it survives a killed process.
    Os,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let bounds = 0.1..=86_400.0;
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.map(Duration::from_secs_f64).ok_or_else(|| "say 0.1 to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_within_a_day() {
        assert_eq!(seconds("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(seconds("86400"), Ok(Duration::from_hours(24)));
        for text in ["0", "0.09", "86401", "-1", "nan", "inf", "", "1s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
