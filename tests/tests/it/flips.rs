//! A slice of the damaged stores; which bugs these must find is said in `tests/src/plants.rs`.

use quipu_tests::flips::{run, run_astray};

use super::wanted;

/// Stores that are damaged in one run of the tests, unless `QUIPU_STORES` gives another number. `QUIPU_SEED` is the
/// first.
const STORES: u64 = 600;

#[test]
fn whatever_is_damaged_is_told_and_nothing_else_is_lost() {
    let first = wanted("QUIPU_SEED").unwrap_or(0);
    for seed in first..first + wanted("QUIPU_STORES").unwrap_or(STORES) {
        if let Some(violation) = run(seed) {
            panic!("store {seed}: {violation}");
        }
    }
}

/// Running stores of which an operation goes astray, unless `QUIPU_STORES` gives another number.
const ASTRAY: u64 = 200;

#[test]
fn a_write_that_goes_astray_under_a_running_store_is_told() {
    let first = wanted("QUIPU_SEED").unwrap_or(0);
    let stores = wanted("QUIPU_STORES").unwrap_or(ASTRAY);
    let mut told = 0;
    for seed in first..first + stores {
        match run_astray(seed) {
            Ok(lost) => told += u64::from(lost > 0),
            Err(violation) => panic!("store {seed}: {violation}"),
        }
    }
    println!("of {stores} stores {told} had lost something by it, and told");
    assert!(told > stores / 100, "{told} of {stores}");
}
