//! One segment: in memory, in a file, in a file and in memory.

use std::slice;
use std::sync::Arc;

use proptest::prelude::*;
use quipu_index::{Active, IndexError, Key, Lineage, Part, write_segment};

use super::check::difference;
use super::events::{IDENTITY, Model, copied, covers, events, lent, lineage, memory, post, write};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn memory_answers_as_the_model_does(
        events in events(0..400), first in 0..1_000u32, group in 1..50usize,
    ) {
        let active = Active::new(first);
        post(&active, &events, group);
        let model = Model::of(first, &events);
        prop_assert_eq!(active.keys(), model.keys.len());
        let part = Part::Memory(Arc::new(active));
        prop_assert_eq!(difference(&part, &model).unwrap(), None);
    }

    #[test]
    fn a_file_answers_as_the_model_does(events in events(0..400)) {
        let bytes = write(&events, &[memory(0, &events)]);
        let model = Model::of(0, &events).with_lineage();
        for part in [lent(&bytes), copied(&bytes)] {
            prop_assert_eq!(difference(&part, &model).unwrap(), None);
            let Part::File(sealed) = &part else { unreachable!() };
            prop_assert_eq!(sealed.entries() as usize, model.keys.len());
            prop_assert_eq!(*sealed.covers(), covers(&events));
            sealed.verify().unwrap();
        }
    }

    #[test]
    fn a_file_is_the_same_whatever_parts_it_was_written_from(
        events in events(1..400), split in any::<prop::sample::Index>(),
    ) {
        let whole = write(&events, &[memory(0, &events)]);
        let split = split.index(events.len() + 1);
        let (before, after) = events.split_at(split);
        let prefix = write(before, &[memory(0, before)]);
        let rest = memory(split as u32, after);
        prop_assert!(difference(&rest, &Model::of(split as u32, after)).unwrap().is_none());
        prop_assert_eq!(&write(&events, &[lent(&prefix), rest.clone()]), &whole);
        prop_assert_eq!(&write(&events, &[copied(&prefix), rest]), &whole);
        prop_assert_eq!(&write(&events, &[copied(&whole)]), &whole);
    }

    #[test]
    fn what_is_posted_behind_the_end_is_left_out(events in events(1..300), more in events(0..40)) {
        let active = Active::new(0);
        post(&active, &events, 9);
        let nameless: Vec<_> =
            more.into_iter().map(|event| super::events::Event { born: None, ..event }).collect();
        post(&active, &nameless, 9);
        let bytes = write(&events, &[Part::Memory(Arc::new(active))]);
        prop_assert_eq!(bytes, write(&events, &[memory(0, &events)]));
    }

    #[test]
    fn lineage_is_asked_once_for_each_key_that_no_file_holds(
        events in events(1..200), split in any::<prop::sample::Index>(),
    ) {
        let (before, after) = events.split_at(split.index(events.len()));
        let (in_file, model) = (Model::of(0, before), Model::of(0, &events));
        let parts = [lent(&write(before, &[memory(0, before)])), memory(before.len() as u32, after)];
        let mut asked = Vec::new();
        let mut ask = |key: Key| {
            asked.push(key);
            Ok::<Lineage, IndexError>(lineage(key))
        };
        write_segment(&IDENTITY, &covers(&events), &parts, &mut ask).unwrap();
        let new = model.keys.iter().filter(|(key, known)| !known.local && !in_file.keys.contains_key(key));
        prop_assert_eq!(asked, new.map(|(key, _)| *key).collect::<Vec<_>>());
    }
}

#[test]
fn an_error_of_the_lineage_is_the_error_of_the_writing() {
    #[derive(Debug)]
    struct Refused;
    impl From<IndexError> for Refused {
        fn from(_: IndexError) -> Refused {
            unreachable!("the parts are whole")
        }
    }
    let events = sample();
    let mut refuse = |_| Err(Refused);
    let parts = [memory(0, &events)];
    assert!(write_segment(&IDENTITY, &covers(&events), &parts, &mut refuse).is_err());
}

#[test]
fn parts_that_do_not_make_up_the_segment_are_refused() {
    let events = sample();
    let file = lent(&write(&events[..10], &[memory(0, &events[..10])]));
    let rest = memory(10, &events[10..]);
    let written = |parts: &[Part], events: &[super::events::Event]| {
        let mut known = |key| Ok::<_, IndexError>(lineage(key));
        write_segment(&IDENTITY, &covers(events), parts, &mut known).is_ok()
    };
    assert!(written(&[file.clone(), rest.clone()], &events));
    assert!(!written(&[rest.clone(), file.clone()], &events), "in the wrong order");
    assert!(!written(slice::from_ref(&file), &events), "the rest is missing");
    assert!(!written(&[rest], &events), "the beginning is missing");
    assert!(!written(&[file.clone(), memory(11, &events[11..])], &events), "one is missing");
    assert!(!written(&[file.clone(), file.clone()], &events[..10]), "twice the same");
    assert!(!written(&[file], &events[..9]), "more than is covered");
    assert!(written(&[], &[]), "nothing of nothing");
}

/// Some events, always the same.
pub(crate) fn sample() -> Vec<super::events::Event> {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    events(30).new_tree(&mut runner).unwrap().current()
}
