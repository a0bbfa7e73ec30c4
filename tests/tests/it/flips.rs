//! A slice of the damaged stores; which bugs these must find is said in `tests/src/plants.rs`.

use quipu_tests::flips::run;

/// Stores that are damaged in one run of the tests.
const STORES: u64 = 500;

#[test]
fn whatever_is_damaged_is_told_and_nothing_else_is_lost() {
    for seed in 0..STORES {
        if let Some(violation) = run(seed) {
            panic!("store {seed}: {violation}");
        }
    }
}
