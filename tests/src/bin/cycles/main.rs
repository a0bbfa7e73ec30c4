//! Ends a writing process, or the power of its file system, again and again, and looks each time whether all that was
//! acknowledged is there.
//!
//! ```sh
//! cargo run --release -p quipu-tests --bin cycles -- kill --cycles 1000     # SIGKILL
//! cargo run --release -p quipu-tests --bin cycles -- ext4 --cycles 1000     # power cuts; as root, with xfsprogs
//! cargo run --release -p quipu-tests --bin cycles -- device --cycles 1000   # a disk that fails; as root, with FUSE
//! cargo run --release -p quipu-tests --bin cycles -- strace                 # calls of the command that fail
//! ```
#![forbid(unsafe_code)]

mod child;
mod device;
mod fuse;
mod ground;
mod ledger;
mod medium;
mod server;
mod strace;
mod verdict;
mod writer;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use quipu_disk::{Disk, RealDisk};
use quipu_tests::random::Random;

use ground::{Ground, Kind};
use ledger::{Ledger, Tally};
use verdict::Harm;
use writer::Writer;

/// The status by which a harness says that it could not run here.
const SKIPPED: u8 = 77;
/// A store is given up for a new one after so many cycles.
const CYCLES_A_STORE: u64 = 40;
/// Most time that a writer gets, from its start on.
const LIFE_MS: usize = 45;
/// How many times as much it gets at most, on a machine on which that is too short.
const LIVES_MAX: u64 = 50;
/// The fewest cycles of which it is asked that as many commits are acknowledged.
const CYCLES_ENOUGH: u64 = 20;

type Failure = Box<dyn std::error::Error>;

/// Ends a writer again and again, and looks whether all that it acknowledged is there.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    how: How,
}

#[derive(Subcommand)]
enum How {
    /// Kills the writing process
    Kill(Run),
    /// Cuts the power of an ext4 file system; needs root and xfsprogs
    Ext4(Run),
    /// Cuts the power of an xfs file system; needs root and xfsprogs
    Xfs(Run),
    /// Has a disk fail at reads, writes or flushes; needs root, xfsprogs and FUSE
    Device(device::Arguments),
    /// Has calls of the `quipu` command to the system fail, one at a time; needs strace
    Strace(strace::Arguments),
    /// Writes until it is ended: what the others start
    #[command(hide = true)]
    Write(child::Arguments),
    /// Reads a store: what `device` starts
    #[command(hide = true)]
    Read(child::Reading),
    /// Serves a disk that fails: what `device` starts
    #[command(hide = true)]
    Serve(server::Arguments),
}

#[derive(clap::Args)]
struct Run {
    /// How often
    #[arg(long, default_value_t = 200)]
    cycles: u64,
    /// What the moments come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Have no writer wait for the disk; power cuts must show it then
    #[arg(long)]
    careless: bool,
    /// Have one writer, which tells of each commit before it is written; kills must show it then
    #[arg(long)]
    early: bool,
}

impl Run {
    /// The writers are wrong on purpose.
    fn is_twin(&self) -> bool {
        self.careless || self.early
    }
}

fn main() -> ExitCode {
    let (kind, run) = match Arguments::parse().how {
        How::Kill(run) => (Kind::Plain, run),
        How::Ext4(run) => (Kind::Ext4, run),
        How::Xfs(run) => (Kind::Xfs, run),
        How::Device(arguments) => {
            return report(device::wants(&arguments), || device::run(&arguments));
        }
        How::Strace(arguments) => {
            return report(strace::wants(&arguments), || strace::run(&arguments));
        }
        How::Write(arguments) => return child::write(&arguments),
        How::Read(arguments) => return child::read(&arguments),
        How::Serve(arguments) => return server::serve(&arguments),
    };
    if let Some(why) = kind.wants() {
        return skipped(&why);
    }
    let ground = match Ground::prepare(kind) {
        Ok(ground) => ground,
        Err(failure) => {
            println!("FAILED: {failure}");
            return ExitCode::FAILURE;
        }
    };
    match cycles(&ground, &run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("FAILED: {failure}");
            if !run.is_twin() {
                println!("  what is on disk is kept in {}", ground.keep().display());
            }
            ExitCode::FAILURE
        }
    }
}

/// Runs a harness, unless it lacks something here.
fn report(lacks: Option<String>, run: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    if let Some(why) = lacks {
        return skipped(&why);
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn skipped(why: &str) -> ExitCode {
    println!("SKIPPED: {why}");
    ExitCode::from(SKIPPED)
}

fn cycles(ground: &Ground, run: &Run) -> Result<(), Failure> {
    let (mut random, clock) = (Random::new(run.seed), RealDisk::new());
    let began = clock.elapsed();
    let (mut ledger, mut tally) = (Ledger::default(), Tally::default());
    for cycle in 1..=run.cycles {
        if cycle % CYCLES_A_STORE == 1 {
            ground.clear()?;
            ledger = Ledger::default();
        }
        let life = random.below(LIFE_MS * 1000) as u64 * tally.behind(cycle).clamp(1, LIVES_MAX);
        let told = one(ground, cycle, run, Duration::from_micros(life));
        let told =
            told.map_err(|why| format!("the writer of cycle {cycle}, seed {}: {why}", run.seed))?;
        tally.add(&told);
        let checked = ledger.check(
            &ground.store(),
            cycle..=cycle,
            &told,
            ground.keeps_unsynced(),
            &mut random,
        );
        checked.map_err(|why| format!("cycle {cycle} of seed {}: {why}", run.seed))?;
        if cycle.is_multiple_of(500) && std::io::stderr().is_terminal() {
            eprintln!("{cycle} cycles, {tally}");
        }
    }
    // What has a bug planted is to fail because of that.
    if run.cycles >= CYCLES_ENOUGH && tally.acknowledged() < run.cycles && !run.is_twin() {
        return Err(format!("too few to judge by: {tally}").into());
    }
    let seconds = (clock.elapsed() - began).as_secs_f64();
    println!(
        "{} cycles of {} in {seconds:.0} s ({:.0} a minute): {tally}, nothing lost",
        run.cycles,
        ground.name(),
        run.cycles as f64 * 60.0 / seconds,
    );
    Ok(())
}

/// Has a process write for so long, ends it, and returns what was acknowledged before.
fn one(
    ground: &Ground,
    cycle: u64,
    run: &Run,
    life: Duration,
) -> Result<Vec<child::Told>, Failure> {
    let number = cycle.to_string();
    let mut arguments = vec!["write", "--cycle", &number];
    arguments.extend(run.careless.then_some("--careless"));
    arguments.extend(run.early.then_some("--early"));
    let mut writer = Writer::start(&ground.store(), &arguments)?;
    thread::sleep(life);
    if writer.wait(Duration::ZERO)? {
        return Err(format!("a writer ended by itself: {:?}", writer.end()?.other()).into());
    }
    let cut = ground.cut();
    let said = writer.end()?;
    cut?;
    ground.restore()?;
    said.is_orderly(if ground.keeps_unsynced() { Harm::None } else { Harm::PowerCut })?;
    Ok(said.told())
}
