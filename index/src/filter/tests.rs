use proptest::prelude::*;
use quipu_format::index::filter::{Probe, check};
use xorf::{BinaryFuse8, DmaSerializable};

use super::*;

/// What a reader makes of a filter.
fn may_hold(filter: &Filter, half: u64) -> bool {
    let probe = Probe::of(&filter.descriptor, half.into());
    probe.may_hold(probe.at.map(|at| filter.prints[at as usize]))
}

proptest! {
    #[test]
    fn a_filter_knows_its_keys_and_is_the_one_that_others_build(
        halves in proptest::collection::hash_set(any::<u64>(), 1..600),
    ) {
        let halves: Vec<u64> = halves.into_iter().collect();
        let filter = Filter::of(halves.clone());
        prop_assert_eq!(check(&filter.descriptor, filter.prints.len() as u64), Ok(()));
        prop_assert!(halves.iter().all(|half| may_hold(&filter, *half)));
        prop_assert!(is_as_others_build_it(&filter, halves));
    }
}

/// Whether `xorf` builds the same of these keys, which are sorted out.
fn is_as_others_build_it(filter: &Filter, halves: Vec<u64>) -> bool {
    let built = BinaryFuse8::try_from(halves).unwrap();
    let mut descriptor = [0; DESCRIPTOR_BYTES];
    built.dma_copy_descriptor_to(&mut descriptor);
    filter.descriptor == descriptor && *filter.prints == *built.fingerprints
}

#[test]
fn filters_of_every_size_are_those_that_others_build() {
    const SIZE_MAX: usize = 300_000;
    let length = |size| Shape::of(size).map(|shape| shape.segment_length);
    // Where the length of segments changes, and beside it.
    let steps = (2..SIZE_MAX - 2).filter(|size| length(*size) != length(*size - 1));
    let sizes = steps.flat_map(|step| step - 2..step + 3).filter(|size| *size > 0);
    let keys = halves_of(0..SIZE_MAX as u64);
    for size in sizes.chain([1_000, 100_000]) {
        let halves = keys[..size].to_vec();
        assert!(is_as_others_build_it(&Filter::of(halves.clone()), halves), "{size} keys");
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

/// The key that this hash is made of with the seed that is tried first.
fn key_of(mut hash: u64, seed: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0x9cb4_b2f8_1293_37db);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0x4f74_430c_22a5_4005);
    hash ^= hash >> 33;
    hash.wrapping_sub(seed)
}

#[test]
fn keys_that_were_chosen_to_meet_are_no_panic() {
    let first = Filter::of(vec![1, 2, 3]).descriptor;
    let seed = u64::from_le_bytes(*first.first_chunk().unwrap());
    for count in [64, 65, 70, 128, 1000] {
        let keys: Vec<u64> = (0..count).map(|low| key_of(0x1234 << 48 | low, seed)).collect();
        let filter = Filter::of(keys.clone());
        assert!(keys.iter().all(|key| may_hold(&filter, *key)), "another seed puts them apart");
    }
}

#[test]
fn keys_that_meet_whatever_is_tried_go_without_a_filter() {
    let (mut keys, mut state) = (Vec::new(), 1);
    for _ in 0..ATTEMPTS_MAX {
        let seed = next(&mut state);
        // Both have the same three slots, of any layout that is not larger than theirs.
        keys.extend([0, 1 << 40].map(|apart| key_of(0x1234 << 48 | apart, seed)));
    }
    let filter = Filter::of(keys);
    assert!(filter.prints.is_empty());
    assert_eq!(filter.descriptor, [0; DESCRIPTOR_BYTES]);
}
