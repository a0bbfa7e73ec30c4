use proptest::prelude::*;
use quipu_format::index::filter::{Probe, check};
use xorf::Filter as _;

use super::*;

/// What a reader makes of a filter.
fn may_hold(filter: &Filter, half: u64) -> bool {
    let probe = Probe::of(&filter.descriptor, half.into());
    probe.may_hold(probe.at.map(|at| filter.prints[at as usize]))
}

proptest! {
    #[test]
    fn a_filter_knows_its_keys_and_answers_as_its_builder_does(
        halves in proptest::collection::hash_set(any::<u64>(), 1..600),
        others in proptest::collection::vec(any::<u64>(), 300),
    ) {
        let halves: Vec<u64> = halves.into_iter().collect();
        let filter = Filter::of(halves.clone());
        prop_assert_eq!(check(&filter.descriptor, filter.prints.len() as u64), Ok(()));
        prop_assert!(halves.iter().all(|half| may_hold(&filter, *half)));
        let mut sorted = halves;
        sorted.sort_unstable();
        let built = BinaryFuse8::try_from(sorted).unwrap();
        for other in others {
            prop_assert_eq!(may_hold(&filter, other), built.contains(&other));
        }
    }
}

#[test]
fn halves_that_two_keys_share_are_built_from_once() {
    let filter = Filter::of(vec![7, 9, 7, 7, 9]);
    assert!(may_hold(&filter, 7) && may_hold(&filter, 9));
}

#[test]
fn no_key_is_no_filter() {
    let filter = Filter::of(Vec::new());
    assert!(filter.prints.is_empty());
    assert_eq!(filter.descriptor, [0; DESCRIPTOR_BYTES]);
}

#[test]
fn few_of_the_keys_that_are_absent_pass() {
    let keys = halves_of(0..20_000);
    let filter = Filter::of(keys);
    let passed = halves_of(20_000..60_000).into_iter().filter(|half| may_hold(&filter, *half));
    let passed = passed.count();
    assert!(passed < 400, "{passed} of 40000 absent keys pass");
}

fn halves_of(numbers: std::ops::Range<u64>) -> Vec<u64> {
    let keys = crate::Keys::new([5; 16]);
    numbers.map(|number| keys.bytes(crate::Kind::Tag, &number.to_le_bytes()).0 as u64).collect()
}
