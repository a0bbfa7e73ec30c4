//! What a file costs that was made to cost much: counted in bytes that are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu_format::features::Features;
use quipu_format::index::filter::DESCRIPTOR_BYTES;
use quipu_format::index::offsets::Offsets;
use quipu_format::index::{
    Contents, Covered, Draft, Entry, Parts, Scope, build, directory, names, offsets, postings,
};
use quipu_format::{ByteOffset, Position, Timestamp};
use quipu_index::{IndexError, Key, Layer, Lineage, Part, Sealed, write_segment};

use super::events::IDENTITY;
use super::source::{Copied, Lent, write_run};

/// A file of so many events, all at one place, and what keys they have.
struct Forged {
    events: u32,
    /// Where the frames end that it covers.
    end: ByteOffset,
    entries: Vec<u8>,
    postings: Vec<u8>,
    offsets: Vec<u8>,
    keys: Vec<u128>,
}

impl Forged {
    fn of(events: u32) -> Forged {
        let mut offsets = Vec::new();
        let mut encoder = offsets::Encoder::new(events, &mut offsets);
        (0..events).for_each(|_| encoder.push(300));
        encoder.finish();
        let (entries, postings, keys) = (Vec::new(), Vec::new(), Vec::new());
        Forged { events, end: ByteOffset::from_units(u32::MAX), entries, postings, offsets, keys }
    }

    /// A key of these events.
    fn key(&mut self, key: u128, ordinals: impl ExactSizeIterator<Item = u32> + Clone) {
        let count = ordinals.len() as u32;
        let last = ordinals.clone().last().unwrap();
        let mut encoder = postings::Encoder::new(count, self.events, &mut self.postings);
        ordinals.for_each(|ordinal| encoder.push(ordinal));
        let postings = encoder.finish();
        self.entry(Entry { count, last, postings, ..entry(key) });
    }

    fn entry(&mut self, entry: Entry) {
        self.keys.push(entry.key);
        entry.encode(&mut self.entries);
    }

    /// The file, with a directory of so many bits.
    fn file(&self, bits: u8) -> Vec<u8> {
        let (mut slots, mut none) = (Vec::new(), Vec::new());
        directory::encode(bits, self.keys.iter().copied(), &mut slots);
        names::encode::<&str>(&[], &mut none);
        build(&Draft {
            features: Features::default(),
            store: IDENTITY.store,
            contents: Contents::Segment(Covered {
                segment: IDENTITY.segment,
                salt: IDENTITY.salt,
                base: Position(7),
                events: self.events,
                ids: 0,
                end: self.end,
                last_time: Timestamp(0),
            }),
            filter: [0; DESCRIPTOR_BYTES],
            parts: Parts {
                filter: &[],
                directory: &slots,
                entries: &self.entries,
                postings: &self.postings,
                offsets: &self.offsets,
                names: &none,
            },
        })
    }
}

fn entry(key: u128) -> Entry {
    let (count, last, postings) = (1, 0, 0);
    let scope = Scope::Store;
    Entry { key, before: 0, count, last, postings, prev: None, jump: None, depth: 0, scope }
}

/// The file, opened from a source that counts what is read.
fn counted(bytes: Vec<u8>) -> (Sealed, Arc<AtomicU64>) {
    let source = Copied::new(bytes);
    let read = Arc::clone(&source.read);
    (Sealed::open(Box::new(source), &IDENTITY).unwrap(), read)
}

/// Writes the index again from the file. Gives how large it is.
fn write_again(sealed: Sealed) -> Result<usize, IndexError> {
    let covers = *sealed.covers();
    let mut alone = |_| Ok(Lineage::default());
    let parts = [Part::File(Arc::new(sealed))];
    write_segment(&IDENTITY, &covers, &parts, &mut alone).map(|bytes| bytes.len())
}

#[test]
fn verifying_reads_few_times_as_much_as_there_is() {
    let events = 4 << 20;
    let mut forged = Forged::of(events);
    forged.key(1 << 127, (0..events / 2).map(|at| at * 2));
    forged.key((1 << 127) + 1, (0..events / 32).map(|at| at * 32));
    let file = forged.file(0);
    let bytes = file.len() as u64;
    let (sealed, read) = counted(file);
    sealed.verify().unwrap();
    let read = read.load(Ordering::Relaxed);
    // Of each block of 128 events or ordinals a page or two are looked at, if only to see where it begins.
    assert!(read < 200 * bytes, "{read} of {bytes}");
}

#[test]
fn a_directory_that_leads_nowhere_near_does_not_have_all_entries_read() {
    let mut forged = Forged::of(1);
    let keys = (1..100_000_u128).map(|number| number << 100);
    keys.clone().for_each(|key| forged.entry(entry(key)));
    let file = forged.file(0);
    let (sealed, read) = counted(file);
    let part = Part::File(Arc::new(sealed));
    for key in keys.step_by(1000) {
        let before = read.load(Ordering::Relaxed);
        assert!(part.find(Key(key)).unwrap().is_some());
        assert!(part.find(Key(key + 1)).unwrap().is_none());
        let read = read.load(Ordering::Relaxed) - before;
        assert!(read < 256 << 10, "{read} bytes for two questions");
    }
}

#[test]
fn blocks_of_places_that_overlap_are_neither_verified_nor_copied() {
    let mut forged = Forged::of(100_000);
    // Each block is the first one.
    let at = Offsets::of(forged.events).table_range();
    let first = forged.offsets[4..8].to_vec();
    for slot in forged.offsets[..at.end as usize].chunks_exact_mut(8) {
        slot[4..].copy_from_slice(&first);
    }
    let open = || Sealed::open(Box::new(Lent(forged.file(0))), &IDENTITY).unwrap();
    assert!(open().verify().unwrap_err().to_string().contains("overlap"));
    assert!(write_again(open()).unwrap_err().to_string().contains("overlap"));
}

#[test]
fn postings_that_many_keys_share_are_neither_verified_nor_copied() {
    let events = 100_000;
    let mut forged = Forged::of(events);
    forged.key(1, (0..events / 2).map(|at| at * 2));
    let shared = Entry::decode(&forged.entries).unwrap();
    (2..100).for_each(|key| forged.entry(Entry { key, ..shared }));
    let open = || Sealed::open(Box::new(Lent(forged.file(0))), &IDENTITY).unwrap();
    assert!(open().verify().unwrap_err().to_string().contains("overlap"));
    assert!(write_again(open()).unwrap_err().to_string().contains("overlap"));
}

#[test]
fn a_block_of_differences_that_is_read_for_two_is_neither_verified_nor_copied() {
    let events = 100_000;
    let mut forged = Forged::of(events);
    forged.key(1, (0..events / 32).map(|at| at * 32));
    // The second block's slot leads to the first block: it begins with another ordinal, and goes on alike.
    let first = forged.postings[4..8].to_vec();
    forged.postings[12..16].copy_from_slice(&first);
    let open = || Sealed::open(Box::new(Lent(forged.file(0))), &IDENTITY).unwrap();
    assert!(open().verify().unwrap_err().to_string().contains("overlap"));
    assert!(write_again(open()).unwrap_err().to_string().contains("overlap"));
}

/// There are 64 at most for each event, and one for each byte of the segment.
#[test]
fn more_postings_than_the_events_can_have_are_neither_verified_nor_copied() {
    for (events, end, keys) in [(100_000, u64::MAX, 64), (1 << 16, 1 << 20, 16)] {
        let mut forged = Forged::of(events);
        forged.end.0 = forged.end.0.min(end);
        let all = Entry { count: events, last: events - 1, ..entry(0) };
        (0..keys).for_each(|key| forged.entry(Entry { key, ..all }));
        let open =
            |forged: &Forged| Sealed::open(Box::new(Lent(forged.file(0))), &IDENTITY).unwrap();
        open(&forged).verify().unwrap();
        write_again(open(&forged)).unwrap();
        forged.entry(Entry { key: keys, ..all });
        let refused =
            [open(&forged).verify().unwrap_err(), write_again(open(&forged)).unwrap_err()];
        for refused in refused {
            assert!(refused.to_string().contains("more postings"), "{refused}");
        }
    }
}

/// What came behind would hide some of them.
#[test]
fn a_file_whose_keys_do_not_ascend_is_neither_copied_nor_merged() {
    for (keys, sound) in [([3, 5], true), ([5, 3], false), ([3, 3], false)] {
        let mut forged = Forged::of(1);
        keys.into_iter().for_each(|key| forged.entry(entry(key)));
        let file = || counted(forged.file(0)).0;
        assert_eq!(write_again(file()).is_ok(), sound, "{keys:?}");
        let merged = write_run(IDENTITY.store, &[Layer::Index(Arc::new(file()))]);
        assert_eq!(merged.is_ok(), sound, "{keys:?}");
    }
}
