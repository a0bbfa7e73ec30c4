//! `quipu export`: the events of a store as JSON lines.

use std::path::Path;

use quipu::{Event, Events};

use crate::cli::ExportArgs;
use crate::damages;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::print::{self, Printer, Stop, Style};

/// Writes the events; exit code 1 if some are damaged.
pub(crate) fn run(path: &Path, args: &ExportArgs, output: &Output) -> Result<Exit, Failure> {
    let (store, damages) = damages::open(path, output)?;
    let mut events = args.choice.select(&store).starting_at(args.from).events()?;
    let mut printer = Printer::new(damages);
    let ended = write_all(&mut events, args, &mut printer);
    printer.finish(ended)
}

fn write_all(
    events: &mut Events,
    args: &ExportArgs,
    printer: &mut Printer<'_>,
) -> Result<(), Stop> {
    let limit = args.limit.unwrap_or(u64::MAX);
    while printer.events() < limit {
        match events.next() {
            Ok(Some(event)) if passes(args, &event) => printer.event(Style::Portable, &event)?,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => printer.damage(error)?,
        }
    }
    Ok(())
}

/// Whether an event is exported.
fn passes(args: &ExportArgs, event: &Event<'_>) -> bool {
    let time = print::time(event);
    args.choice.admits(event)
        && event.position() >= args.from
        && args.since.is_none_or(|since| time >= since)
        && args.until.is_none_or(|until| time < until)
}
