//! `quipu read`: the events of one stream.

use std::path::Path;

use quipu::{Events, Store};

use crate::cli::ReadArgs;
use crate::damages;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::print::{Page, Printer, Stop, Style};

/// Prints the events; exit code 1 if some are damaged.
pub(crate) fn run(path: &Path, args: &ReadArgs, output: &Output) -> Result<Exit, Failure> {
    let (store, damages) = damages::open(path, output)?;
    let mut selection = store.stream(&args.stream);
    if let Some(version) = args.from {
        selection = selection.from(version);
    }
    if args.backwards {
        selection = selection.backward();
    }
    let mut events = selection.limit(args.limit.unwrap_or(u64::MAX)).events()?;
    let mut printer = Printer::new(damages);
    let style = output.style(Page::history(output));
    let ended = print(&mut events, style, &mut printer);
    let found = printer.events() > 0 || printer.met_damage();
    let exit = printer.finish(ended)?;
    if !found {
        explain(&store, args, output)?;
    }
    Ok(exit)
}

fn print(events: &mut Events, style: Style, printer: &mut Printer<'_>) -> Result<(), Stop> {
    loop {
        match events.next() {
            Ok(Some(event)) => printer.event(style, &event)?,
            Ok(None) => return Ok(()),
            Err(error) => printer.damage(error)?,
        }
    }
}

/// Says why there was nothing to print.
fn explain(store: &Store, args: &ReadArgs, output: &Output) -> Result<(), Failure> {
    let stream = &args.stream;
    match store.head(stream)? {
        Some(head) => {
            output.note(format_args!("stream {stream:?} ends with version {}", head.version));
            Ok(())
        }
        None => Err(Failure::new(
            "no-stream",
            format!("there is no stream {stream:?}"),
            "check the name: `quipu streams --prefix BEGINNING` lists the streams that begin so",
        )
        .detail("stream", stream.as_str())),
    }
}
