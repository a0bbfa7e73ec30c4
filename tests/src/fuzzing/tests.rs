//! The twins: targets that are wrong in each way that can be seen, and that they are seen.

use super::input::Input;
use super::*;

fn target(run: fn(&[u8]) -> Judged) -> Target {
    Target { name: "twin", run, bound: Bound::Decoder }
}

#[test]
fn a_panic_is_a_finding() {
    let judged = target(|input| {
        assert!(input.is_empty(), "an input of {} bytes", input.len());
        Ok(())
    });
    assert_eq!(judged.judge(b""), Ok(()));
    assert!(judged.judge(b"ab").unwrap_err().contains("an input of 2 bytes"));
}

#[test]
fn an_answer_that_the_target_calls_wrong_is_a_finding() {
    let judged = target(|_| ensure(false, || "another event".to_owned()));
    assert_eq!(judged.judge(b""), Err("another event".to_owned()));
}

#[test]
fn names_are_used_once_and_each_target_has_seeds_that_pass() {
    for (number, target) in TARGETS.iter().enumerate() {
        assert!(TARGETS[..number].iter().all(|other| other.name != target.name));
        let seeds = seeds(target.name);
        assert!(!seeds.is_empty(), "{}", target.name);
        for (at, seed) in seeds.iter().enumerate() {
            assert_eq!(target.judge(seed), Ok(()), "{}, seed {at}", target.name);
        }
    }
}

#[test]
fn an_input_ends_with_zeros() {
    let mut input = Input::new(&[1, 2, 3]);
    assert_eq!((input.byte(), input.array::<4>(), input.byte()), (1, [2, 3, 0, 0], 0));
    assert!(input.is_empty());
    let mut input = Input::new(&[7, 0, 255, 255]);
    assert_eq!((input.below(5), input.below(0)), (2, 0));
    assert_eq!(Input::new(&[255, 255]).below(1 << 20), ((1 << 16) - 1) << 4);
}

/// Lives that are drawn.
const LIVES: u64 = 60;

#[test]
fn lives_that_are_drawn_break_no_promise() {
    for number in 0..LIVES {
        assert_eq!(operations::operations(&seeds::drawn(number, 200)), Ok(()), "life {number}");
    }
}

/// Inputs of each target that are changed at random, unless `QUIPU_CHANGED` gives another number. `QUIPU_SEED` is the
/// first of them.
const CHANGED: u64 = 40;

#[test]
fn seeds_that_are_changed_at_random_are_answered_as_they_have_to_be() {
    let wanted = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let first = wanted("QUIPU_SEED").unwrap_or(0);
    let mut wrong = Vec::new();
    for target in TARGETS {
        let inputs = Changed::of(target);
        for number in first..first + wanted("QUIPU_CHANGED").unwrap_or(CHANGED) {
            let judged = inputs.judge(number);
            wrong.extend(judged.err().map(|why| format!("{}, input {number}: {why}", target.name)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
