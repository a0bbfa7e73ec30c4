//! The figures of the demo.

use std::time::Duration;

use quipu::Stats;
use serde_json::{Value, json};

use crate::import::Summary;
use crate::output::count;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Events of the sample.
    pub(super) events: u64,
    /// Events imported per second, the last one durable.
    rate: u64,
    /// Bytes of the JSON lines.
    line_bytes: u64,
    /// Bytes written to the log for them.
    log_bytes: u64,
    /// How long it took to find events by their tags, and by reading all.
    pub(super) queried: Duration,
    pub(super) scanned: Duration,
    /// How long after its acknowledgement another process had seen an event: the median.
    pub(super) followed: Duration,
    /// How long it took to open a store that was closed properly.
    pub(super) reopened: Duration,
    /// How long it took to open a store whose writer was killed.
    pub(super) recovered: Duration,
}

impl Figures {
    /// Takes over what the first import measured.
    pub(super) fn import(&mut self, done: &Summary, stats: &Stats) {
        self.events = done.events;
        self.rate = done.rate();
        self.line_bytes = done.bytes;
        self.log_bytes = stats.bytes_written;
    }

    /// The closing table.
    pub(super) fn rows(&self) -> [(&'static str, String); 7] {
        [
            ("imported and synced", format!("{} events/s", count(self.rate))),
            ("a line of input", format!("{} bytes", self.each(self.line_bytes))),
            ("the same event in the log", format!("{} bytes", self.each(self.log_bytes))),
            ("events of two tags, by the index", millis(self.queried)),
            ("seen by another process after", millis(self.followed)),
            ("reopening a store that was closed", millis(self.reopened)),
            ("reopening a store whose writer was killed", millis(self.recovered)),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "events": self.events,
            "events_per_second": self.rate,
            "line_bytes_per_event": self.each(self.line_bytes),
            "log_bytes_per_event": self.each(self.log_bytes),
            "query_seconds": self.queried.as_secs_f64(),
            "scan_seconds": self.scanned.as_secs_f64(),
            "follow_seconds": self.followed.as_secs_f64(),
            "reopen_seconds": self.reopened.as_secs_f64(),
            "recover_seconds": self.recovered.as_secs_f64(),
        })
    }

    fn each(&self, bytes: u64) -> u64 {
        bytes.checked_div(self.events).unwrap_or(0)
    }
}

/// Milliseconds with one digit of a fraction.
pub(super) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
