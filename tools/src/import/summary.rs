//! What an import did.

use serde_json::json;

use super::streams::Streams;
use crate::output::{Look, Output, count, per_second, plural};

/// What an import did.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Events added.
    pub(crate) events: u64,
    /// Lines that an earlier import had stored.
    pub(crate) resumed: u64,
    /// Streams of the events added.
    pub(crate) streams: Streams,
    /// Bytes of their lines, decompressed.
    pub(crate) bytes: u64,
    /// How long it took, opening and closing included.
    pub(crate) seconds: f64,
}

impl Summary {
    /// Events added per second.
    pub(crate) fn rate(&self) -> u64 {
        per_second(self.events, self.seconds)
    }

    pub(super) fn print(&self, output: &Output) {
        if self.resumed > 0 {
            output.line(format_args!("{} stored before", plural(self.resumed, "line")));
        }
        if self.events == 0 && self.resumed > 0 {
            output.line("nothing was left to import");
        } else {
            self.print_added(output);
        }
        output.object(&json!({
            "events": self.events,
            "resumed": self.resumed,
            "streams": self.streams.count(),
            "streams_counted_all": !self.streams.has_more(),
            "bytes": self.bytes,
            "seconds": self.seconds,
            "events_per_second": self.rate(),
        }));
    }

    fn print_added(&self, output: &Output) {
        let or_more = if self.streams.has_more() { " or more" } else { "" };
        output.line(format_args!(
            "{} of {}{or_more} imported in {:.2} s: {} events/s, {} of input",
            output.paint(Look::Bold, plural(self.events, "event")),
            plural(self.streams.count(), "stream"),
            self.seconds,
            count(self.rate()),
            plural(self.bytes, "byte"),
        ));
    }
}
