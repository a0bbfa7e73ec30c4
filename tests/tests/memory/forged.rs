//! Index files whose checksums are right, and that promise much more than they hold.

use std::sync::Arc;

use quipu_format::features::Features;
use quipu_format::index::filter::DESCRIPTOR_BYTES;
use quipu_format::index::{
    Contents, Covered, Draft, Entry, Parts, Scope, build, directory, names, offsets, postings,
};
use quipu_format::{ByteOffset, Position, Timestamp};
use quipu_index::{IndexError, Lineage, Part, Sealed, write_segment};
use quipu_tests::fuzzing::{Bound, Bytes};

use super::{alone, identity, measured};

/// A file of so many events, all at one place, of a key that these have, and of these names.
fn forged(
    events: u32,
    ordinals: impl ExactSizeIterator<Item = u32> + Clone,
    of_streams: &[String],
) -> Vec<u8> {
    let (mut places, mut lists, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let mut encoder = offsets::Encoder::new(events, &mut places);
    (0..events).for_each(|_| encoder.push(300));
    encoder.finish();
    let (count, last) = (ordinals.len() as u32, ordinals.clone().last().unwrap());
    let mut encoder = postings::Encoder::new(count, events, &mut lists);
    ordinals.for_each(|ordinal| encoder.push(ordinal));
    let postings = encoder.finish();
    let (key, before, prev, jump, depth, scope) = (7, 0, None, None, 0, Scope::Store);
    Entry { key, before, count, last, postings, prev, jump, depth, scope }.encode(&mut entries);
    let (mut slots, mut born) = (Vec::new(), Vec::new());
    directory::encode(0, [key], &mut slots);
    names::encode(of_streams, &mut born);
    build(&Draft {
        features: Features::default(),
        store: identity(1).store,
        contents: Contents::Segment(Covered {
            segment: identity(1).segment,
            salt: identity(1).salt,
            base: Position(0),
            events,
            ids: 0,
            end: ByteOffset::from_units(u32::MAX),
            last_time: Timestamp(0),
        }),
        filter: [0; DESCRIPTOR_BYTES],
        parts: Parts {
            filter: &[],
            directory: &slots,
            entries: &entries,
            postings: &lists,
            offsets: &places,
            names: &born,
        },
    })
}

/// Opens, verifies and writes again, each within the bound of what takes bytes.
fn costs_little(what: &str, file: Vec<u8>) {
    let bound = Bound::Decoder.bytes(file.len());
    let bytes = Bytes(file.into());
    let open = || Sealed::open(Box::new(bytes.clone()), &identity(1)).unwrap();
    let (sealed, verifying) = measured(|| {
        let sealed = open();
        sealed.verify().unwrap();
        sealed
    });
    assert!(verifying <= bound, "{what}: {verifying} bytes to verify, of {bound}");
    let (covers, parts) = (*sealed.covers(), [Part::File(Arc::new(sealed))]);
    let mut alone = |_| Ok::<_, IndexError>(Lineage::default());
    let (again, writing) =
        measured(|| write_segment(&identity(1), &covers, &parts, &mut alone).unwrap());
    assert!(writing <= bound, "{what}: {writing} bytes to write, of {bound}");
    assert!(again.len() <= bytes.0.len() + 4096, "{what}: of {} {}", bytes.0.len(), again.len());
}

#[test]
fn a_file_of_very_many_events_costs_few_times_its_size() {
    let _alone = alone();
    let events = 16 << 20;
    costs_little("every other event", forged(events, (0..events / 2).map(|at| at * 2), &[]));
    costs_little("one event in a row of 16", forged(events, 0..events / 16, &[]));
    costs_little("all events", forged(events, 0..events, &[]));
}

#[test]
fn a_file_of_very_many_names_costs_few_times_its_size() {
    let _alone = alone();
    // Each block of 16 says 500 bytes once.
    let name = |number: u32| format!("{number:08}{}{number:04}", "x".repeat(490));
    let all = (0..4000).flat_map(|block| {
        let name = name(block);
        (0..16u8).map(move |last| format!("{name}{}", char::from(b'a' + last)))
    });
    let all: Vec<String> = all.collect();
    let file = forged(1, 0..1, &all);
    drop(all);
    assert!(file.len() > 2 << 20, "the bound is not all of it");
    costs_little("names", file);
}
