//! Stores do what a list of events does, whatever is asked of them in which order.

use quipu_tests::model::{Flaw, run};

use super::wanted;

/// Lives in one run of the tests, unless `QUIPU_LIVES` gives another number. `QUIPU_SEED` makes other ones.
const LIVES: u32 = 400;

#[test]
fn a_store_does_what_a_list_of_events_does() {
    let lives =
        wanted("QUIPU_LIVES").map(|lives| u32::try_from(lives).expect("so many are too many"));
    let seed = wanted("QUIPU_SEED").unwrap_or(1);
    if let Err(difference) = run(seed, lives.unwrap_or(LIVES), None) {
        panic!("{difference}");
    }
}

/// Operations that show what is wrong, at most; lives have up to 50.
const SHORT: usize = 12;
/// The store runs with its threads, and what a crash leaves is not the same each time: a life that is being made shorter
/// may live on by chance. Of so many, one must be short.
const SHORTENED: u64 = 5;

/// A list that is wrong is told from the store, and by how few operations.
#[test]
fn a_list_that_is_wrong_is_found_and_the_life_that_shows_it_is_short() {
    for flaw in [Flaw::BackwardIsExclusive, Flaw::AnyTagWillDo, Flaw::LastIsLost] {
        let mut found =
            (1..=SHORTENED).map(|seed| run(seed, 200, Some(flaw)).expect_err("it is wrong"));
        let is_short = found.any(|found| (1..=SHORT).contains(&found.life.1.len()));
        assert!(is_short, "{flaw:?}");
    }
}
