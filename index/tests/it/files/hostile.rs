//! Files whose checksums match whatever was changed: they give errors, or wrong answers, and never more.

use std::sync::Arc;

use proptest::prelude::*;
use quipu_format::index::checks::Tie;
use quipu_format::index::postings::Layout;
use quipu_format::index::{Entry, IndexHeader};
use quipu_format::{PAGE_BYTES, checksum};
use quipu_index::{IndexError, Key, Layer, Part, Run, Sealed, Way, write_segment};

use super::events::{IDENTITY, Model, events, lent, lineage, memory, write};
use super::segments::sample;
use super::source::{Copied, Lent, write_run};

const PAGE: usize = PAGE_BYTES as usize;

/// Makes all checksums match again, those of a header that cannot be read excepted.
fn forge(bytes: &mut [u8]) {
    sum_header(bytes);
    let Ok(header) = IndexHeader::decode(&bytes[..PAGE], bytes.len() as u64) else { return };
    let tie = Tie::of(&bytes[..PAGE]).unwrap();
    let start = header.sections.checks.start as usize;
    let (pages, checks) = bytes.split_at_mut(start);
    for (number, page) in (1..).zip(pages[PAGE..].chunks_exact(PAGE)) {
        let sum = tie.sum(number, page).unwrap();
        checks[(number as usize - 1) * 4..number as usize * 4].copy_from_slice(&sum.to_le_bytes());
    }
    let checks_crc = checksum::plain(checks);
    let header = IndexHeader { checks_crc, ..header };
    bytes[..PAGE].copy_from_slice(&header.encode());
}

fn sum_header(bytes: &mut [u8]) {
    let sum = checksum::plain(&bytes[..PAGE - 4]);
    bytes[PAGE - 4..PAGE].copy_from_slice(&sum.to_le_bytes());
}

/// Asks everything of a file. What it answers is not looked at.
fn ask(bytes: &[u8], keys: &[Key]) -> Result<(), IndexError> {
    let sealed = Arc::new(Sealed::open(Box::new(Lent(bytes.to_vec())), &IDENTITY)?);
    let verified = sealed.verify();
    let part = Part::File(sealed.clone());
    let mut out = Vec::new();
    for key in keys {
        let Ok(Some(held)) = part.find(*key) else { continue };
        for at in [0, 1, 7, held.count / 2, held.last, held.count, u32::MAX] {
            let _ = part.nth(&held, at);
            let _ = part.batch(&held, at, Way::Forward, &mut out);
            assert!(out.len() <= 128);
            let _ = part.batch(&held, at, Way::Backward, &mut out);
            assert!(out.len() <= 128);
        }
    }
    for ordinal in 0..40 {
        let _ = part.offset(ordinal);
    }
    let _ = part.names("order-1");
    let mut known = |key| Ok::<_, IndexError>(lineage(key));
    let _ = write_segment(&IDENTITY, sealed.covers(), &[part], &mut known);
    let _ = write_run(IDENTITY.store, &[Layer::Index(sealed)]);
    verified
}

/// A change of a byte.
type Change = (prop::sample::Index, u8);

fn change(bytes: &mut [u8], changes: &[Change]) {
    for (at, value) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn forged_sections_give_errors_and_no_panic(
        events in events(1..60),
        changes in proptest::collection::vec(any::<Change>(), 1..20),
    ) {
        let mut bytes = write(&events, &[memory(0, &events)]);
        let keys: Vec<Key> = Model::of(0, &events).keys.into_keys().collect();
        let used = IndexHeader::decode(&bytes, bytes.len() as u64).unwrap().sections.names.end();
        change(&mut bytes[PAGE..used as usize], &changes);
        forge(&mut bytes);
        let _ = ask(&bytes, &keys);
    }

    #[test]
    fn forged_headers_give_errors_and_no_panic(
        changes in proptest::collection::vec(any::<Change>(), 1..4),
    ) {
        let events = sample();
        let mut bytes = write(&events, &[memory(0, &events)]);
        let keys: Vec<Key> = Model::of(0, &events).keys.into_keys().collect();
        change(&mut bytes[20..232], &changes);
        forge(&mut bytes);
        let _ = ask(&bytes, &keys);
    }

    #[test]
    fn forged_runs_give_errors_and_no_panic(
        changes in proptest::collection::vec(any::<Change>(), 1..8),
    ) {
        let events = sample();
        let Part::File(sealed) = lent(&write(&events, &[memory(0, &events)])) else { unreachable!() };
        let mut bytes = write_run(IDENTITY.store, &[Layer::Index(sealed)]).unwrap();
        let used = IndexHeader::decode(&bytes, bytes.len() as u64).unwrap().sections.entries.end();
        change(&mut bytes[PAGE..used as usize], &changes);
        forge(&mut bytes);
        let Ok(run) = Run::open(Box::new(Copied::new(bytes)), IDENTITY.segment, &IDENTITY) else { return Ok(()) };
        let _ = run.verify();
        for key in Model::of(0, &events).keys.keys() {
            let _ = run.find(*key);
        }
        let _ = write_run(IDENTITY.store, &[Layer::Run(Arc::new(run))]);
    }
}

#[test]
fn a_filter_cannot_lead_beyond_its_section() {
    let events = sample();
    let whole = write(&events, &[memory(0, &events)]);
    let header = IndexHeader::decode(&whole, whole.len() as u64).unwrap();
    let keys: Vec<Key> = Model::of(0, &events).keys.into_keys().collect();
    let word = |at: usize, value: u32| {
        let mut filter = header.filter;
        filter[at..at + 4].copy_from_slice(&value.to_le_bytes());
        filter
    };
    let hostile = [0, 1, 3, 5, 1 << 16, 1 << 31, u32::MAX - 1, u32::MAX]
        .into_iter()
        .flat_map(|value| [word(8, value), word(12, value), word(16, value)]);
    let mut refused = 0;
    for filter in hostile {
        let mut bytes = whole.clone();
        bytes[..PAGE].copy_from_slice(&IndexHeader { filter, ..header }.encode());
        forge(&mut bytes);
        refused += usize::from(ask(&bytes, &keys).is_err());
    }
    assert!(refused >= 20, "{refused} of 24 descriptors refused");
}

#[test]
fn more_events_than_places_of_events_are_refused() {
    let events = sample();
    let mut bytes = write(&events, &[memory(0, &events)]);
    let mut header = IndexHeader::decode(&bytes, bytes.len() as u64).unwrap();
    let quipu_format::index::Contents::Segment(covered) = &mut header.contents else {
        unreachable!()
    };
    covered.events = u32::MAX;
    bytes[..PAGE].copy_from_slice(&header.encode());
    forge(&mut bytes);
    let refused = Sealed::open(Box::new(Lent(bytes)), &IDENTITY).unwrap_err();
    assert!(refused.to_string().contains("more events"), "{refused}");
}

/// Changes the sections of a file, makes its checksums match, and verifies it.
fn verify_forged(edit: impl Fn(&mut [u8], &IndexHeader)) -> Result<(), IndexError> {
    let events = sample();
    let mut bytes = write(&events, &[memory(0, &events)]);
    let header = IndexHeader::decode(&bytes, bytes.len() as u64).unwrap();
    edit(&mut bytes, &header);
    forge(&mut bytes);
    Sealed::open(Box::new(Lent(bytes)), &IDENTITY)?.verify()
}

#[test]
fn verifying_finds_contradictions_under_matching_checksums() {
    assert!(verify_forged(|_, _| {}).is_ok());
    let denied = [
        (
            "an order of entries",
            verify_forged(|bytes, header| {
                let at = entry(header, 3);
                let (one, two) = bytes[at..at + 96].split_at_mut(48);
                one.swap_with_slice(two);
            }),
        ),
        (
            "a key that the filter has not",
            verify_forged(|bytes, header| {
                let span = header.sections.filter;
                bytes[span.start as usize..span.end() as usize].fill(0x3c);
            }),
        ),
        (
            "a slot of the directory",
            verify_forged(|bytes, header| {
                bytes[header.sections.directory.start as usize + 4] += 1;
            }),
        ),
        ("a count", verify_forged(|bytes, header| bytes[entry(header, 5) + 24] += 1)),
        (
            "a chain into the future",
            verify_forged(|bytes, header| {
                bytes[entry(header, 5) + 36..][..4].copy_from_slice(&100u32.to_le_bytes());
            }),
        ),
        (
            "an order of names",
            verify_forged(|bytes, header| {
                // The last letter of the first name: what the next one shares ends before it.
                let start = header.sections.names.start as usize;
                let first = start + usize::from(bytes[start + 8]);
                bytes[first + 1 + usize::from(bytes[first])] = b'~';
            }),
        ),
    ];
    all_denied(denied);
}

#[test]
fn verifying_finds_entries_that_their_postings_contradict() {
    let denied = [
        (
            "a last ordinal",
            verify_forged(|bytes, header| {
                let at = (0..header.entries.into()).map(|number| entry(header, number));
                let many = at.filter(|at| bytes[at + 24] > 2 && bytes[at + 28] < 29);
                bytes[many.min().unwrap() + 28] += 1;
            }),
        ),
        (
            "how many stand before the first chunk of a bitmap",
            verify_forged(|bytes, header| {
                let at = (0..header.entries.into()).map(|number| entry(header, number));
                let found = at.map(|at| Entry::decode(&bytes[at..]).unwrap());
                let bitmap = |found: &Entry| matches!(found.layout(30), Ok(Layout::Bitmap(_)));
                let postings = found.filter(bitmap).map(|found| found.postings_at()).min();
                bytes[(header.sections.postings.start + postings.unwrap()) as usize] = 1;
            }),
        ),
        (
            "a place of postings that are not needed",
            verify_forged(|bytes, header| {
                let mut at = (0..header.entries.into()).map(|number| entry(header, number));
                let every = at.find(|at| bytes[at + 24] == 30).unwrap();
                bytes[every + 32..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
            }),
        ),
    ];
    all_denied(denied);
}

/// Where an entry stands.
fn entry(header: &IndexHeader, number: u64) -> usize {
    (header.sections.entries.start + number * 48) as usize
}

fn all_denied<const N: usize>(verified: [(&str, Result<(), IndexError>); N]) {
    for (what, verified) in verified {
        assert!(verified.is_err(), "verifying misses {what}");
    }
}
