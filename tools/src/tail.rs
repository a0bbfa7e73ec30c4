//! `quipu tail`: the last events, and those that come.

use std::path::Path;
use std::time::Duration;

use quipu::{Delivery, ErrorKind, Position, Store, Subscription, Version};

use crate::choice::Chosen;
use crate::cli::TailArgs;
use crate::damages::{self, Damages};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::print::{Page, Printer, Stop, Style};

/// How long a reader that has gone is not noticed where there is nothing to be written.
const LOOK: Duration = Duration::from_secs(1);

/// Prints the events; exit code 1 if some are damaged.
pub(crate) fn run(path: &Path, args: &TailArgs, output: &Output) -> Result<Exit, Failure> {
    let (store, damages) = damages::open(path, output)?;
    let start = find_start(&store, args)?;
    let chosen = start.apply(args.choice.select(&store));
    let style = output.style(Page::news(output));
    let mut tail = Tail { args, printer: Printer::new(damages), style };
    let ended = match (args.follow, chosen) {
        (false, chosen) => tail.print(chosen),
        (true, Chosen::OfStream(selection)) => tail.follow(selection.subscribe()?),
        (true, Chosen::OfStore(selection)) => tail.follow(selection.subscribe()?),
    };
    let (whole, events) = (ended.is_ok(), tail.printer.events());
    let exit = tail.printer.finish(ended)?;
    if args.follow && whole {
        output.remark("the store was closed: there will be no more events");
    } else if events == 0 && args.lines > 0 {
        output.note("there is no such event");
    }
    Ok(exit)
}

/// Where the events begin that are printed.
#[derive(Clone, Copy)]
enum Start {
    First,
    At(Version, Position),
    End,
}

impl Start {
    fn apply(self, chosen: Chosen<'_>) -> Chosen<'_> {
        match (self, chosen) {
            (Start::First, chosen) => chosen,
            (Start::At(version, _), Chosen::OfStream(selection)) => {
                Chosen::OfStream(selection.from(version))
            }
            (Start::At(_, position), Chosen::OfStore(selection)) => {
                Chosen::OfStore(selection.from(position))
            }
            (Start::End, Chosen::OfStream(selection)) => Chosen::OfStream(selection.from_end()),
            (Start::End, Chosen::OfStore(selection)) => Chosen::OfStore(selection.from_end()),
        }
    }
}

/// Looks backward for the first of the last events. None of them is kept, so there may be as many as there
/// are; damage is met again, and reported, when they are printed.
fn find_start(store: &Store, args: &TailArgs) -> Result<Start, Failure> {
    let mut start = Start::End;
    let mut left = args.lines;
    let mut damages = Damages::silent();
    let mut events = args.choice.select(store).backward().events()?;
    while left > 0 {
        match events.next() {
            Ok(Some(event)) if args.choice.admits(&event) => {
                start = Start::At(event.version(), event.position());
                left -= 1;
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Start::First),
            Err(error) => damages.pass(error)?,
        }
    }
    Ok(start)
}

/// The printing of the events.
struct Tail<'a> {
    args: &'a TailArgs,
    printer: Printer<'a>,
    style: Style,
}

impl Tail<'_> {
    /// Prints what is there. A writer may have added more since the start was found; that is read, because
    /// damage may stand behind the last good event, and not printed.
    fn print(&mut self, chosen: Chosen<'_>) -> Result<(), Stop> {
        let mut events = chosen.events()?;
        loop {
            match events.next() {
                Ok(Some(event)) => {
                    let is_meant = self.printer.events() < self.args.lines;
                    if is_meant && self.args.choice.admits(&event) {
                        self.printer.event(self.style, &event)?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => self.printer.damage(error)?,
            }
        }
    }

    /// Prints what is there and what comes, until there will be no more.
    fn follow<From>(&mut self, mut subscription: Subscription<From>) -> Result<(), Stop> {
        loop {
            match subscription.next_within(LOOK) {
                Ok(Some(Delivery::Event(event))) => {
                    if self.args.choice.admits(&event) {
                        self.printer.event(self.style, &event)?;
                    }
                }
                Ok(Some(Delivery::CaughtUp)) => {
                    self.printer.flush()?;
                    self.printer.see_reader()?;
                }
                Ok(None) => self.printer.see_reader()?,
                Err(error) if error.kind() == ErrorKind::Closed => return Ok(()),
                Err(error) => self.printer.damage(error)?,
            }
        }
    }
}
