//! Which events are exported.

use quipu::{Event, Timestamp};

use crate::cli::ExportArgs;

/// What an event has to be like; whatever is not given is no matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter<'a> {
    args: &'a ExportArgs,
}

impl<'a> Filter<'a> {
    pub(super) fn of(args: &'a ExportArgs) -> Filter<'a> {
        Filter { args }
    }

    pub(super) fn passes(&self, event: &Event<'_>) -> bool {
        let args = self.args;
        args.stream.as_ref().is_none_or(|stream| stream == event.stream())
            && args
                .category
                .as_deref()
                .is_none_or(|wanted| category(event.stream()) == Some(wanted))
            && (args.types.is_empty()
                || args.types.iter().any(|wanted| wanted == event.event_type()))
            && args.tags.iter().all(|wanted| event.tags().any(|tag| tag == wanted))
            && args.since.is_none_or(|since| time(event) >= since)
            && args.until.is_none_or(|until| time(event) < until)
    }
}

/// When an event happened, else when it was recorded.
pub(super) fn time(event: &Event<'_>) -> Timestamp {
    event.occurred().unwrap_or(event.recorded())
}

/// What stands before the first `-` of a stream's name.
fn category(stream: &str) -> Option<&str> {
    stream.split_once('-').map(|(category, _)| category)
}
