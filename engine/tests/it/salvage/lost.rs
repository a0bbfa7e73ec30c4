//! What is lost with whole files, and with many commits at once.

use std::path::Path;

use quipu::{ErrorKind, Position, salvageable_on};
use quipu_disk::{Access, Disk, FaultDisk, MemoryDisk, PowerCut};
use quipu_format::ByteOffset;
use quipu_format::checksum::Place;
use quipu_format::frame::{FLAG_SPARSE, FrameHeader, FrameKind};
use quipu_format::segment::SegmentHeader;

use super::checker::{Known, make};
use super::store::{PATH, change, contents, damage, files, fill, open, segment, segments};
use crate::frames::frames;

const MANIFEST: &str = "s/manifest";

/// A closed store of some eight segments.
fn closed_store() -> (FaultDisk, Known) {
    let disk = FaultDisk::new(3);
    let store = open(&disk);
    fill(&store, 40);
    store.close().unwrap();
    let known = Known::of(&disk);
    assert!(segments(&disk, PATH).len() > 6);
    (disk, known)
}

/// The numbers of the commits in a segment.
fn within(known: &Known, file: &Path) -> Vec<usize> {
    (0..known.commits.len()).filter(|&number| known.commits[number].file == file).collect()
}

#[test]
fn commits_lost_here_and_there_are_told_one_by_one() {
    for step in [2, 3, 5, 7] {
        let (disk, known) = closed_store();
        let lost: Vec<usize> = (step - 2..known.commits.len()).step_by(step).collect();
        damage(&disk, &known.commits, &lost);
        let made = make(&disk);
        assert_eq!(known.judge(&lost, &made), Ok(()), "{step}");
        assert_eq!(known.without(&lost).judge_places(&made.report), Ok(()), "{step}");
    }
}

#[test]
fn a_store_of_which_every_commit_is_damaged_becomes_an_empty_one() {
    let (disk, known) = closed_store();
    let all: Vec<usize> = (0..known.commits.len()).collect();
    damage(&disk, &known.commits, &all);
    let made = make(&disk);
    assert_eq!(known.judge(&all, &made), Ok(()));
}

#[test]
fn nothing_is_lost_with_the_manifest_and_the_index_files() {
    let (disk, known) = closed_store();
    for file in files(&disk, PATH).iter().filter(|file| !segments(&disk, PATH).contains(file)) {
        disk.remove(file).unwrap();
    }
    let made = make(&disk);
    assert_eq!(known.judge(&[], &made), Ok(()));
    let manifest = made.report.manifest.unwrap();
    assert_eq!(manifest.file, Path::new(MANIFEST), "who knows whether there was more");
}

#[test]
fn a_segment_that_is_gone_costs_exactly_its_events() {
    for manifest in [true, false] {
        let (disk, known) = closed_store();
        let gone = segment(5);
        disk.remove(&gone).unwrap();
        if !manifest {
            disk.remove(Path::new(MANIFEST)).unwrap();
        }
        let made = make(&disk);
        assert_eq!(known.judge(&within(&known, &gone), &made), Ok(()), "{manifest}");
        let [lost] = &made.report.lost[..] else { panic!("{:?}", made.report.lost) };
        assert_eq!(lost.file, gone, "{manifest}");
    }
}

#[test]
fn segments_that_are_gone_one_after_another_are_told_apart_by_the_manifest() {
    let (disk, known) = closed_store();
    for number in [1, 4, 5, 6] {
        disk.remove(&segment(number)).unwrap();
    }
    let made = make(&disk);
    let lost: Vec<usize> =
        [1, 4, 5, 6].iter().flat_map(|&number| within(&known, &segment(number))).collect();
    assert_eq!(known.judge(&lost, &made), Ok(()));
    let files: Vec<_> = made.report.lost.iter().map(|lost| lost.file.clone()).collect();
    assert_eq!(files, [segment(1), segment(4), segment(5), segment(6)]);
}

#[test]
fn after_a_close_the_last_segment_is_known_by_what_is_missing() {
    let (disk, known) = closed_store();
    let last = known.commits.last().unwrap().file.clone();
    disk.remove(&last).unwrap();
    let made = make(&disk);
    assert_eq!(known.judge(&within(&known, &last), &made), Ok(()));
    assert_eq!(made.report.lost[0].file, last);
}

#[test]
fn of_a_killed_store_nobody_knows_what_the_last_segment_held() {
    let disk = FaultDisk::new(4);
    let store = open(&disk);
    fill(&store, 12);
    let disk = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    let known = Known::of(&disk);
    let last = known.commits.last().unwrap().file.clone();
    disk.remove(&last).unwrap();
    let report = make(&disk).report;
    let next = known.commits[within(&known, &last)[0]].first;
    assert_eq!(report.events, next.0);
    let [lost] = &report.lost[..] else { panic!("{:?}", report.lost) };
    assert_eq!((&lost.file, &lost.positions), (&last, &(next..next)));
    assert!(!report.is_complete());
}

#[test]
fn a_segment_that_was_cut_short_costs_its_tail() {
    for number in [3, 5] {
        let (disk, known) = closed_store();
        let file = segment(number);
        let bytes = contents(&disk, &file);
        let commits = within(&known, &file);
        let cut = usize::try_from(known.commits[commits[1]].bytes.start + 40).unwrap();
        disk.put(&file, &bytes[..cut]).unwrap();
        let made = make(&disk);
        assert_eq!(known.judge(&commits[1..], &made), Ok(()), "{number}");
        assert_eq!(made.report.lost[0].file, file);
    }
}

#[test]
fn a_segment_without_a_header_is_read_if_the_manifest_knows_it() {
    let (disk, known) = closed_store();
    change(&disk, &segment(5), 20, 1);
    assert_eq!(known.judge(&[], &make(&disk)), Ok(()));
    let (disk, known) = closed_store();
    change(&disk, &segment(5), 20, 1);
    change(&disk, Path::new(MANIFEST), 20, 1);
    let made = make(&disk);
    assert_eq!(known.judge(&within(&known, &segment(5)), &made), Ok(()));
    assert_eq!(made.report.lost[0].file, segment(5));
}

#[test]
fn without_a_manifest_segments_of_two_stores_are_not_mixed() {
    let (disk, known) = closed_store();
    let other = FaultDisk::new(5);
    let store = open(&other);
    fill(&store, 90);
    store.close().unwrap();
    disk.put(&segment(12), &contents(&other, &segment(12))).unwrap();
    assert_eq!(known.without(&[]).judge_report(&look(&disk).unwrap()), Ok(()));
    disk.remove(Path::new(MANIFEST)).unwrap();
    assert_eq!(look(&disk).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn what_a_newer_version_wrote_is_not_lost_in_silence() {
    let planted: [&dyn Fn(&mut FrameHeader); 3] = [
        &|header| header.kind = FrameKind::Control,
        &|header| header.kind = FrameKind::Skippable(0x90),
        &|header| header.kind = FrameKind::Encrypted,
    ];
    for plant in planted {
        replant(FrameKind::Mark, plant);
    }
    replant(FrameKind::Events, &|header| header.flags |= FLAG_SPARSE);
}

/// Changes the first frame of a kind and sums it anew: salvage refuses the store.
fn replant(kind: FrameKind, plant: &dyn Fn(&mut FrameHeader)) {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    fill(&store, 1);
    store.close().unwrap();
    let bytes = contents(&disk, &segment(1));
    let salt = SegmentHeader::decode(&bytes[..4096]).unwrap().salt;
    let found = frames(&bytes).into_iter().find(|(_, header)| header.kind == kind);
    let (at, mut header) = found.unwrap();
    plant(&mut header);
    let file = disk.open(&segment(1), Access::Write).unwrap();
    let encoded = header.encode(Place::new(salt, ByteOffset(at)));
    quipu_disk::write_all_at(&*file, &encoded, at).unwrap();
    let error = look(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{header:?}: {error}");
}

fn look(disk: &dyn Disk) -> quipu::Result<quipu::SalvageReport> {
    salvageable_on(disk, Path::new(PATH), &mut |_| {})
}

/// Lists are bounded; what is beyond is counted.
#[test]
fn a_report_counts_what_its_lists_do_not_hold() {
    let disk = MemoryDisk::new();
    let store = quipu::Store::builder(PATH).disk(std::sync::Arc::new(disk.clone())).open().unwrap();
    for number in 0..40_100_u64 {
        let name = format!("s-{}", number % 10_010);
        let event = quipu::NewEvent::new("T", b"".as_slice());
        let _sent = store.append_async(&name, quipu::ExpectedVersion::Any, [event]).unwrap();
    }
    store.close().unwrap();
    let known = super::store::commits(&disk, PATH);
    let lost: Vec<usize> =
        (0..known.len()).filter(|n| n / 10_010 == 0 || n / 10_010 == 2 && n % 2 == 0).collect();
    damage(&disk, &known, &lost);
    let report = look(&disk).unwrap();
    assert_eq!((report.lost.len(), report.more_lost), (10_000, 10 + 5_005));
    assert_eq!((report.renumbered.len(), report.more_renumbered), (10_000, 10));
    assert_eq!(report.events, 40_100 - 15_015);
    assert_eq!(report.moved_from, Some(Position(10_010)));
}
