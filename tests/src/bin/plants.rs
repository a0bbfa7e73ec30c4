//! Puts one bug after the other into the store, and shows that the harness meant for it finds it.
//!
//! ```sh
//! RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/planted cargo run --release -p quipu-tests --bin plants
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(not(quipu_plant))]
fn main() -> ExitCode {
    eprintln!(
        "this build can have no bugs put in; run\n  RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/planted cargo run --release \
         -p quipu-tests --bin plants"
    );
    ExitCode::from(2)
}

#[cfg(quipu_plant)]
fn main() -> ExitCode {
    use clap::Parser;
    use quipu_tests::plants::{Found, PLANTS, Plant, Search, unclaimed};

    /// Puts bugs into the store and looks for them.
    #[derive(Parser)]
    struct Arguments {
        /// Only the bugs of which this is a part of the name, or of the name of what looks for them
        only: Option<String>,
        /// Give up after so many tries, instead of the number that is said for each bug
        #[arg(long)]
        within: Option<u64>,
        /// The first try
        #[arg(long, default_value_t = 0)]
        start: u64,
    }

    let Arguments { only, within, start } = Arguments::parse();
    let only = only.unwrap_or_default();
    // Whatever a bug breaks, a panic is one way of showing it.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut caught, mut missed) = (0, 0);
    let asked =
        |plant: &&Plant| plant.bug.name().contains(&only) || plant.harness.name().contains(&only);
    for plant in PLANTS.iter().filter(asked) {
        let within = within.unwrap_or(plant.within);
        let (name, by) = (plant.bug.name(), plant.harness.name());
        match plant.find(start..start + within) {
            Search::Caught(Found { at, what, .. }) => {
                caught += 1;
                println!("{name}: caught by {by} at {at} (of {within} at most): {what}");
            }
            Search::WithoutIt(Found { at, what, .. }) => {
                missed += 1;
                println!("{name}: WITHOUT IT {by} finds the same at {at}: {what}");
            }
            Search::Missed(others, first) => {
                missed += 1;
                let first = first.map(|Found { at, what, .. }| format!(", as at {at}: {what}"));
                let first = first.unwrap_or_default();
                println!("{name}: MISSED by {by} within {within}; {others} ended otherwise{first}");
            }
        }
    }
    for bug in unclaimed() {
        missed += 1;
        println!("{}: MISSED, nobody looks for it", bug.name());
    }
    println!("{caught} caught, {missed} missed");
    if missed == 0 && caught > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
