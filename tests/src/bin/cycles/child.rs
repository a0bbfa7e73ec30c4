//! The processes that write until they are ended, and tell of each commit that is acknowledged; and one that reads.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use quipu::{Durability, ExpectedVersion, Mode, NewEvent, Options, ReadMode, Store};
use quipu_tests::content::{STREAMS, event};
use quipu_tests::history::Written;
use quipu_tests::random::Random;

use crate::ledger::{self, Unread};

/// Threads that write. The last does not wait for the disk.
pub(crate) const WRITERS: u64 = 4;
/// Most events of a commit; ids of commits are so far apart.
pub(crate) const EVENTS_MAX: u64 = 8;
/// Bits of an event's id below those that name its writer.
const NUMBER_BITS: u32 = 24;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the store is
    #[arg(long)]
    store: PathBuf,
    /// What the ids begin with
    #[arg(long)]
    cycle: u64,
    /// Never wait for the disk
    #[arg(long)]
    careless: bool,
    /// Tell of each commit before it is appended; only one thread writes then
    #[arg(long)]
    early: bool,
    /// Read without maps
    #[arg(long)]
    pread: bool,
}

#[derive(clap::Args)]
pub(crate) struct Reading {
    /// Where the store is
    #[arg(long)]
    store: PathBuf,
    /// Read without maps
    #[arg(long)]
    pread: bool,
}

/// How often a reader begins anew after an error.
const READINGS: u32 = 3;

/// What a writer tells: a commit was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Position of its last event.
    pub(crate) last: u64,
    /// Id of its first event.
    pub(crate) id: u64,
}

impl Told {
    pub(crate) fn parse(line: &str) -> Option<Told> {
        let mut words = line.strip_suffix('.')?.split(' ');
        let told = Told { last: words.next()?.parse().ok()?, id: words.next()?.parse().ok()? };
        words.next().is_none().then_some(told)
    }
}

/// The id of the first event of a writer's commit.
pub(crate) fn first_id(cycle: u64, writer: u64, number: u64) -> u64 {
    ((cycle * WRITERS + writer) << NUMBER_BITS) + number * EVENTS_MAX
}

/// The writer of an event, of all cycles, and the number of its commit.
pub(crate) fn origin(id: u64) -> (u64, u64) {
    (id >> NUMBER_BITS, (id % (1 << NUMBER_BITS)) / EVENTS_MAX)
}

/// The durability with which the writer of an event commits.
pub(crate) fn durability(id: u64) -> Durability {
    if origin(id).0 % WRITERS == WRITERS - 1 { Durability::Os } else { Durability::Sync }
}

/// The number of events of the commit that begins with this id.
pub(crate) fn events(first: u64) -> u64 {
    1 + Random::new(first).number() % EVENTS_MAX
}

/// The stream of an event, what it is made of, and what of it can be recognised.
pub(crate) fn content(id: u64) -> (usize, NewEvent<'static>, Written) {
    let mut random = Random::new(!id);
    let stream = random.below(STREAMS.len());
    let bytes = if random.percent(2) { random.below(20_000) } else { random.below(300) };
    let (event, written) = event(id, bytes);
    (stream, event, written)
}

/// Small segments, so that they roll all the time.
pub(crate) fn options(read_mode: ReadMode) -> Options {
    Options {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 64 << 10,
        ballast_bytes: 64 << 10,
        read_mode,
        ..Options::default()
    }
}

fn read_mode(pread: bool) -> ReadMode {
    if pread { ReadMode::Pread } else { ReadMode::Map }
}

/// Writes until somebody ends it, or an error does. Of errors it tells, and once all threads have met one, how one more
/// commit is answered.
pub(crate) fn write(arguments: &Arguments) -> ExitCode {
    let options = options(read_mode(arguments.pread));
    let store = match Store::builder(&arguments.store).options(options).open() {
        Ok(store) => store,
        Err(error) => {
            tell("opening", &error);
            return ExitCode::FAILURE;
        }
    };
    // Where the next commit comes to stand is known before it is there only to who writes alone.
    let writers = if arguments.early { 1 } else { WRITERS };
    thread::scope(|scope| {
        for writer in 0..writers {
            let store = &store;
            scope.spawn(move || write_on(store, arguments, writer));
        }
    });
    let again = commit(&store, first_id(arguments.cycle, 0, LAST_NUMBER), Durability::Sync);
    match again {
        Ok(_) => drop(say("again done\n")),
        Err(error) => tell("again", &error),
    }
    ExitCode::FAILURE
}

/// A number that no writer comes to.
const LAST_NUMBER: u64 = (1 << NUMBER_BITS) / EVENTS_MAX - 1;

/// Appends one commit after the other, until one fails.
fn write_on(store: &Store, arguments: &Arguments, writer: u64) {
    for number in 0.. {
        let first = first_id(arguments.cycle, writer, number);
        let waits = if arguments.careless { Durability::Os } else { durability(first) };
        if arguments.early {
            acknowledge(store.next_position().0 + events(first) - 1, first);
        }
        let done = match commit(store, first, waits) {
            Ok(done) => done,
            Err(error) => return tell("error", &error),
        };
        if !arguments.early && !acknowledge(done.position.0, first) {
            return;
        }
    }
}

fn commit(store: &Store, first: u64, waits: Durability) -> quipu::Result<quipu::Appended> {
    let mut commit = store.commit().durability(waits);
    for id in first..first + events(first) {
        let (stream, event, _) = content(id);
        commit = commit.append(STREAMS[stream], ExpectedVersion::Any, [event]);
    }
    commit.submit().and_then(quipu::Ticket::wait)
}

/// Says that a commit is there, from its first id on, whose last event has this position. Whether somebody listens.
fn acknowledge(last: u64, first: u64) -> bool {
    say(&format!("{last} {first}.\n"))
}

fn tell(when: &str, error: &quipu::Error) {
    let words = error.to_string().replace('\n', " ");
    say(&format!("{when} {}: {words}\n", error.code()));
}

/// Says a line at once. Whether somebody listens.
fn say(line: &str) -> bool {
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_ok()
}

/// Reads the whole store, several times if it has to. Says what went wrong, how many events there are, and their sum.
pub(crate) fn read(arguments: &Reading) -> ExitCode {
    for _ in 0..READINGS {
        match read_once(arguments) {
            Ok(ids) => {
                say(&format!("whole {} {}\n", ids.len(), ledger::sum(&ids)));
                return ExitCode::SUCCESS;
            }
            Err(Unread::Told(error)) => tell("error", &error),
            Err(Unread::Wrong(why)) => {
                say(&format!("wrong {why}\n"));
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::FAILURE
}

fn read_once(arguments: &Reading) -> Result<Vec<u64>, Unread> {
    let options = options(read_mode(arguments.pread));
    let builder = Store::builder(&arguments.store).options(options).mode(Mode::ReadOnly);
    let store = builder.open()?;
    let ids = ledger::read(&store)?;
    for lost in &store.opening().lost {
        say(&format!("lost {} {}\n", lost.positions.start.0, lost.what.replace('\n', " ")));
    }
    Ok(ids)
}
