//! Plays scenes of threads in many interleavings, and shows that bugs that are put in are found.
//!
//! ```sh
//! RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/shuttled cargo run --release -p quipu-tests --bin interleave
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(not(quipu_shuttle))]
fn main() -> ExitCode {
    eprintln!(
        "the threads of this build are the machine's own; run\n  RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/shuttled cargo \
         run --release -p quipu-tests --bin interleave"
    );
    ExitCode::from(2)
}

#[cfg(quipu_shuttle)]
fn main() -> ExitCode {
    shuttled::main()
}

#[cfg(quipu_shuttle)]
mod shuttled {
    use std::process::ExitCode;

    use clap::Parser;
    use quipu_disk::{Disk, RealDisk};
    use quipu_tests::interleaving::{Choice, Explored, MODELS, note_panics};

    /// Plays scenes of threads in many interleavings.
    #[derive(Parser)]
    struct Arguments {
        /// Only the scenes, or the bugs, whose names contain this
        only: Option<String>,
        /// Schedules of each scene, half of them random, half by priority
        #[arg(long, default_value_t = 4000)]
        schedules: usize,
        /// What the schedules are drawn from
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Put in one bug after the other, and show that its scene finds it
        #[cfg(quipu_plant)]
        #[arg(long)]
        plants: bool,
    }

    pub(super) fn main() -> ExitCode {
        let arguments = Arguments::parse();
        note_panics();
        #[cfg(quipu_plant)]
        if arguments.plants {
            return planted(&arguments);
        }
        let only = arguments.only.unwrap_or_default();
        let clock = RealDisk::new();
        let mut failed = 0;
        for model in MODELS.iter().filter(|model| model.name.contains(&only)) {
            for choice in [Choice::Random, Choice::Priorities] {
                let began = clock.elapsed();
                let explored = model.explore(choice, arguments.seed, arguments.schedules / 2);
                let Explored { schedules, failure } = explored;
                let rate = schedules as f64 / (clock.elapsed() - began).as_secs_f64();
                let name = format!("{}, {}", model.name, choice.name());
                println!("{name}: {schedules} schedules, {rate:.0} a second");
                if let Some(failure) = failure {
                    failed += 1;
                    println!("{name}: FAILED at schedule {schedules}: {failure}");
                }
            }
        }
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    #[cfg(quipu_plant)]
    fn planted(arguments: &Arguments) -> ExitCode {
        use quipu_tests::interleaving::{PLANTS, Plant};
        use quipu_tests::plants::BY_SCENES;
        let only = arguments.only.as_deref().unwrap_or_default();
        let (mut caught, mut missed) = (0, 0);
        for plant in PLANTS.iter().filter(|plant| plant.bug.name().contains(only)) {
            let Plant { bug, model, choice, within } = plant;
            let (name, by) = (bug.name(), format!("{model}, {}", choice.name()));
            match plant.find(arguments.seed) {
                Some(Explored { schedules, failure: Some(failure) }) => {
                    caught += 1;
                    println!("{name}: caught by {by}, at {schedules} (of {within}): {failure}");
                }
                _ => {
                    missed += 1;
                    println!("{name}: MISSED by {by}, within {within}");
                }
            }
        }
        let is_put_in = |bug| PLANTS.iter().any(|plant| plant.bug == bug);
        for bug in BY_SCENES.iter().filter(|bug| !is_put_in(**bug)) {
            missed += 1;
            println!("{}: MISSED, no scene looks for it", bug.name());
        }
        for model in MODELS.iter().filter(|model| PLANTS.iter().all(|p| p.model != model.name)) {
            missed += 1;
            println!("{}: no bug shows that this scene finds any", model.name);
        }
        println!("{caught} caught, {missed} missed");
        if missed == 0 && caught > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
