//! Each byte of a file changed: what is read afterwards is right or an error.

use std::sync::{Arc, Mutex};

use quipu_index::{IndexError, Layer, Part, Run, Sealed, Source};

use super::check::difference;
use super::events::{IDENTITY, Model, lent, memory, write};
use super::segments::sample;
use super::source::{Copied, Lent, Rotting, write_run};

/// How a file is held.
type Hold = fn(Vec<u8>) -> Box<dyn Source>;

const HOLD: [Hold; 2] = [|bytes| Box::new(Lent(bytes)), |bytes| Box::new(Copied::new(bytes))];

/// What came of reading a changed file.
fn read(source: Box<dyn Source>, model: &Model) -> Result<(), IndexError> {
    let part = Part::File(Arc::new(Sealed::open(source, &IDENTITY)?));
    assert_eq!(difference(&part, model)?, None);
    Ok(())
}

#[test]
fn a_changed_byte_of_an_index_is_an_error_or_makes_no_difference() {
    let events = sample();
    let bytes = write(&events, &[memory(0, &events)]);
    let model = Model::of(0, &events).with_lineage();
    let mut unseen = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let hold = HOLD[at % 2];
        unseen += usize::from(read(hold(changed.clone()), &model).is_ok());
        let verified = Sealed::open(hold(changed), &IDENTITY).and_then(|sealed| sealed.verify());
        assert!(verified.is_err(), "byte {at} changed and was not found");
    }
    assert_eq!(unseen, 0, "this small file has no page that reading everything leaves out");
}

#[test]
fn a_changed_byte_of_a_run_is_an_error_or_makes_no_difference() {
    let events = sample();
    let Part::File(sealed) = lent(&write(&events, &[memory(0, &events)])) else { unreachable!() };
    let layer = Layer::Index(sealed);
    let bytes = write_run(IDENTITY.store, std::slice::from_ref(&layer)).unwrap();
    let heads: Vec<_> =
        Model::of(0, &events).keys.keys().map(|key| (*key, layer.find(*key).unwrap())).collect();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let open = || Run::open(HOLD[at % 2](changed.clone()), IDENTITY.segment, &IDENTITY);
        assert!(
            open().and_then(|run| run.verify()).is_err(),
            "byte {at} changed and was not found"
        );
        let Ok(run) = open() else { continue };
        for (key, head) in &heads {
            assert!(run.find(*key).is_err() || run.find(*key).unwrap() == *head);
        }
    }
}

#[test]
fn a_page_of_another_file_or_place_is_an_error() {
    let events = sample();
    let mut others = events.clone();
    others.pop();
    let bytes = write(&events, &[memory(0, &events)]);
    let other = write(&others, &[memory(0, &others)]);
    let mut foreign = bytes.clone();
    foreign[4096..8192].copy_from_slice(&other[4096..8192]);
    let model = Model::of(0, &events).with_lineage();
    assert!(read(HOLD[0](foreign), &model).is_err());
    let mut swapped = bytes;
    let (one, two) = swapped[4096..].split_at_mut(4096);
    one.swap_with_slice(&mut two[..4096]);
    assert!(read(HOLD[0](swapped), &model).is_err());
}

#[test]
fn a_byte_that_goes_bad_under_an_open_index_is_found_when_it_is_verified() {
    let events = sample();
    let bytes = write(&events, &[memory(0, &events)]);
    let len = bytes.len();
    let rotting = Rotting(Arc::new(Mutex::new(bytes)));
    let sealed = Arc::new(Sealed::open(Box::new(rotting.clone()), &IDENTITY).unwrap());
    let model = Model::of(0, &events).with_lineage();
    assert_eq!(difference(&Part::File(Arc::clone(&sealed)), &model).unwrap(), None);
    for at in 0..len {
        rotting.0.lock().unwrap()[at] ^= 1 << (at % 8);
        assert!(sealed.verify().is_err(), "byte {at} changed and was not found");
        rotting.0.lock().unwrap()[at] ^= 1 << (at % 8);
    }
    sealed.verify().unwrap();
}
