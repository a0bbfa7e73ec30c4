//! How a log ends that was not closed: what recovery keeps, salvage keeps, and what recovery has left behind stays
//! behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::{Durability, ExpectedVersion, NewEvent, Options, OwnedEvent, Store, salvage_on};
use quipu_disk::{Disk, Fault, FaultDisk, FaultKind, PowerCut};
use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader};
use quipu_format::segment::SegmentHeader;
use quipu_format::{ByteOffset, Salt, SegmentId};

use super::checker::{Known, make};
use super::store::{
    COPY, PATH, change, commits, damage, events, files, fill, open, options, segments, try_fill,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A store whose power went off again and again, each time at another moment; and what it was in its last life.
fn unclean(seed: u64) -> FaultDisk {
    let mut disk = FaultDisk::new(seed);
    for life in 0..4 {
        let at = disk.operations() + 3 + (seed * 31 + life * 13) % 90;
        disk.plan(Fault { at, kind: FaultKind::PowerOff, sticky: true });
        let store = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open();
        if let Ok(store) = store {
            let _failed = try_fill(&store, 12);
        }
        // What the last call has written of its bytes is there, or what chance says of all.
        let is_last = life == 3 && seed.is_multiple_of(2);
        disk = disk.power_cut(if is_last { PowerCut::KeepAll } else { PowerCut::Random });
    }
    disk
}

/// The events of a copy of which nothing is lost, and whether that is certain.
fn salvaged(disk: &FaultDisk, to: &str) -> (Vec<OwnedEvent>, bool) {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let report = salvage_on(&shared, PATH.as_ref(), to.as_ref(), &options(), &mut |_| {}).unwrap();
    assert!(report.lost.is_empty() && report.is_complete() == report.manifest.is_none());
    (events(disk, to), report.is_complete())
}

#[test]
fn of_a_store_that_was_not_closed_the_same_is_kept_as_by_recovery() {
    let mut torn = 0;
    for seed in 0..900 {
        let disk = unclean(seed);
        if !disk.files().iter().any(|file| file == Path::new("s/manifest")) {
            continue;
        }
        let kept = salvaged(&disk, COPY);
        change(&disk, Path::new("s/manifest"), 20, 1);
        let without_manifest = salvaged(&disk, "other");
        change(&disk, Path::new("s/manifest"), 20, 1);
        let store = open(&disk);
        torn += u64::from(store.opening().recovered.as_ref().is_some_and(|r| r.dropped_bytes > 0));
        store.close().unwrap();
        let recovered = events(&disk, PATH);
        assert_eq!(kept, (recovered.clone(), true), "seed {seed}");
        assert_eq!(without_manifest, (recovered, false), "seed {seed}, no manifest");
    }
    assert!(torn > 5, "{torn}");
}

/// A killed store, of which only the last commit is not known to be durable.
fn killed(commits: u64) -> (FaultDisk, Known) {
    let disk = FaultDisk::new(7);
    let store = open(&disk);
    fill(&store, commits);
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    let known = Known::of(&after);
    (after, known)
}

#[test]
fn damage_in_an_open_segment_costs_its_commit_and_nothing_behind() {
    let (disk, known) = killed(14);
    let last = &known.commits[13].file;
    let number = known.commits.iter().position(|commit| commit.file == *last).unwrap();
    assert!(number < 12, "{number}");
    damage(&disk, &known.commits, &[number]);
    let made = make(&disk);
    assert_eq!(known.judge(&[number], &made), Ok(()));
    assert_eq!(known.without(&[number]).judge_places(&made.report), Ok(()));
}

/// Nothing says that the last commit was ever acknowledged, so for salvage as for recovery it was not.
#[test]
fn a_torn_last_commit_is_no_loss() {
    let (disk, known) = killed(9);
    let last = known.commits.len() - 1;
    damage(&disk, &known.commits, &[last]);
    let made = make(&disk);
    assert_eq!(made.report.lost, []);
    assert!(made.report.unfinished_bytes > 100, "{:?}", made.report);
    assert_eq!(made.events, known.events[..known.events.len() - 3]);
}

/// A recovery copies what is not known to be durable into a new segment. If the link that begins that one is
/// damaged, nothing but the manifest names the end of the segment before, and without it nothing does.
#[test]
fn what_a_recovery_has_left_behind_is_not_brought_back() {
    let disk = FaultDisk::new(8);
    let late = Options { durability: Durability::Os, sync_interval: HOUR, ..options() };
    let store = Store::builder(PATH).disk(Arc::new(disk.clone())).options(late).open().unwrap();
    fill(&store, 7);
    for number in 0..5 {
        let event = NewEvent::new("T", vec![number; 200]);
        store.append("c", ExpectedVersion::Any, [event]).unwrap();
    }
    let disk = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    let known = Known::of(&disk);
    damage(&disk, &known.commits, &[known.commits.len() - 3]);
    let before = segments(&disk, PATH).len();
    let store = open(&disk);
    assert!(store.opening().recovered.as_ref().unwrap().dropped_bytes > 500);
    fill(&store, 4);
    store.close().unwrap();
    let kept = events(&disk, PATH);
    assert!(segments(&disk, PATH).len() > before);
    for file in segments(&disk, PATH) {
        for (link, manifest) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            change(&disk, &file, 4096 + 50, link);
            change(&disk, Path::new("s/manifest"), 20, manifest);
            let made = make(&disk);
            assert_eq!(
                (made.report.lost, made.events == kept),
                (vec![], true),
                "{}",
                file.display()
            );
            files(&disk, COPY).iter().for_each(|file| disk.remove(file).unwrap());
            change(&disk, &file, 4096 + 50, link);
            change(&disk, Path::new("s/manifest"), 20, manifest);
        }
    }
}

/// A store whose recovery was cut off before it could remove the segment that it gave up: both hold the same commits.
fn given_up() -> FaultDisk {
    for call in 0.. {
        let disk = FaultDisk::new(9);
        let late = Options { durability: Durability::Os, sync_interval: HOUR, ..options() };
        let store = Store::builder(PATH).disk(Arc::new(disk.clone())).options(late).open().unwrap();
        for number in 0..5 {
            let event = NewEvent::new("T", vec![number; 200]);
            store.append("c", ExpectedVersion::Any, [event]).unwrap();
        }
        let disk = disk.power_cut(PowerCut::KeepAll);
        drop(store);
        disk.plan(Fault { at: disk.operations() + call, kind: FaultKind::PowerOff, sticky: true });
        drop(Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open());
        let disk = disk.power_cut(PowerCut::KeepAll);
        let first = commits(&disk, PATH).iter().filter(|commit| commit.first.0 == 0).count();
        if first == 2 {
            return disk;
        }
    }
    unreachable!("some call comes between")
}

/// The commits of the log are those in the later segment: a damaged one is lost, although an older copy of it lies
/// about.
#[test]
fn a_segment_that_was_given_up_is_no_part_of_the_log() {
    for manifest in [0, 1] {
        let disk = given_up();
        let all = commits(&disk, PATH);
        let later = all.iter().filter(|commit| commit.file == all.last().unwrap().file);
        let known = Known { commits: later.cloned().collect(), events: events(&disk, PATH) };
        assert_eq!((all.len(), known.commits.len()), (10, 5));
        damage(&disk, &known.commits, &[2]);
        change(&disk, Path::new("s/manifest"), 20, manifest);
        assert_eq!(known.judge(&[2], &make(&disk)), Ok(()), "{manifest}");
    }
}

/// A store of six commits in one segment, whose writer was killed.
fn of_one_segment() -> FaultDisk {
    let disk = FaultDisk::new(5);
    // Nobody marks anything as durable by the clock.
    let options = Options { mark_after: HOUR, ..options() };
    let store = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).open().unwrap();
    for _ in 0..6 {
        let event = NewEvent::new("T", vec![7; 300]);
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
    }
    let killed = disk.kill();
    drop(store);
    assert!(commits(&killed, PATH).iter().all(|commit| commit.file == segments(&killed, PATH)[0]));
    killed
}

/// What is lost of a store is told, although nothing that is left of the log follows it.
fn is_told(disk: &FaultDisk) -> bool {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let report = salvage_on(&shared, PATH.as_ref(), COPY.as_ref(), &options(), &mut |_| {});
    let report = report.unwrap();
    assert_eq!(report.is_complete(), report.lost.is_empty());
    !report.lost.is_empty()
}

/// Two groups that were written before either was synced call the same place durable. The first of them is torn, so the
/// log ends there; the second shows that a commit before that place was acknowledged.
#[test]
fn a_damaged_commit_right_before_the_end_of_the_log_is_told() {
    for (damaged, told) in [(true, true), (false, false)] {
        let disk = of_one_segment();
        let all = commits(&disk, PATH);
        let bytes = disk.contents(&all[0].file).unwrap();
        let salt = SegmentHeader::decode(&bytes).unwrap().salt;
        let place = Place::new(salt, ByteOffset(all[5].bytes.start));
        let header = FrameHeader::decode(&bytes[all[5].bytes.start as usize..], place).unwrap();
        let header = FrameHeader { durable_to: ByteOffset(all[4].bytes.start), ..header };
        let mut bytes = bytes;
        let at = all[5].bytes.start as usize;
        bytes[at..at + FRAME_HEADER_BYTES].copy_from_slice(&header.encode(place));
        // The first of the two groups never came to its end.
        let torn = all[4].bytes.start as usize..all[4].bytes.end as usize;
        bytes[torn].fill(0);
        if damaged {
            bytes[all[3].bytes.start as usize + 1] ^= 1;
        }
        disk.put(&all[0].file, &bytes).unwrap();
        assert_eq!(is_told(&disk), told, "damaged: {damaged}");
    }
}

#[test]
fn a_last_segment_that_zeros_were_written_over_is_told() {
    let disk = of_one_segment();
    assert!(!is_told(&disk));
    let disk = of_one_segment();
    let file = segments(&disk, PATH).remove(0);
    let len = disk.contents(&file).unwrap().len();
    disk.put(&file, &vec![0; len]).unwrap();
    assert!(is_told(&disk));
}

/// A segment that was prepared and never written stands in its place: its header is whole, and not its own.
#[test]
fn a_last_segment_that_was_overwritten_by_an_empty_one_is_told() {
    let disk = of_one_segment();
    let file = segments(&disk, PATH).remove(0);
    let bytes = disk.contents(&file).unwrap();
    let header = SegmentHeader::decode(&bytes).unwrap();
    let header = SegmentHeader { segment: SegmentId(2), salt: Salt(7), ..header };
    let mut prepared = vec![0; bytes.len()];
    let encoded = header.encode();
    prepared[..encoded.len()].copy_from_slice(&encoded);
    disk.put(&file, &prepared).unwrap();
    assert!(is_told(&disk));
}
