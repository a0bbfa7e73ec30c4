//! A slice of the damaged stores; which bugs these must find is said in `tests/src/plants.rs`.

use quipu_tests::flips::run;

use super::wanted;

/// Stores that are damaged in one run of the tests, unless `QUIPU_STORES` gives another number. `QUIPU_SEED` is the
/// first.
const STORES: u64 = 1000;

#[test]
fn whatever_is_damaged_is_told_and_nothing_else_is_lost() {
    let first = wanted("QUIPU_SEED").unwrap_or(0);
    for seed in first..first + wanted("QUIPU_STORES").unwrap_or(STORES) {
        if let Some(violation) = run(seed) {
            panic!("store {seed}: {violation}");
        }
    }
}
