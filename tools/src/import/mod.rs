//! `quipu import`: JSON lines into a store.
//!
//! A thread reads and decompresses ([`source`]), cuts blocks of whole lines ([`lines`]), and gives each
//! line an id that names it and all lines before it ([`ids`]). This one parses the lines in place
//! ([`event`]) and submits a commit for each block; many are in flight at a time, and they are
//! acknowledged in order ([`pipeline`]). What an earlier import of the same input has stored is found by
//! those ids ([`resume`]), also where lines before it are lost ([`later`]).

mod contents;
mod event;
pub(crate) mod fuzzing;
mod ids;
mod input;
mod later;
mod lines;
mod pipeline;
mod resume;
mod source;
mod streams;
mod summary;

use std::io;
use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use quipu::{ExpectedVersion, Store, Uuid};
use serde_json::json;

use crate::cli::{self, ImportArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Output, count, per_second};
use crate::print::shorten_within;
use crate::time::Finer;

use self::event::Parsed;
pub(crate) use self::input::Input;
use self::lines::Line;
pub(crate) use self::pipeline::BATCHES_MAX as BATCHES_IN_FLIGHT_MAX;
use self::pipeline::Pipeline;
use self::streams::Streams;
pub(crate) use self::summary::Summary;

/// Letters of the reason why a line is refused.
const REASON_LETTERS_MAX: usize = 240;

/// What to do where the store holds the beginning of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// Refuse.
    Refuse,
    /// Go on behind it.
    Resume,
}

/// How the lines are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) overlap: Overlap,
    pub(crate) finer: Finer,
}

impl From<Overlap> for Manner {
    fn from(overlap: Overlap) -> Manner {
        Manner { overlap, finer: Finer::Refused }
    }
}

/// Runs the command.
pub(crate) fn run(path: &Path, args: &ImportArgs, output: &Output) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut input = open(args)?;
    let bar = output.progress(input.total_bytes());
    let store = Store::open(path)?;
    let read = input.meter();
    let manner = Manner {
        overlap: if args.resume { Overlap::Resume } else { Overlap::Refuse },
        finer: if args.cut_times { Finer::Cut } else { Finer::Refused },
    };
    let mut watch = |lines| {
        if args.progress_lines {
            output.line(format_args!("acknowledged {lines}"));
            output.object(&json!({ "acknowledged": lines }));
        }
        show_progress(&bar, read.bytes(), lines);
    };
    let done = import(&store, &mut input, manner, &mut watch);
    bar.finish_and_clear();
    let mut summary = done?;
    let closed = store.close();
    summary.seconds = started.elapsed().as_secs_f64();
    summary.print(output);
    // Whatever becomes of the close, the next opening finds them.
    closed.map_err(|error| Failure {
        advice: "all lines are stored: do not repeat the command".to_owned(),
        ..Failure::from(error)
    })?;
    Ok(Exit::Done)
}

fn show_progress(bar: &ProgressBar, read_bytes: u64, lines: u64) {
    if !bar.is_hidden() {
        bar.set_message(format!("{} events", count(lines)));
        bar.set_position(read_bytes);
    }
}

fn open(args: &ImportArgs) -> Result<Input, Failure> {
    if args.file != Path::new("-") {
        return Input::open(&args.file, args.batch);
    }
    if cli::stdin_is_terminal() {
        return Err(Failure::usage(
            "standard input is a terminal",
            "pipe the lines in, or name a file",
        ));
    }
    Input::of(Box::new(io::stdin()), args.batch)
        .map_err(|error| Failure::file("read", "standard input".as_ref(), &error))
}

/// Imports all of the input; `watch` is told how many of its lines are durable, batch for batch.
pub(crate) fn import(
    store: &Store,
    input: &mut Input,
    manner: Manner,
    watch: &mut dyn FnMut(u64),
) -> Result<Summary, Failure> {
    let started = Instant::now();
    let later = match manner.overlap {
        Overlap::Refuse => resume::refuse_if_stored(store, input)?,
        Overlap::Resume => resume::skip_stored(store, input)?,
    };
    let mut later = later.map_or(Ok(None), |later| resume::refuse_gap(later, input))?;
    let resumed = input.taken();
    let mut pipeline = Pipeline::new(resumed, watch);
    let mut streams = Streams::default();
    let mut admit = |line: &Line<'_>| match &mut later {
        Some(later) => resume::refuse_stored(later, resumed, *line),
        None => Ok(()),
    };
    let ended = feed(store, input, (manner.finer, &mut admit), &mut pipeline, &mut streams);
    // Whatever went wrong with the input, what was submitted before is on its way.
    let settled = pipeline.finish();
    let stored = pipeline.acknowledged();
    match settled.and(ended) {
        Err(failure) if failure.code == resume::LINES_LOST => {
            Err(explain_order(failure, resumed, stored))
        }
        Err(failure) => Err(explain(failure, stored)),
        Ok(bytes) => Ok(Summary {
            events: stored - resumed,
            resumed,
            streams,
            bytes,
            seconds: started.elapsed().as_secs_f64(),
        }),
    }
}

/// What may refuse a line before it is parsed.
type Admit<'t> = &'t mut dyn FnMut(&Line<'_>) -> Result<(), Failure>;

/// Submits the lines that are left, a commit for each block.
fn feed(
    store: &Store,
    input: &mut Input,
    (finer, admit): (Finer, Admit<'_>),
    pipeline: &mut Pipeline<'_>,
    streams: &mut Streams,
) -> Result<u64, Failure> {
    let mut bytes_read = 0;
    loop {
        let (lines, bytes) = input.batch()?;
        let parsed = lines.map(|line| admit(&line).and_then(|()| parse(line, finer)));
        let parsed = parsed.collect::<Result<Vec<_>, Failure>>()?;
        if parsed.is_empty() {
            return Ok(bytes_read);
        }
        let mut commit = store.commit().reserve(parsed.len(), bytes as usize);
        for (id, parsed) in &parsed {
            streams.add(parsed.stream());
            commit = commit.append(parsed.stream(), ExpectedVersion::Any, [parsed.event().id(*id)]);
        }
        pipeline.submit(commit, parsed.len() as u64, bytes)?;
        drop(parsed);
        input.take_batch();
        bytes_read += bytes;
    }
}

fn parse(line: Line<'_>, finer: Finer) -> Result<(Uuid, Parsed<'_>), Failure> {
    let parsed = event::parse(line.bytes, finer).map_err(|why| refused_line(line.number, &why))?;
    Ok((line.id, parsed))
}

/// A line that cannot be taken; lines are counted from 1 for people. The reason may quote as much as stands in it.
fn refused_line(number: u64, why: &str) -> Failure {
    let message = format!("line {}: {}", number + 1, shorten_within(why, REASON_LETTERS_MAX));
    Failure::new("bad-line", message, "correct the line").detail("line", number + 1)
}

/// Adds how much is stored, and how to go on.
fn explain(mut failure: Failure, stored: u64) -> Failure {
    let rest = match stored {
        0 => "no line of this input is known to be stored; begin again with --resume".to_owned(),
        1 => "the first line is stored; go on after it with --resume".to_owned(),
        _ => {
            format!("the first {} lines are stored; go on after them with --resume", count(stored))
        }
    };
    failure.advice = format!("{}; {rest}", failure.advice);
    failure.detail("stored", stored)
}

/// Adds which lines of an input that is read only once were stored before it showed where they should have stood.
fn explain_order(mut failure: Failure, resumed: u64, stored: u64) -> Failure {
    if stored > resumed {
        let (first, last) = (count(resumed + 1), count(stored));
        failure.message =
            format!("{}; lines {first} to {last} now stand at its end", failure.message);
    }
    failure.detail("stored", stored)
}

/// Parses the lines of a file in memory, and does nothing else.
pub(crate) fn parse_only(args: &ImportArgs, output: &Output) -> Result<Exit, Failure> {
    let bytes =
        source::read_all(&args.file).map_err(|error| Failure::file("read", &args.file, &error))?;
    let started = Instant::now();
    let mut number = 0;
    for line in lines::split(&bytes) {
        let parsed = event::read(line).map_err(|why| refused_line(number, &why))?;
        std::hint::black_box(&parsed);
        number += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    let rate = per_second(number, seconds);
    output.line(format_args!(
        "{} lines parsed in {seconds:.3} s: {} lines/s",
        count(number),
        count(rate)
    ));
    output.object(&json!({ "lines": number, "seconds": seconds, "lines_per_second": rate }));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests;
