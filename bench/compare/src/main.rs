//! Quipu and its peers side by side: the same work with the same durability, interleaved, in one run.
//!
//! `works` says what is asked for, `contestants` who takes part and how, `control` what the machine allows. Each arm
//! (one store, one work, once) runs in a process of its own (`arm`); `contest` runs them in rounds; `summary` takes
//! medians and ratios; `table`, `report` and `picture` tell them. A store that gives back anything but what it was
//! given fails the run.
#![allow(
    clippy::disallowed_methods,
    reason = "measures stores from outside, with files and clocks that are not a store's"
)]

mod arguments;
mod arm;
mod cache;
mod check;
mod choice;
mod contest;
mod contestants;
mod control;
mod failure;
mod folder;
mod latency;
mod machine;
mod pace;
mod payload;
mod picture;
mod plan;
mod random;
mod report;
mod scale;
mod store;
mod summary;
mod table;
mod usage;
mod works;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser as _, ValueEnum as _};

use arguments::{Arguments, Command, Run};
use arm::{Runner, Spec};
use contest::{ANSWER, Contest, HUNG};
use contestants::Contestant;
use control::CONTROLS;
use failure::{Failure, Result};
use folder::{Folder, Memory};
use machine::Machine;
use report::Report;
use store::Durability;
use summary::Came;
use works::{WORKS, Work};

/// A quick run begins no arm, and lets none go on, behind this.
const QUICK: Duration = Duration::from_secs(56);

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(run) => contest(&run),
        Command::List => {
            list();
            Ok(ExitCode::SUCCESS)
        }
        Command::Draw { report, folder } => draw(&report, &folder),
        Command::Arm { spec } => arm(&spec),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("compare: {failure}");
        ExitCode::FAILURE
    })
}

fn contest(run: &Run) -> Result<ExitCode> {
    let works = chosen(&run.works)?;
    let memory = if run.force { Memory::Allowed } else { Memory::Refused };
    let folder = Folder::make(run.dir.as_deref(), memory)?;
    folder.watch()?;
    let machine = Machine::look(run.dir.as_deref().unwrap_or(".".as_ref()));
    eprintln!("{}", machine.line());
    if let Some(warning) = machine.warning() {
        eprintln!("{warning}");
    }
    let contest = Contest {
        works,
        runners: runners(&run.only),
        rounds: run.rounds(),
        scale: run.scale(),
        deadline: run.quick.then_some(QUICK),
        folder: &folder,
    };
    let rounds = contest.run()?;
    let failed = rounds.iter().any(|round| matches!(round.came, Came::Failed(_)));
    let report = Report::new(machine, run.scale(), rounds);
    println!("{}", table::render(&report));
    if let Some(path) = &run.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    if let Some(folder) = &run.svg {
        picture::draw(&report, folder)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Work>> {
    if names.is_empty() {
        return Ok(WORKS.iter().collect());
    }
    let find = |name: &String| {
        let unknown =
            || Failure::new(format!("there is no work {name:?}; `compare list` shows them"));
        Work::named(name).ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

fn runners(only: &[Contestant]) -> Vec<Runner> {
    let all = Contestant::value_variants().iter().copied();
    let stores = all.filter(|contestant| only.is_empty() || only.contains(contestant));
    stores.map(Runner::Store).chain(CONTROLS.map(Runner::Control)).collect()
}

fn list() {
    println!("Works:");
    for work in &WORKS {
        println!("  {:<18} {}, {}", work.name, work.title, work.unit.words());
    }
    println!("\nStores:");
    for contestant in Contestant::value_variants() {
        let os = if contestant.offers(Durability::Os) { "durable and Os" } else { "durable" };
        println!("  {:<18} {os}", contestant.name());
    }
    println!("\nControl arms:");
    CONTROLS.iter().for_each(|control| println!("  {}", control.name()));
}

fn draw(report: &std::path::Path, folder: &std::path::Path) -> Result<ExitCode> {
    let report: Report = serde_json::from_str(&std::fs::read_to_string(report)?)?;
    picture::draw(&report, folder)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs one arm and prints its answer.
fn arm(spec: &str) -> Result<ExitCode> {
    let spec: Spec = serde_json::from_str(spec)?;
    let limit = Duration::from_secs_f64(spec.limit_seconds);
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        std::process::exit(HUNG);
    });
    let outcome = arm::run(&spec)?;
    println!("\n{ANSWER}{}", serde_json::to_string(&outcome)?);
    Ok(ExitCode::SUCCESS)
}
