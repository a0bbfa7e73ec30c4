//! `quipu export`: the events of a store as JSON lines.

mod filter;
mod line;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use quipu::{ErrorKind, Events, Mode, Store};

use self::filter::Filter;
use crate::cli::ExportArgs;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// What is gathered before it is written.
const WRITE_BYTES: usize = 256 << 10;

/// Writes the events; exit code 1 if some are damaged.
pub(crate) fn run(path: &Path, args: &ExportArgs, output: &Output) -> Result<Exit, Failure> {
    let store = Store::builder(path).mode(Mode::ReadOnly).open()?;
    let filter = Filter::of(args);
    let mut events = store.all().from(args.from).events()?;
    let mut sink = Sink::new(io::stdout().lock());
    let mut damages = Damages::new(output);
    let mut left = args.limit.unwrap_or(u64::MAX);
    let written = write_all(&mut events, &filter, &mut left, &mut sink, &mut damages)?;
    match written.and_then(|()| sink.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::file("write to", "standard output".as_ref(), &error)),
        Ok(()) => Ok(damages.exit()),
    }
}

/// Writes the events that pass. The inner result is of the writing, the outer one of the reading.
fn write_all<W: Write>(
    events: &mut Events,
    filter: &Filter<'_>,
    left: &mut u64,
    sink: &mut Sink<W>,
    damages: &mut Damages<'_>,
) -> Result<io::Result<()>, Failure> {
    while *left > 0 {
        match events.next() {
            Ok(Some(event)) if filter.passes(&event) => {
                line::write(&mut sink.buffer, &event);
                *left -= 1;
                if let Err(error) = sink.flush_if_full() {
                    return Ok(Err(error));
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => damages.report(error)?,
        }
    }
    Ok(Ok(()))
}

/// Lines on their way out.
struct Sink<W> {
    buffer: Vec<u8>,
    out: W,
}

impl<W: Write> Sink<W> {
    fn new(out: W) -> Sink<W> {
        Sink { buffer: Vec::with_capacity(2 * WRITE_BYTES), out }
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < WRITE_BYTES {
            return Ok(());
        }
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }
}

/// Damage met on the way, reported as it is met.
struct Damages<'o> {
    output: &'o Output,
    last: Option<(PathBuf, u64)>,
}

impl<'o> Damages<'o> {
    fn new(output: &'o Output) -> Damages<'o> {
        Damages { output, last: None }
    }

    /// Reports damage behind which the reading goes on, and fails on everything else: on any other
    /// error, and on the same damage again.
    fn report(&mut self, error: quipu::Error) -> Result<(), Failure> {
        let place = error.damage().map(|damage| (damage.file.clone(), damage.offset.0));
        let goes_on = error.kind() == ErrorKind::Damaged && place.is_some() && place != self.last;
        let failure = Failure::from(error);
        if !goes_on {
            return Err(failure);
        }
        self.output.failure(&failure);
        self.last = place;
        Ok(())
    }

    fn exit(&self) -> Exit {
        if self.last.is_some() { Exit::Found } else { Exit::Done }
    }
}
