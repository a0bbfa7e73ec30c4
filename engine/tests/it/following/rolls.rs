//! Following across rolls, of which not all can be read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{Durability, ExpectedVersion, Options, ReadMode, Store};
use quipu_disk::FaultDisk;

use super::beside::work;
use super::follower::{event, open_with};
use super::succession::{A_WHILE, acknowledge, known, left_behind, read_only, stepper};

fn reader(disk: &FaultDisk) -> Store {
    open_with(disk, Options { read_mode: ReadMode::Pread, ..read_only() })
}

/// Of each segment all that is in it, save its header.
fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    let files = disk.files().into_iter();
    files.filter(|file| file.extension().is_some_and(|it| it == "seg")).collect()
}

fn spoil(disk: &FaultDisk, file: &Path) {
    disk.spoil(file, 4096..8192).unwrap();
}

/// All that is visible to a reader is read by its type, or called lost.
fn nothing_is_missing(disk: &FaultDisk, reader: &Store, when: &str) {
    disk.advance(A_WHILE);
    let all: BTreeSet<u64> = (0..reader.next_position().0).collect();
    assert_eq!(known(reader), all, "{when}");
}

/// Appends an event. False if the store takes none any more: what it was to seal could not be read.
fn append(writer: &Stepper) -> bool {
    let parts =
        [Part { stream: "a", expected: ExpectedVersion::Any, events: vec![event("Noted")] }];
    loop {
        match writer.place(&parts, None, Durability::Sync, &mut Waiting::default()) {
            Ok(Step::Placed(copy)) => break drop(copy.finish()),
            Ok(Step::Busy) => assert!(writer.chore() || work(writer) > 0, "stuck"),
            _ => return false,
        }
    }
    work(writer);
    true
}

/// A segment without a link was prepared and never used, unless another follows it.
#[test]
fn a_segment_whose_link_cannot_be_read_is_not_passed_over_in_silence() {
    for is_spoiled in [true, false] {
        let disk = FaultDisk::new(17);
        let first = stepper(&disk).unwrap();
        acknowledge(&first);
        while first.chore() {}
        let next =
            disk.files().into_iter().rfind(|file| file.extension().is_some_and(|it| it == "seg"));
        let next = next.unwrap();
        if is_spoiled {
            disk.spoil(&next, 4096..8192).unwrap();
        }
        let options = Options { read_mode: ReadMode::Pread, ..read_only() };
        let reader = open_with(&disk, options);
        let wanted = first.segments() + 2;
        while first.segments() < wanted {
            acknowledge(&first);
        }
        if !is_spoiled {
            disk.zero(&next, 4096..4160).unwrap();
        }
        for _ in 0..3 {
            disk.advance(A_WHILE);
            let all: BTreeSet<u64> = (0..reader.next_position().0).collect();
            assert_eq!(known(&reader), all, "spoiled: {is_spoiled}");
        }
        assert_eq!(reader.next_position(), first.next_position(), "spoiled: {is_spoiled}");
    }
}

/// What a dead writer had not synced is carried into a new segment. Who cannot read that one has seen the rest in the old
/// one, of which it is no part any more.
#[test]
fn what_was_seen_where_it_is_no_more_is_not_missed() {
    for acknowledged in 1..4 {
        let disk = left_behind();
        let second = stepper(&disk).unwrap();
        spoil(&disk, segments(&disk).last().unwrap());
        let reader = reader(&disk);
        assert_eq!(reader.next_position().0, 2, "what was carried is in the old segment too");
        for _ in 0..acknowledged {
            acknowledge(&second);
            while second.chore() {}
            nothing_is_missing(&disk, &reader, &format!("{acknowledged} acknowledged"));
        }
    }
}

/// Of a segment that cannot be read at all, the index of the one before knows what is missing, until that is sealed.
#[test]
fn what_is_lost_behind_a_segment_is_known_when_that_is_sealed() {
    let mut lost = 0;
    for events in 0..160 {
        let disk = FaultDisk::new(19);
        let writer = stepper(&disk).unwrap();
        assert!((0..events).all(|_| append(&writer)));
        let segments = segments(&disk);
        let Some(before_last) = segments.len().checked_sub(2) else { continue };
        spoil(&disk, &segments[before_last]);
        let reader = reader(&disk);
        for chore in 0..4 {
            nothing_is_missing(&disk, &reader, &format!("{events} events, {chore} chores"));
            writer.chore();
            if !append(&writer) {
                break;
            }
        }
        lost += usize::from(!reader.opening().lost.is_empty());
    }
    assert!(lost > 20, "{lost} with a loss");
}
