//! A slice of the stores that are harmed while they are running.

use quipu_tests::running::run;

use super::wanted;

/// Stores that are run in one run of the tests, unless `QUIPU_RUNS` gives another number. `QUIPU_SEED` is the first.
const RUNS: u64 = 300;

#[test]
fn whatever_is_harmed_under_a_running_store_is_told_and_nothing_else_is_lost() {
    let first = wanted("QUIPU_SEED").unwrap_or(0);
    for seed in first..first + wanted("QUIPU_RUNS").unwrap_or(RUNS) {
        if let Err(violation) = run(seed) {
            panic!("run {seed}: {violation}");
        }
    }
}
