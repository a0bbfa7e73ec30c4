//! What is in a store: one stream's history, and two stores side by side.

use quipu::{Store, Version};
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Look, Output, count};
use crate::time;

/// Lines of a history that are shown.
const SHOWN: u64 = 4;

/// Shows the first events of a stream; gives the version of its last.
pub(super) fn show(
    store: &Store,
    stream: &str,
    output: &Output,
) -> Result<Option<Version>, Failure> {
    let mut events = store.all().events()?;
    let mut last: Option<Version> = None;
    output.line(format_args!("  {}", output.paint(Look::Bold, stream)));
    while let Some(event) = events.next()? {
        if event.stream() != stream {
            continue;
        }
        last = Some(event.version());
        if event.version().0 >= SHOWN {
            continue;
        }
        let payload: Value = event.json()?;
        let field = |name: &str| payload[name].as_str().unwrap_or("?").to_owned();
        output.line(format_args!(
            "  {:>3}  {}  {:<16}{:<8}{} to {}",
            event.version(),
            event.occurred().map(time::show).unwrap_or_default(),
            event.event_type(),
            field("flight"),
            field("origin"),
            field("dest")
        ));
    }
    if let Some(more) = last.and_then(|last| (last.0 + 1).checked_sub(SHOWN)) {
        output.line(format_args!("       and {} more", count(more)));
    }
    Ok(last)
}

/// Whether two stores hold the same events at the same positions, whenever they were recorded.
pub(super) fn same_events(one: &Store, other: &Store) -> Result<bool, Failure> {
    let mut ours = one.all().events()?;
    let mut theirs = other.all().events()?;
    loop {
        match (ours.next()?, theirs.next()?) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) => {
                let (mut a, b) = (a.to_owned(), b.to_owned());
                a.recorded = b.recorded;
                if a != b {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}
