//! Runs the simulator over many seeds, and says how to run again the one that failed.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use quipu_disk::{Disk, Lie, RealDisk};
use quipu_tests::simulator::{self, Outcome, Setting, run};
use quipu_tests::subject::Counts;

/// Every so many seeds, one is run twice and must do the same.
const REPEAT_EVERY: u64 = 100;

/// Simulates stores, one for each seed: writers, readers, faults, crashes, recoveries.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Threads that share the seeds; the result is the same
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
    /// Stop after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// Make the disk or the index lie, or put a bug into the store; the run must fail then
    #[arg(long, value_name = "NAME", value_parser = planted)]
    plant: Option<Planted>,
    /// Let the disk read a byte wrongly now and then while a store is opened
    #[arg(long)]
    misreads: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Print each seed with all that it draws, and the history of the one that failed; with --json a line each to
    /// standard error
    #[arg(short, long)]
    verbose: bool,
}

/// A bug that is put in.
#[derive(Clone, Debug)]
struct Planted {
    name: String,
    place: Place,
}

/// Where a bug is put in.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Under the store: what it stands on lies.
    Under(simulator::Plant),
    /// Into the store itself.
    #[cfg(quipu_plant)]
    Into(quipu::plant::Bug),
}

/// What can lie.
#[derive(Clone, Copy, ValueEnum)]
enum Liar {
    SyncIgnored,
    DirectorySyncIgnored,
    RenameNotAtomic,
    WriteShortened,
    IndexForged,
}

impl Liar {
    fn planted(self) -> simulator::Plant {
        let lie = match self {
            Liar::SyncIgnored => Lie::SyncIgnored,
            Liar::DirectorySyncIgnored => Lie::DirectorySyncIgnored,
            Liar::RenameNotAtomic => Lie::RenameNotAtomic,
            Liar::WriteShortened => Lie::WriteShortened,
            Liar::IndexForged => return simulator::Plant::Index,
        };
        simulator::Plant::Disk(lie)
    }
}

fn planted(name: &str) -> Result<Planted, String> {
    let liar = Liar::from_str(name, false).ok().map(|liar| Place::Under(liar.planted()));
    let place = liar.or_else(|| bug(name)).ok_or_else(|| unknown(name))?;
    Ok(Planted { name: name.to_owned(), place })
}

#[cfg(quipu_plant)]
fn bug(name: &str) -> Option<Place> {
    use quipu::plant::Bug;
    Bug::ALL.iter().find(|bug| bug.name() == name).copied().map(Place::Into)
}

#[cfg(not(quipu_plant))]
fn bug(_: &str) -> Option<Place> {
    None
}

#[cfg(quipu_plant)]
fn unknown(_: &str) -> String {
    use quipu::plant::Bug;
    let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
    format!("{} lie, and the bugs of the store are {}", liars(), names.join(", "))
}

#[cfg(not(quipu_plant))]
fn unknown(name: &str) -> String {
    let build = command(Build::WithBugs);
    format!("{} lie; bugs of the store can be put in only by\n  {build} --plant {name}", liars())
}

fn liars() -> String {
    let values = Liar::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
}

/// Whether the store can have a bug put in.
#[derive(Clone, Copy)]
enum Build {
    Ordinary,
    WithBugs,
}

/// The command that builds and runs the simulator.
fn command(build: Build) -> String {
    let wrapper = match build {
        Build::Ordinary => "",
        Build::WithBugs => "RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/planted ",
    };
    format!("{wrapper}cargo run --release -p quipu-tests --bin simulate --")
}

/// What all runs together came to.
struct Summary {
    seeds: u64,
    threads: u64,
    commits: u64,
    acknowledged: u64,
    rolls: u64,
    crashes: u64,
    segments: u64,
    runs: u64,
    /// Everything that is counted, by its name.
    totals: Vec<(&'static str, u64)>,
    failure: Option<Failure>,
}

/// What came of one seed.
struct Done {
    seed: u64,
    counts: Counts,
    failure: Option<Failure>,
}

struct Failure {
    outcome: Outcome,
    reason: String,
}

/// Seeds that threads take one after the other, each thread the next one.
struct Seeds<'a> {
    arguments: &'a Arguments,
    setting: Setting,
    elapsed: &'a (dyn Fn() -> Duration + Sync),
    next: AtomicU64,
    /// Behind the last seed, or the lowest that failed: none from here on is begun.
    end: AtomicU64,
    done: AtomicU64,
    /// Seconds after which the progress was shown last.
    shown: AtomicU64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic is a failure with a seed, which is reported in its turn.
    std::panic::set_hook(Box::new(|_| {}));
    let clock = RealDisk::new();
    let began = clock.elapsed();
    let summary = simulate(&arguments, || clock.elapsed() - began);
    let took = clock.elapsed() - began;
    if arguments.json {
        print_json(&summary, took);
    } else {
        print(&summary, took, &arguments);
    }
    if summary.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn simulate(arguments: &Arguments, elapsed: impl Fn() -> Duration + Sync) -> Summary {
    let plant = match arguments.plant.as_ref().map(|planted| planted.place) {
        Some(Place::Under(plant)) => Some(plant),
        #[cfg(quipu_plant)]
        Some(Place::Into(bug)) => {
            quipu::plant::put_in(Some(bug));
            None
        }
        None => None,
    };
    let end = arguments.start.saturating_add(arguments.seeds);
    let seeds = Seeds {
        arguments,
        setting: Setting { plant, keep_trail: arguments.verbose, misreads: arguments.misreads },
        elapsed: &elapsed,
        next: AtomicU64::new(arguments.start),
        end: AtomicU64::new(end),
        done: AtomicU64::new(0),
        shown: AtomicU64::new(0),
    };
    let mut done: Vec<Done> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..arguments.threads).map(|_| scope.spawn(|| seeds.run_all())).collect();
        // A run catches panics, so a thread that panics is a bug of this program.
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a panic is caught in its run"))
            .collect()
    });
    seeds.hide_progress();
    // As one thread would have: up to the first seed that fails.
    done.sort_unstable_by_key(|done| done.seed);
    let first = done.iter().position(|done| done.failure.is_some());
    done.truncate(first.map_or(done.len(), |at| at + 1));
    let median = |number: fn(&Done) -> u64| median(done.iter().map(number).collect());
    Summary {
        seeds: done.len() as u64,
        threads: arguments.threads,
        commits: median(|done| done.counts.commits),
        acknowledged: median(|done| done.counts.acknowledged),
        rolls: median(|done| done.counts.rolls),
        crashes: median(|done| done.counts.crashes),
        segments: median(|done| done.counts.segments),
        runs: median(|done| done.counts.runs),
        totals: Counts::totals(done.iter().map(|done| &done.counts)),
        failure: done.pop().and_then(|done| done.failure),
    }
}

impl Seeds<'_> {
    fn run_all(&self) -> Vec<Done> {
        let mut done = Vec::new();
        while self.arguments.seconds.is_none_or(|most| (self.elapsed)().as_secs() < most) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end.load(Ordering::Relaxed) {
                break;
            }
            let ran = self.run_one(seed);
            if ran.failure.is_some() {
                self.end.fetch_min(seed, Ordering::Relaxed);
            }
            done.push(ran);
            self.show_progress();
        }
        done
    }

    fn run_one(&self, seed: u64) -> Done {
        let outcome = run(seed, self.setting);
        let Outcome { profile, counts, trace, violation, .. } = &outcome;
        match (self.arguments.verbose, self.arguments.json) {
            (true, true) => eprintln!("{}", as_json(&outcome)),
            (true, false) => eprintln!("seed {seed}: {profile} {counts:?} {trace:016x}"),
            (false, _) => {}
        }
        let mut reason = violation.as_ref().map(ToString::to_string);
        if seed.is_multiple_of(REPEAT_EVERY) && run(seed, self.setting).trace != *trace {
            reason.get_or_insert("Trace: the same seed went another way".to_owned());
        }
        let counts = *counts;
        let failure = reason.map(|reason| Failure { outcome, reason });
        Done { seed, counts, failure }
    }

    /// Tells on a terminal once a second how far it is.
    fn show_progress(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let seconds = (self.elapsed)().as_secs();
        if self.shown.fetch_max(seconds, Ordering::Relaxed) < seconds && stderr().is_terminal() {
            eprint!("\r{done} of {} seeds, {} a second ", self.arguments.seeds, done / seconds);
        }
    }

    fn hide_progress(&self) {
        if self.shown.load(Ordering::Relaxed) > 0 && stderr().is_terminal() {
            eprint!("\r{:60}\r", "");
        }
    }
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

/// Seeds that one thread runs in a second.
fn per_second(summary: &Summary, took: Duration) -> f64 {
    let seeds = summary.seeds as f64 / summary.threads as f64;
    seeds / took.as_secs_f64().max(f64::EPSILON)
}

fn print(summary: &Summary, took: Duration, arguments: &Arguments) {
    println!(
        "{} seeds in {:.1} s: {:.0} a second on one core; medians: {} commits with a place, {} \
         acknowledged, {} rolls, {} crashes, {} segments, {} runs",
        summary.seeds,
        took.as_secs_f64(),
        per_second(summary, took),
        summary.commits,
        summary.acknowledged,
        summary.rolls,
        summary.crashes,
        summary.segments,
        summary.runs,
    );
    let totals: Vec<_> = summary.totals.iter().map(|(name, sum)| format!("{sum} {name}")).collect();
    println!("in all: {}", totals.join(", "));
    let Some(Failure { outcome, reason }) = &summary.failure else { return };
    if arguments.verbose {
        outcome.trail.iter().for_each(|entry| println!("{entry:?}"));
    }
    println!("seed {} failed: {reason}", outcome.seed);
    println!("  {}", outcome.profile);
    println!("  {:?}, trace {:016x}", outcome.counts, outcome.trace);
    println!("  again: {}", again(outcome.seed, arguments));
}

fn again(seed: u64, arguments: &Arguments) -> String {
    let build = if cfg!(quipu_plant) { Build::WithBugs } else { Build::Ordinary };
    let plant =
        arguments.plant.as_ref().map_or_else(String::new, |p| format!(" --plant {}", p.name));
    let misreads = if arguments.misreads { " --misreads" } else { "" };
    format!("{} --start {seed} --seeds 1 -v{plant}{misreads}", command(build))
}

/// What a seed stands for, and what it came to.
fn as_json(outcome: &Outcome) -> serde_json::Value {
    let profile = outcome.profile.drawn().into_iter();
    let profile: serde_json::Map<_, _> =
        profile.map(|(name, value)| (name.to_owned(), value)).collect();
    serde_json::json!({
        "seed": outcome.seed,
        "profile": profile,
        "counts": format!("{:?}", outcome.counts),
        "trace": format!("{:016x}", outcome.trace),
    })
}

fn print_json(summary: &Summary, took: Duration) {
    let failure = summary.failure.as_ref().map(|Failure { outcome, reason }| {
        let mut failure = as_json(outcome);
        failure["reason"] = reason.as_str().into();
        failure
    });
    let report = serde_json::json!({
        "seeds": summary.seeds,
        "seconds": took.as_secs_f64(),
        "threads": summary.threads,
        "seeds_per_second": per_second(summary, took),
        "commits_median": summary.commits,
        "acknowledged_median": summary.acknowledged,
        "rolls_median": summary.rolls,
        "crashes_median": summary.crashes,
        "segments_median": summary.segments,
        "runs_median": summary.runs,
        "totals": summary.totals.iter().copied().collect::<BTreeMap<_, _>>(),
        "failure": failure,
    });
    println!("{report}");
}
