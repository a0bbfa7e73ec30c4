//! A fixed amount of work, whose instructions `.ci/instructions` counts: `instructions WORK TIMES`.
//!
//! One thread, a disk in memory that is the same every time, and the same orders.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use quipu::stepping::{Part, Stepper};
use quipu::{Durability, ExpectedVersion, Options, Result};
use quipu_bench::{Random, StillDisk, events, fill_stepped, place, settle, stream};

/// Streams that there are to be read, and events of each.
const STREAMS: u64 = 200;
const EVENTS: u64 = 50;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let work = arguments.next().unwrap_or_default();
    let times = arguments.next().and_then(|text| text.parse().ok());
    match times.map(|times| run(&work, times)) {
        Some(Ok(Some(done))) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Some(Err(error)) => {
            eprintln!("{work}: {error}");
            ExitCode::FAILURE
        }
        Some(Ok(None)) | None => {
            eprintln!("usage: instructions append-1|append-100|stream|replay|head TIMES");
            ExitCode::from(2)
        }
    }
}

/// Does some work so often. Gives the number of events, or questions, that were done; nothing for work that it does not
/// know.
fn run(work: &str, times: u64) -> Result<Option<u64>> {
    let done = match work {
        "append-1" => append(times, 1)?,
        "append-100" => append(times, 100)?,
        "stream" => read(times, |store, random| {
            let mut events = store.stream(&stream(random.below(STREAMS))).events()?;
            let mut seen = 0;
            while events.next()?.is_some() {
                seen += 1;
            }
            Ok(seen)
        })?,
        "replay" => read(times, |store, _| {
            let mut events = store.all().events()?;
            let mut seen = 0;
            while events.next()?.is_some() {
                seen += 1;
            }
            Ok(seen)
        })?,
        "head" => read(times, |store, random| {
            Ok(u64::from(store.head(&stream(random.below(STREAMS)))?.is_some()))
        })?,
        _ => return Ok(None),
    };
    Ok(Some(done))
}

/// Opens a store whose first segment takes all that is appended here: neither rolls nor seals are counted.
fn open(disk: &Arc<StillDisk>) -> Result<Stepper> {
    let segment = 16 << 20;
    let options = Options {
        buffer_bytes: 1 << 20,
        segment_bytes_min: segment,
        segment_bytes_max: segment,
        ..Options::in_memory()
    };
    Stepper::open(Arc::clone(disk) as _, Path::new("bench.quipu"), &options)
}

/// Commits of so many events, each written and synced before the next.
fn append(commits: u64, commit_events: usize) -> Result<u64> {
    let stepper = open(&Arc::new(StillDisk::new()))?;
    fill_stepped(&stepper, commits, commit_events)?;
    Ok(commits * commit_events as u64)
}

/// Asks a store so often that was filled, closed and opened again. Gives the answers together.
fn read(times: u64, ask: impl Fn(&Stepper, &mut Random) -> Result<u64>) -> Result<u64> {
    let disk = Arc::new(StillDisk::new());
    let stepper = open(&disk)?;
    fill(&stepper)?;
    stepper.close()?;
    drop(stepper);
    let stepper = open(&disk)?;
    let mut random = Random::new(7);
    let mut seen = 0;
    for _ in 0..times {
        seen += ask(&stepper, &mut random)?;
    }
    Ok(seen)
}

/// Fills all streams, an event each in turn.
fn fill(stepper: &Stepper) -> Result<()> {
    let mut random = Random::new(8);
    // They live as long as the process.
    let names: Vec<&'static str> = (0..STREAMS).map(|number| &*stream(number).leak()).collect();
    for _ in 0..EVENTS {
        for names in names.chunks(100) {
            let mut part = |stream: &&'static str| Part {
                stream,
                expected: ExpectedVersion::Any,
                events: events(&mut random, 1).collect(),
            };
            let parts: Vec<Part<'static>> = names.iter().map(&mut part).collect();
            if let Some(copy) = place(stepper, &parts, Durability::Sync)? {
                drop(copy.finish());
            }
            settle(stepper);
        }
    }
    Ok(())
}
