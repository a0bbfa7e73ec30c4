//! A slice of the simulator's seeds, and the planted bugs that it must find.

use quipu_disk::Lie;
use quipu_tests::simulator::{Outcome, Plant, Setting, run};
use quipu_tests::subject::Counts;

/// Seeds of one run of the tests; the binary `simulate` takes any number.
const SEEDS: u64 = 1000;
/// Threads that share them.
const THREADS: u64 = 2;

/// What the seeds of one run must come to together, at least: about a third of what they did when this was written. What
/// nobody comes to is not tested, however many seeds pass.
const LEAST: [(&str, u64); 31] = [
    ("commits", 73_000),
    ("acknowledged", 64_000),
    ("conflicts", 15_000),
    ("barred", 7_900),
    ("retries", 7_700),
    ("overlaps", 1_000),
    ("rolls", 3_300),
    ("seals", 3_500),
    ("runs made", 350),
    ("merges", 2),
    ("crashes", 1_600),
    ("openings", 1_700),
    ("postponed", 45),
    ("made up", 30),
    ("reads", 2_900),
    ("selections", 9_100),
    ("deliveries", 56_000),
    ("asked elsewhere", 630),
    ("lagged elsewhere", 40),
    ("delivered elsewhere", 19_000),
    ("glimpses", 1_100),
    ("read beside", 250),
    ("verified beside", 180),
    ("read unwritten", 170),
    ("outlived", 95),
    ("after sound", 240),
    ("after failed", 25),
    ("postponed failed", 1),
    ("postponed unproven", 1),
    ("verified", 120),
    ("salvaged", 35),
];

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
    let slice = |first: u64| -> Vec<Counts> {
        let seeds = (first..SEEDS).step_by(THREADS as usize);
        let counts = seeds.map(|seed| {
            let outcome = run(seed, Setting::default());
            check(&outcome);
            outcome.counts
        });
        counts.collect()
    };
    let counts: Vec<Counts> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || slice(first))).collect();
        let joined = threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(counts) => counts,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    });
    let totals = Counts::totals(&counts);
    let names: Vec<&str> = totals.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, LEAST.map(|(name, _)| name), "whatever is counted has a least");
    for ((name, total), (_, least)) in totals.into_iter().zip(LEAST) {
        assert!(total >= least, "only {total} {name}: the schedule does not come there any more");
    }
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
