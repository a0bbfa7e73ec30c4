//! A slice of the stores that are harmed while they are running.

use quipu_tests::running::{Counts, run};

use super::wanted;

/// Stores that are run in one run of the tests, unless `QUIPU_RUNS` gives another number. `QUIPU_SEED` is the first.
const RUNS: u64 = 300;

/// What comes up in so many stores at least.
const LEAST: Counts = Counts {
    harms: 1200,
    events: 45_000,
    harmed: 1200,
    openings: 850,
    refused: 100,
    retries: 3200,
    repeated: 2500,
    damaged: 700,
    told: 15_000,
    read: 28_000,
};
/// A store that refuses more often is hardly tested.
const REFUSED_MOST: u64 = 420;

#[test]
fn whatever_is_harmed_under_a_running_store_is_told_and_nothing_else_is_lost() {
    let first = wanted("QUIPU_SEED").unwrap_or(0);
    let runs = wanted("QUIPU_RUNS").unwrap_or(RUNS);
    let mut sum = Counts::default();
    for seed in first..first + runs {
        match run(seed) {
            Ok(counts) => sum = sum.and(counts),
            Err(violation) => panic!("run {seed}: {violation}"),
        }
    }
    if runs >= RUNS {
        let share = |count: u64| count * RUNS / runs;
        for ((name, count), (_, least)) in sum.named().into_iter().zip(LEAST.named()) {
            assert!(share(count) >= least, "only {count} {name} in {runs} stores");
        }
        assert!(share(sum.refused) <= REFUSED_MOST, "{} openings are refused", sum.refused);
    }
}
