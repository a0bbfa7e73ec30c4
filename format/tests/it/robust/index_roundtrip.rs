//! The parts of an index file, but for postings, against plain vectors.

use proptest::prelude::*;
use quipu_format::index::names::{self, Names};
use quipu_format::index::offsets::{self, Offsets};
use quipu_format::index::packed::{self, Packed};
use quipu_format::index::{Entry, HeadEntry, Scope, Span, directory, filter};
use quipu_format::{ByteOffset, Position, SegmentId};
use xorf::{BinaryFuse8, DmaSerializable, Filter};

/// Sorted names, often with a common beginning.
fn sorted_names() -> impl Strategy<Value = Vec<String>> {
    let beginnings = prop_oneof![Just("order-"), Just("order-größe-"), Just(""), Just("ä")];
    let name = (beginnings, proptest::collection::vec(any::<char>(), 1..12));
    let name = name.prop_map(|(start, rest)| start.chars().chain(rest).collect::<String>());
    proptest::collection::btree_set(name, 0..100).prop_map(|names| names.into_iter().collect())
}

proptest! {
    #[test]
    fn packed_numbers_are_read_as_written(
        width in 0u8..=32,
        numbers in proptest::collection::vec(any::<u32>(), 0..300),
        behind in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let mask = ((1u64 << width) - 1) as u32;
        let numbers: Vec<u32> = numbers.iter().map(|number| number & mask).collect();
        prop_assert!(packed::width_of(&numbers) <= width);
        let mut bytes = Vec::new();
        packed::pack(&numbers, width, &mut bytes);
        prop_assert_eq!(bytes.len(), packed::bytes(numbers.len(), width));
        let exact = bytes.len();
        bytes.extend(behind);
        let read = Packed::new(&bytes, numbers.len(), width).expect("as written");
        prop_assert_eq!(read.len_bytes(), exact);
        prop_assert!(read.iter().eq(numbers.iter().copied()));
        for (index, number) in numbers.iter().enumerate() {
            prop_assert_eq!(read.get(index), Some(*number));
        }
        prop_assert_eq!(read.get(numbers.len()), None);
        let cut = Packed::new(&bytes[..exact.saturating_sub(1)], numbers.len(), width);
        prop_assert_eq!(cut.is_err(), exact > 0);
    }

    #[test]
    fn a_width_is_the_least_that_will_do(numbers in proptest::collection::vec(any::<u32>(), 1..9)) {
        let width = packed::width_of(&numbers);
        let largest = numbers.iter().max().copied().unwrap_or(0);
        prop_assert!(u64::from(largest) < 1 << width);
        prop_assert!(width == 0 || largest >= 1 << (width - 1));
    }

    #[test]
    fn offsets_are_read_as_written(
        start in any::<u32>(),
        steps in proptest::collection::vec(0u32..5000, 0..700),
        behind in 0usize..600,
    ) {
        let units: Vec<u32> = steps.iter().scan(start / 2, |at, step| {
            *at += step;
            Some(*at)
        }).collect();
        let mut section = Vec::new();
        offsets::encode(&units, &mut section);
        let span = Span { start: 0, bytes: section.len() as u64 };
        section.resize(section.len() + behind, 0xee);
        let bytes = |range: std::ops::Range<u64>| &section[range.start as usize..range.end as usize];
        let offsets = Offsets::of(units.len() as u32);
        let mut all = Vec::new();
        for block in 0..offsets.blocks() {
            let range = span.part(offsets.slot_range(block)).expect("within the section");
            let slot = offsets.slot(bytes(range)).expect("a slot");
            let block_bytes = bytes(span.clip(offsets.block_range(slot)).expect("within"));
            offsets.decode(block, slot, block_bytes, &mut all).expect("a valid block");
            for index in 0..offsets.len_of(block) {
                let value = offsets.value(block, slot, block_bytes, index).map(ByteOffset::units);
                let ordinal = block * offsets::BLOCK + index;
                prop_assert_eq!(value, Ok(units[ordinal as usize]));
                prop_assert_eq!(offsets.block_of(ordinal), (block, index));
            }
        }
        prop_assert_eq!(all, units);
    }

    #[test]
    fn names_are_read_as_written_from_any_prefix_on(
        names in sorted_names(),
        which in any::<prop::sample::Index>(),
        len in 0usize..4,
    ) {
        let mut section = Vec::new();
        names::encode(&names, &mut section);
        let prefix: String = match names.get(which.index(names.len().max(1))) {
            Some(name) => name.chars().take(len).collect(),
            None => "order".into(),
        };
        let read = Names::decode(&section, section.len() as u64).expect("as written");
        prop_assert_eq!(read.count() as usize, names.len());
        let bytes = |range: std::ops::Range<u64>| &section[range.start as usize..range.end as usize];
        let from = read.seek(|block| {
            let range = read.first_range(block, bytes(read.slot_range(block)))?;
            Ok::<_, quipu_format::FormatError>(names::first(bytes(range))?.cmp(prefix.as_bytes()))
        }).expect("as written");
        let mut all = Vec::new();
        for block in from..read.blocks() {
            let range = read.block_range(block, bytes(read.slot_range(block))).expect("as written");
            let mut block = read.block(block, bytes(range));
            while let Some(name) = block.next_name().expect("as written") {
                all.push(name.to_owned());
            }
        }
        // At most a block of names before the first that is wanted.
        let wanted = names.iter().filter(|name| **name >= prefix).count();
        prop_assert!(all.len() >= wanted && all.len() <= wanted + names::BLOCK as usize);
        prop_assert!(names.ends_with(&all));
    }

    #[test]
    fn a_directory_leads_to_each_key_and_to_no_other_slot(
        keys in proptest::collection::btree_set(any::<u128>(), 0..200),
        bits in 0u8..10,
        absent in any::<u128>(),
    ) {
        let keys: Vec<u128> = keys.into_iter().collect();
        let mut section = Vec::new();
        directory::encode(bits, keys.iter().copied(), &mut section);
        prop_assert_eq!(directory::bytes(bits), Some(section.len() as u64));
        let slot = |key| {
            let range = directory::part(bits, key);
            let bytes = &section[range.start as usize..range.end as usize];
            let range = directory::decode(bytes, keys.len() as u32).expect("as written");
            range.start as usize..range.end as usize
        };
        for (number, key) in keys.iter().enumerate() {
            prop_assert!(slot(*key).contains(&number));
        }
        let around = &keys[slot(absent)];
        let same = |key: &&u128| directory::slot(bits, **key) == directory::slot(bits, absent);
        prop_assert_eq!(around.len(), keys.iter().filter(same).count());
    }

    #[test]
    fn entries_are_found_by_their_key(
        keys in proptest::collection::btree_set(any::<u128>(), 1..100),
        numbers in any::<(u64, u32, u32, u32, u32, u32)>(),
        depth in 0u32..=quipu_format::index::entry::DEPTH_MAX,
        local in any::<bool>(),
        absent in any::<u128>(),
    ) {
        let (before, count, last, postings, prev, jump) = numbers;
        let segment = |number: u32| (number != 0).then_some(SegmentId(number));
        let scope = if local { Scope::Local } else { Scope::Store };
        let (prev, jump) = (segment(prev), segment(jump));
        let all: Vec<Entry> = keys.iter().map(|key| Entry {
            key: *key, before, count, last, postings, prev, jump, depth, scope,
        }).collect();
        let heads: Vec<HeadEntry> = keys.iter().map(|key| HeadEntry {
            key: *key, count: before, position: Position(before), segment: SegmentId(count.max(1)), depth,
        }).collect();
        let (mut bytes, mut head_bytes) = (Vec::new(), Vec::new());
        all.iter().for_each(|entry| entry.encode(&mut bytes));
        heads.iter().for_each(|head| head.encode(&mut head_bytes));
        prop_assert_eq!(bytes.len() as u64, Entry::part(0..all.len() as u32).end);
        prop_assert_eq!(head_bytes.len() as u64, HeadEntry::part(0..all.len() as u32).end);
        for (entry, head) in all.iter().zip(&heads) {
            prop_assert_eq!(Entry::find(&bytes, entry.key), Some(*entry));
            prop_assert_eq!(HeadEntry::find(&head_bytes, head.key), Ok(Some(*head)));
        }
        if !keys.contains(&absent) {
            prop_assert_eq!(Entry::find(&bytes, absent), None);
            prop_assert_eq!(HeadEntry::find(&head_bytes, absent), Ok(None));
        }
    }

    #[test]
    fn a_probe_answers_as_the_filter_that_was_built(
        keys in proptest::collection::btree_set(any::<u64>(), 0..600),
        absent in proptest::collection::vec(any::<u64>(), 20),
        upper in any::<u64>(),
    ) {
        let built = BinaryFuse8::try_from(&Vec::from_iter(keys.iter().copied())).expect("distinct keys");
        let mut descriptor = [0; filter::DESCRIPTOR_BYTES];
        built.dma_copy_descriptor_to(&mut descriptor);
        let prints = built.dma_fingerprints();
        filter::check(&descriptor, prints.len() as u64).expect("a filter that was built");
        for key in keys.iter().chain(&absent) {
            let probe = filter::Probe::of(&descriptor, u128::from(upper) << 64 | u128::from(*key));
            let passed = probe.may_hold(probe.at.map(|at| prints[at as usize]));
            prop_assert_eq!(passed, built.contains(key));
            prop_assert!(passed || !keys.contains(key));
        }
    }
}

#[test]
fn a_directory_has_about_eight_entries_a_slot() {
    for entries in [0, 1, 8, 9, 16, 17, 1000, 1 << 20, u32::MAX] {
        let slots = 1u64 << directory::bits_for(entries);
        assert!(u64::from(entries) <= slots * 8, "{entries}");
        assert!(slots == 1 || u64::from(entries) > slots * 4, "{entries}");
    }
    assert_eq!(directory::bytes(33), None);
    // More bits than there may be are no panic.
    assert_eq!(directory::slot(255, u128::MAX), u64::from(u32::MAX));
}
