//! A slice of the simulator's seeds, and the planted bugs that it must find.

use quipu_disk::Lie;
use quipu_tests::simulator::{Outcome, Plant, Setting, run};

/// Seeds of one run of the tests; the binary `simulate` takes any number.
const SEEDS: u64 = 1000;
/// Threads that share them.
const THREADS: u64 = 2;

fn check(outcome: &Outcome) {
    let Outcome { seed, profile, counts, violation, .. } = outcome;
    if let Some(violation) = violation {
        panic!(
            "seed {seed} failed: {violation}\n  {profile}\n  {counts:?}\n  again: cargo run --release \
             -p quipu-tests --bin simulate -- --start {seed} --seeds 1 -v"
        );
    }
}

#[test]
fn seeds_break_no_promise() {
    let slice = |first: u64| {
        let mut commits = 0;
        for seed in (first..SEEDS).step_by(THREADS as usize) {
            let outcome = run(seed, Setting::default());
            check(&outcome);
            commits += outcome.counts.commits;
        }
        commits
    };
    let commits: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || slice(first))).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(commits) => commits,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.sum()
    });
    assert!(commits > SEEDS * 150, "only {commits} commits: the schedule does not do its work");
}

#[test]
fn the_same_seed_goes_the_same_way() {
    for seed in [1, 100, 1000] {
        let [first, second] = [(); 2].map(|()| run(seed, Setting::default()));
        assert_eq!((first.trace, first.counts), (second.trace, second.counts), "seed {seed}");
        assert_ne!(first.trace, run(seed + 1, Setting::default()).trace);
    }
}

/// The first seed that finds a lie of the disk.
fn found_after(lie: Lie, seeds: u64) -> Option<u64> {
    found(Plant::Disk(lie), seeds)
}

fn found(plant: Plant, seeds: u64) -> Option<u64> {
    let setting = Setting { plant: Some(plant), ..Setting::default() };
    (0..seeds).find(|&seed| run(seed, setting).violation.is_some())
}

#[test]
fn an_index_that_lies_is_found() {
    assert!(found(Plant::Index, 20).is_some());
}

#[test]
fn syncs_that_do_nothing_are_found() {
    assert!(found_after(Lie::SyncIgnored, 5).is_some());
}

#[test]
fn syncs_of_directories_that_do_nothing_are_found() {
    assert!(found_after(Lie::DirectorySyncIgnored, 5).is_some());
}

#[test]
fn writes_that_store_less_than_they_say_are_found() {
    assert!(found_after(Lie::WriteShortened, 5).is_some());
}

#[test]
fn renames_that_fall_apart_are_found() {
    assert!(found_after(Lie::RenameNotAtomic, 500).is_some());
}
