//! `quipu streams`: what streams there are.

use std::path::Path;

use quipu::{Store, StreamHead};
use serde_json::json;

use crate::cli::StreamsArgs;
use crate::damages;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Report, count, plural};
use crate::print::{Printer, Stop, printable};

/// Lists the streams; exit code 1 if some cannot be listed, or counted.
pub(crate) fn run(path: &Path, args: &StreamsArgs, output: &Output) -> Result<Exit, Failure> {
    let (store, damages) = damages::open(path, output)?;
    let mut list = List { output, printer: Printer::new(damages), streams: 0, events: 0 };
    let ended = list.fill(&store, &args.prefix);
    let whole = ended.is_ok();
    let (streams, events) = (list.streams, list.events);
    let exit = list.printer.finish(ended)?;
    if streams == 0 && !args.prefix.is_empty() {
        output.note(format_args!("no stream begins with {:?}", args.prefix));
    } else if whole {
        output.note(format_args!("{}, {}", plural(streams, "stream"), plural(events, "event")));
    }
    Ok(exit)
}

/// The list as it goes on.
struct List<'o> {
    output: &'o Output,
    printer: Printer<'o>,
    streams: u64,
    events: u64,
}

impl List<'_> {
    fn fill(&mut self, store: &Store, prefix: &str) -> Result<(), Stop> {
        for name in store.streams(prefix)? {
            match name {
                Ok(name) => self.look(store, &name)?,
                // A stream that begins with what is lost is not listed.
                Err(error) => self.printer.damage(error)?,
            }
        }
        Ok(())
    }

    fn look(&mut self, store: &Store, name: &str) -> Result<(), Stop> {
        match store.head(name) {
            Ok(head) => self.add(name, head),
            Err(error) => {
                self.printer.unanswered(error)?;
                self.add(name, None)
            }
        }
    }

    /// A stream; one whose last event is damaged has no head.
    fn add(&mut self, name: &str, head: Option<StreamHead>) -> Result<(), Stop> {
        let events = head.map(|head| head.version.0.saturating_add(1));
        self.streams += 1;
        self.events = self.events.saturating_add(events.unwrap_or(0));
        match self.output.report() {
            Report::People => {
                let number = events.map_or("damaged".to_owned(), count);
                self.printer.line(format_args!("{number:>12}  {}", printable(name)))
            }
            Report::Scripts => self.printer.line(json!({
                "stream": name,
                "events": events,
                "last_position": head.map(|head| head.position.0),
            })),
        }
    }
}
