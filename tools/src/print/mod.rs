//! Events, and lines about them, on their way to standard output.

mod json;
mod line;
mod page;
mod sink;

use std::fmt::Display;
use std::io::{self, StdoutLock, Write};

use quipu::{Event, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(crate) use self::line::portable;
pub(crate) use self::page::{Page, printable, shorten_within};
use self::sink::Sink;
use crate::damages::Damages;
use crate::failure::{Exit, Failure};

/// How events are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// A JSON line each, as `import` reads them.
    Portable,
    /// A JSON line each, with all fields.
    Complete,
    /// Text, for people.
    Page(Page),
}

/// Why no more events are written.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Whoever read them has seen enough: no error.
    ReaderGone,
    Failed(Failure),
}

impl Style {
    fn write(self, line: &mut Vec<u8>, event: &Event<'_>) {
        match self {
            Style::Portable => line::portable(line, event),
            Style::Complete => line::complete(line, event),
            Style::Page(page) => page.write(line, event),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// A writing to standard output that failed.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Stop::ReaderGone;
        }
        Stop::Failed(Failure::file("write to", "standard output".as_ref(), &error))
    }
}

impl From<quipu::Error> for Stop {
    fn from(error: quipu::Error) -> Stop {
        Stop::Failed(error.into())
    }
}

/// Writes to standard output, and reports damage met on the way.
pub(crate) struct Printer<'o> {
    sink: Sink<StdoutLock<'static>>,
    damages: Damages<'o>,
    events: u64,
}

impl<'o> Printer<'o> {
    pub(crate) fn new(damages: Damages<'o>) -> Printer<'o> {
        Printer { sink: Sink::new(io::stdout().lock()), damages, events: 0 }
    }

    /// Writes an event, or keeps it to be written with what follows.
    pub(crate) fn event(&mut self, style: Style, event: &Event<'_>) -> Result<(), Stop> {
        style.write(self.sink.buffer(), event);
        self.events += 1;
        Ok(self.sink.flush_if_full()?)
    }

    /// Writes a line, or keeps it to be written with what follows.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Stop> {
        writeln!(self.sink.buffer(), "{text}")?;
        Ok(self.sink.flush_if_full()?)
    }

    /// Reports damage, behind the events that stand before it; any other error is a failure. It counts also where the
    /// reader of the events has gone.
    pub(crate) fn damage(&mut self, error: quipu::Error) -> Result<(), Stop> {
        let flushed = self.flush();
        self.damages.pass(error)?;
        flushed
    }

    /// Reports damage that keeps one question from being answered; any other error is a failure.
    pub(crate) fn unanswered(&mut self, error: quipu::Error) -> Result<(), Stop> {
        let flushed = self.flush();
        self.damages.meet(error)?;
        flushed
    }

    /// Writes all that was kept.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        Ok(self.sink.flush()?)
    }

    /// Ends the printing where nobody can read it any more, which else shows only as something is written.
    pub(crate) fn see_reader(&self) -> Result<(), Stop> {
        let stdout = io::stdout();
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        // Where the system does not tell, somebody may be there.
        let told = poll(&mut asked, Some(&Timespec::default()));
        let gone = PollFlags::HUP | PollFlags::ERR;
        let is_gone = told.is_ok() && asked[0].revents().intersects(gone);
        if is_gone { Err(Stop::ReaderGone) } else { Ok(()) }
    }

    /// Events written so far.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn met_damage(&self) -> bool {
        self.damages.any()
    }

    /// Ends the printing; exit code 1 if there was damage, also where the reader has gone behind it.
    pub(crate) fn finish(mut self, ended: Result<(), Stop>) -> Result<Exit, Failure> {
        // What was read before a failure is written all the same.
        let flushed = self.flush();
        match ended.and(flushed) {
            Ok(()) | Err(Stop::ReaderGone) => Ok(self.damages.exit()),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }
}

/// When an event happened, else when it was recorded.
pub(crate) fn time(event: &Event<'_>) -> Timestamp {
    event.occurred().unwrap_or(event.recorded())
}
