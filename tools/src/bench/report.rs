//! What people and scripts get to see of a load test.

use std::path::Path;

use serde_json::{Value, json};

use super::Measured;
use super::machine::Machine;
use super::writers::Side;
use crate::cli::{Acknowledged, BenchArgs};
use crate::output::{Look, Output, count, plural};
use crate::print::printable;

/// From this share of work on, a machine is not idle.
const BUSY: f64 = 0.1;

/// What was written for how many events. The first moments, which are not measured, are counted too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    pub(super) events: u64,
    /// Syncs of the log.
    pub(super) syncs: u64,
    /// Of the log.
    pub(super) log: u64,
    /// Of all files of the store once it is closed, but for what it sets aside.
    pub(super) kept: u64,
    /// To the disk, if the system tells.
    pub(super) written: Option<u64>,
}

impl Bytes {
    fn each(&self, bytes: u64) -> f64 {
        bytes as f64 / self.events.max(1) as f64
    }
}

/// Everything that is known of a load test.
pub(super) struct Report<'a> {
    pub(super) args: &'a BenchArgs,
    pub(super) measured: Measured,
    pub(super) machine: Machine,
    pub(super) file_system: Option<String>,
    pub(super) folder: &'a Path,
}

impl Report<'_> {
    pub(super) fn print(&self, output: &Output) {
        output.line(output.paint(Look::Bold, self.title()));
        output.line(format_args!("{:<12}{:>14}{:>14}", "", "store", "raw disk"));
        let Measured { store, raw, .. } = &self.measured;
        let row = |name: &str, one: String, other: String| {
            output.line(format_args!("{name:<12}{one:>14}{other:>14}"));
        };
        row("events/s", whole(self.events_per_second(store)), String::new());
        row("commits/s", whole(store.rate()), whole(raw.rate()));
        for (name, quantile) in QUANTILES {
            let of = |side: &Side| micros(side.latencies.value_at_quantile(quantile));
            row(name, of(store), of(raw));
        }
        output.line("");
        for (name, text) in self.facts() {
            output.line(format_args!("{name:<12}{text}"));
        }
        for note in self.notes() {
            output.line(format_args!("{}: {note}", output.paint(Look::Bold, "note")));
        }
    }

    fn title(&self) -> String {
        let BenchArgs { threads, events_per_commit, payload, streams, in_flight, .. } = *self.args;
        let acknowledged = match self.args.durability {
            Acknowledged::Sync => "on disk",
            Acknowledged::Os => "written",
        };
        let mut title = format!(
            "{}, {} a commit of {} each, {}, acknowledged when {acknowledged}",
            plural(threads.into(), "thread"),
            plural(events_per_commit.into(), "event"),
            plural(payload.into(), "byte"),
            plural(streams.into(), "stream"),
        );
        if in_flight > 1 {
            title += &format!(", {} in flight a thread", plural(in_flight.into(), "commit"));
        }
        title
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let Measured { ratios, raw_commit_bytes, bytes, .. } = &self.measured;
        let (least, most) = spread(ratios);
        let method = match self.args.durability {
            Acknowledged::Sync => "pwrite and fdatasync",
            Acknowledged::Os => "pwrite",
        };
        let to_disk = match bytes.written {
            Some(written) => format!("{} an event", plural(rounded(bytes.each(written)), "byte")),
            None => "unknown: the system does not tell".to_owned(),
        };
        let file_system = self.file_system.as_deref().unwrap_or("unknown file system");
        let mut facts = vec![
            (
                "ratio",
                format!(
                    "{:.2} commits for one of the raw disk; {least:.2} to {most:.2} in {}",
                    self.ratio(),
                    plural(ratios.len() as u64, "slice")
                ),
            ),
            (
                "raw disk",
                format!(
                    "one writer, {} a commit, {method}, to a file filled with zeros",
                    plural(*raw_commit_bytes, "byte")
                ),
            ),
            ("CPU", format!("{:.2} s for a million events", self.cpu_seconds_per_million())),
            ("to the disk", to_disk),
            ("in the log", format!("{} an event", plural(rounded(bytes.each(bytes.log)), "byte"))),
            ("kept", format!("{} an event", plural(rounded(bytes.each(bytes.kept)), "byte"))),
            ("folder", format!("{} ({file_system})", printable(&self.folder.to_string_lossy()))),
        ];
        if self.args.keep {
            facts.push(("the store", "is kept there, as store.quipu".to_owned()));
        }
        facts
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.measured.interrupted {
            let seconds = self.measured.store.seconds + self.measured.raw.seconds;
            notes.push(format!("interrupted: these are the figures of {seconds:.1} s"));
        }
        if let Some(busy) = self.machine.busy.filter(|busy| *busy >= BUSY) {
            let load = self.machine.load.map_or(String::new(), |load| format!(", load {load}"));
            notes.push(format!(
                "{:.0} % of {} were at work before this began{load}: measure again when the machine is idle",
                busy * 100.0,
                plural(self.machine.processors as u64, "processor")
            ));
        }
        if self.is_in_memory() {
            notes.push(
                "the folder is in memory: this says nothing about a disk; name a folder on one"
                    .to_owned(),
            );
        }
        notes
    }

    fn is_in_memory(&self) -> bool {
        matches!(self.file_system.as_deref(), Some("tmpfs" | "ramfs"))
    }

    fn events_per_second(&self, side: &Side) -> f64 {
        side.rate() * f64::from(self.args.events_per_commit)
    }

    fn events(&self) -> u64 {
        self.measured.store.commits * u64::from(self.args.events_per_commit)
    }

    fn ratio(&self) -> f64 {
        let Measured { store, raw, .. } = &self.measured;
        quotient(store.rate(), raw.rate())
    }

    fn cpu_seconds_per_million(&self) -> f64 {
        quotient(self.measured.cpu_seconds * 1e6, self.measured.bytes.events as f64)
    }

    pub(super) fn to_json(&self) -> Value {
        let Measured { store, raw, ratios, raw_commit_bytes, bytes, interrupted, .. } =
            &self.measured;
        let (least, most) = spread(ratios);
        json!({
            "folder": self.folder.display().to_string(),
            "file_system": self.file_system,
            "options": {
                "threads": self.args.threads,
                "events_per_commit": self.args.events_per_commit,
                "payload_bytes": self.args.payload,
                "durability": self.durability(),
                "seconds": self.args.seconds.as_secs_f64(),
                "streams": self.args.streams,
                "in_flight": self.args.in_flight,
            },
            "events": self.events(),
            "events_per_second": self.events_per_second(store),
            "store": side(store),
            "raw": side(raw),
            "raw_commit_bytes": raw_commit_bytes,
            "ratio": self.ratio(),
            "ratio_least": least,
            "ratio_most": most,
            "slices": ratios.len(),
            "cpu_seconds_per_million_events": self.cpu_seconds_per_million(),
            "written_bytes_per_event": bytes.written.map(|written| bytes.each(written)),
            "log_bytes_per_event": bytes.each(bytes.log),
            "kept_bytes_per_event": bytes.each(bytes.kept),
            "syncs": bytes.syncs,
            "appended_events": bytes.events,
            "processors": self.machine.processors,
            "busy_before": self.machine.busy,
            "load_before": self.machine.load,
            "in_memory": self.is_in_memory(),
            "interrupted": interrupted,
        })
    }

    fn durability(&self) -> &'static str {
        match self.args.durability {
            Acknowledged::Sync => "sync",
            Acknowledged::Os => "os",
        }
    }
}

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

fn side(side: &Side) -> Value {
    let at = |quantile| side.latencies.value_at_quantile(quantile) as f64 / 1e9;
    json!({
        "commits": side.commits,
        "seconds": side.seconds,
        "commits_per_second": side.rate(),
        "latency_seconds": {
            "count": side.latencies.len(),
            "p50": at(0.5),
            "p99": at(0.99),
            "p99_9": at(0.999),
            "max": at(1.0),
        },
    })
}

/// The least and the largest; zeros of none.
fn spread(ratios: &[f64]) -> (f64, f64) {
    let least = ratios.iter().copied().reduce(f64::min);
    let most = ratios.iter().copied().reduce(f64::max);
    (least.unwrap_or(0.0), most.unwrap_or(0.0))
}

/// Zero where there is nothing to divide by.
pub(super) fn quotient(one: f64, other: f64) -> f64 {
    if other > 0.0 { one / other } else { 0.0 }
}

#[expect(clippy::cast_sign_loss, reason = "what is counted is not negative")]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// A rate as a whole number.
pub(super) fn whole(rate: f64) -> String {
    count(rounded(rate))
}

/// Nanoseconds as microseconds: `1,234.5 µs`.
fn micros(nanoseconds: u64) -> String {
    let tenths = nanoseconds.saturating_add(50) / 100;
    format!("{}.{} µs", count(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_microseconds_with_one_digit_behind_the_point() {
        for (nanoseconds, text) in
            [(0, "0.0 µs"), (49, "0.0 µs"), (50, "0.1 µs"), (1_234_567, "1,234.6 µs")]
        {
            assert_eq!(micros(nanoseconds), text);
        }
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        assert_eq!((quotient(1.0, 0.0), quotient(1.0, 4.0)), (0.0, 0.25));
        assert_eq!((spread(&[]), spread(&[0.5, 2.0, 1.0])), ((0.0, 0.0), (0.5, 2.0)));
    }
}
