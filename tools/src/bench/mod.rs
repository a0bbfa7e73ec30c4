//! `quipu bench`: how fast this machine takes events, with its raw disk beside it.
//!
//! The store and the raw disk are measured in turns, in slices of half a second, so that whatever else the machine
//! does meets both.

mod folder;
mod machine;
mod orders;
mod raw;
mod report;
mod writers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use quipu::limits::FRAME_BYTES_MAX;
use quipu::{Depth, ErrorKind, ExpectedVersion, NewEvent, Store};

use self::folder::Folder;
use self::machine::{Machine, Spent};
use self::raw::Raw;
use self::report::{Bytes, Report};
use self::writers::{Side, Work, Writers};
use crate::cli::{Acknowledged, BenchArgs};
use crate::failure::{Exit, Failure};
use crate::interruption;
use crate::output::{Output, count};

/// How long the store, and then the raw disk, is measured at a stretch.
const SLICE: Duration = Duration::from_millis(500);
/// How often a waiting bar is moved.
const BEAT: Duration = Duration::from_millis(50);
/// Bytes of names, id and headers that an event has beside its payload, and no more.
const EVENT_EXTRA_BYTES: u64 = 160;

/// Measures, and reports.
pub(crate) fn run(args: &BenchArgs, output: &Output) -> Result<Exit, Failure> {
    check(args)?;
    let halt = interruption::halt()?;
    let mut folder = Folder::take(args.folder.as_deref())?;
    let machine = Machine::look(args.seconds);
    let measured = Bench::new(args, &folder, output, &halt).measure();
    if args.keep && measured.is_ok() {
        folder.keep();
    }
    let file_system = machine::file_system(folder.path());
    let report = Report { args, measured: measured?, machine, file_system, folder: folder.path() };
    report.print(output);
    output.object(&report.to_json());
    folder.remove()?;
    Ok(Exit::Done)
}

/// Refuses a commit that no store takes.
fn check(args: &BenchArgs) -> Result<(), Failure> {
    let bytes = u64::from(args.events_per_commit) * (u64::from(args.payload) + EVENT_EXTRA_BYTES);
    if bytes <= FRAME_BYTES_MAX as u64 {
        return Ok(());
    }
    let message = format!(
        "a commit of {} events of {} bytes is larger than the {} bytes that a store takes",
        count(args.events_per_commit.into()),
        count(args.payload.into()),
        count(FRAME_BYTES_MAX as u64)
    );
    Err(Failure::usage(message, "ask for fewer --events-per-commit, or for a smaller --payload"))
}

/// What was measured.
struct Measured {
    store: Side,
    raw: Side,
    /// Commits of the store for one of the raw disk, slice for slice.
    ratios: Vec<f64>,
    raw_commit_bytes: u64,
    cpu_seconds: f64,
    bytes: Bytes,
    interrupted: bool,
}

/// A load test as it goes on.
struct Bench<'a> {
    args: &'a BenchArgs,
    folder: &'a Folder,
    halt: &'a AtomicBool,
    bar: ProgressBar,
    slice: Duration,
    slices: u32,
}

impl<'a> Bench<'a> {
    fn new(
        args: &'a BenchArgs,
        folder: &'a Folder,
        output: &Output,
        halt: &'a AtomicBool,
    ) -> Bench<'a> {
        let pairs = args.seconds.as_secs_f64() / (2.0 * SLICE.as_secs_f64());
        #[expect(clippy::cast_sign_loss, reason = "the seconds are between a tenth and a day's")]
        let slices = (pairs.ceil() as u32).max(2);
        let slice = args.seconds / (2 * slices);
        let milliseconds = (args.seconds + slice).as_millis();
        let bar = output.progress(Some(u64::try_from(milliseconds).unwrap_or(u64::MAX)));
        Bench { args, folder, halt, bar, slice, slices }
    }

    /// Fills the store and writes to the disk, in turns.
    fn measure(&self) -> Result<Measured, Failure> {
        let measured = self.fill();
        self.bar.finish_and_clear();
        measured
    }

    fn fill(&self) -> Result<Measured, Failure> {
        let path = self.folder.store();
        let work = Work::new(self.args);
        let before = Spent::now()?;
        let store = Store::builder(&path).durability(work.durability).open().map_err(refused)?;
        let mut writers = Writers::new(self.args);
        // What is slow only the first time is not measured.
        let warm = self.store_slice(&store, &work, &mut writers)?;
        let raw_commit_bytes = store.stats().bytes_written.div_ceil(warm.commits.max(1));
        writers.forget();
        let mut raw = Raw::create(&self.folder.raw(), raw_commit_bytes, self.args.durability)?;
        let (mut sides, mut ratios) = ((Side::default(), Side::default()), Vec::new());
        while ratios.len() < self.slices as usize && !self.is_halted() {
            let one = self.store_slice(&store, &work, &mut writers)?;
            let other = raw.run(self.slice, self.halt)?;
            self.bar.inc(u64::try_from(self.slice.as_millis()).unwrap_or(0));
            ratios.push(report::quotient(one.rate(), other.rate()));
            sides.0.add(&one);
            sides.1.add(&other);
            self.tell(&sides.0, &sides.1);
        }
        sides.0.latencies = writers.latencies();
        let syncs = store.stats().syncs;
        let log = store.stats().bytes_written;
        let events = store.next_position().0;
        store.close().map_err(refused)?;
        let spent = before.until_now()?;
        let kept = quipu::layout(&path, Depth::Files, &mut |_| ())?.files;
        let bytes =
            Bytes { events, syncs, log, kept: kept.total() - kept.ballast, written: spent.written };
        Ok(Measured {
            store: sides.0,
            raw: sides.1,
            ratios,
            raw_commit_bytes,
            cpu_seconds: spent.cpu_seconds,
            bytes,
            interrupted: self.is_halted(),
        })
    }

    fn is_halted(&self) -> bool {
        self.halt.load(Ordering::Relaxed)
    }

    /// Has all threads append for the time of a slice.
    fn store_slice(
        &self,
        store: &Store,
        work: &Work,
        writers: &mut Writers,
    ) -> Result<Side, Failure> {
        let begun = Instant::now();
        let until = begun + self.slice;
        let reached = self.bar.position();
        let wait = || {
            while Instant::now() < until && !self.is_halted() {
                std::thread::sleep(BEAT.min(until.saturating_duration_since(Instant::now())));
                let passed = begun.elapsed().min(self.slice).as_millis();
                self.bar.set_position(reached + u64::try_from(passed).unwrap_or(0));
            }
        };
        let commits = writers.run(store, work, until, self.halt, wait)?;
        let side = Side { commits, seconds: begun.elapsed().as_secs_f64(), ..Side::default() };
        if self.args.durability == Acknowledged::Os {
            // What is still to be synced is not left to the raw disk's time.
            let last = NewEvent::new("Settled", b"".as_slice());
            let commit = store.commit().append("settled", ExpectedVersion::Any, [last]);
            let ticket = commit.durability(quipu::Durability::Sync).submit();
            ticket.and_then(quipu::Ticket::wait).map_err(refused)?;
        }
        Ok(side)
    }

    fn tell(&self, store: &Side, raw: &Side) {
        let events = store.rate() * f64::from(self.args.events_per_commit);
        self.bar.set_message(format!(
            "store {} events/s, raw disk {} commits/s",
            report::whole(events),
            report::whole(raw.rate())
        ));
    }
}

/// A failure of the store that was to be filled.
fn refused(error: quipu::Error) -> Failure {
    let is_full = error.kind() == ErrorKind::Full;
    let failure = Failure::from(error);
    if is_full { no_room(failure) } else { failure }
}

/// What to do where the disk does not take what is to be written.
fn no_room(mut failure: Failure) -> Failure {
    failure.code = "full";
    "what was written is removed; free some space, name a folder on another disk, or measure for fewer \
     --seconds"
        .clone_into(&mut failure.advice);
    failure
}
