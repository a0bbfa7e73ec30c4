//! What an opening finds and does where the store was not closed, to the byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu::{Damage, Error, ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Store, verify_on};
use quipu_disk::{Disk, Errno, Fault, FaultDisk, FaultKind};
use quipu_format::checksum::Place;
use quipu_format::frame::{LINK_FRAME_BYTES, Link};
use quipu_format::segment::SegmentHeader;
use quipu_format::{ByteOffset, Epoch, Lsn, Timestamp};

use crate::reading::count;
use crate::small::options;

const PATH: &str = "s";
const FIRST_FRAME: usize = 4096;
const FRAME_HEADER: usize = 32;

pub(crate) fn try_open(disk: &FaultDisk, mode: Mode, options: &Options) -> quipu::Result<Store> {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options.clone()).mode(mode).open()
}

fn open(disk: &FaultDisk) -> Store {
    try_open(disk, Mode::Create, &options()).unwrap()
}

pub(crate) fn append(store: &Store, bytes: usize) {
    store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; bytes])]).unwrap();
}

/// A store of so many events, whose writer was killed or has closed it.
fn store_of(events: u64, closed: bool) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk);
    (0..events).for_each(|_| append(&store, 500));
    if closed {
        store.close().unwrap();
        return disk;
    }
    let after = disk.kill();
    drop(store);
    after
}

fn file(name: &str) -> PathBuf {
    Path::new(PATH).join(name)
}

pub(crate) fn segment(number: u32) -> PathBuf {
    file(&format!("{number:010}.seg"))
}

fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension() == Some("seg".as_ref())).collect()
}

/// Where each frame of a segment begins, and where the last ends.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let frames = crate::frames::frames(bytes);
    let ends = frames.iter().map(|(at, header)| *at as usize + header.len as usize);
    std::iter::once(FIRST_FRAME).chain(ends).collect()
}

fn damage(opened: quipu::Result<Store>) -> Damage {
    let error: Error = opened.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    error.damage().unwrap().clone()
}

#[test]
fn what_is_dropped_is_counted_up_to_the_last_byte_that_is_not_zero() {
    for dropped in [0, 1, 100, 2000] {
        let disk = store_of(2, false);
        let mut bytes = disk.contents(&segment(1)).unwrap();
        let end = *frames(&bytes).last().unwrap();
        bytes[end..end + dropped].fill(7);
        disk.put(&segment(1), &bytes).unwrap();
        let store = open(&disk);
        let recovered = store.opening().recovered.clone().unwrap();
        assert_eq!((recovered.segment, recovered.valid_to), (1, end as u64));
        assert_eq!((recovered.dropped_bytes, count(&store)), (dropped as u64, 2));
    }
}

/// The group that a segment begins with tears, or is changed before anything calls it durable: without its link it is no
/// part of the log, and its segment is removed.
#[test]
fn what_is_dropped_with_a_whole_segment_is_counted_too() {
    let disk = FaultDisk::new(1);
    let options = Options { mark_after: Duration::from_secs(3600), ..options() };
    let store = try_open(&disk, Mode::Create, &options).unwrap();
    let begun = || disk.contents(&segment(2)).is_ok_and(|bytes| bytes[FIRST_FRAME] != 0);
    while !begun() {
        append(&store, 500);
    }
    let held = count(&store);
    let after = disk.kill();
    drop(store);
    let bytes = after.contents(&segment(2)).unwrap();
    let written = frames(&bytes).last().unwrap() - FIRST_FRAME;
    after.flip(&segment(2), FIRST_FRAME as u64 + 40, 1).unwrap();
    let store = open(&after);
    let recovered = store.opening().recovered.clone().unwrap();
    assert_eq!((recovered.segment, count(&store)), (1, held - 1));
    assert_eq!(recovered.dropped_bytes.next_multiple_of(16), written as u64);
}

#[test]
fn damage_in_front_of_what_is_durable_is_told_from_its_first_byte_to_its_last() {
    let disk = store_of(3, false);
    let mut bytes = disk.contents(&segment(1)).unwrap();
    // A link and three commits; the last says that all before it is durable.
    let [_, first, second, third, _] = frames(&bytes)[..] else { panic!("{:?}", frames(&bytes)) };
    bytes[first + 1] ^= 1;
    disk.put(&segment(1), &bytes).unwrap();
    let damage = damage(try_open(&disk, Mode::Existing, &options()));
    assert_eq!((damage.file, damage.offset.0), (segment(1), first as u64));
    assert_eq!(damage.bytes, (third - first) as u64);
    assert_eq!((damage.positions.start.0, damage.positions.end.0), (0, 1));
    assert!(second < third);
}

#[test]
fn a_log_that_ends_before_the_place_where_it_was_closed_is_told_by_what_is_missing() {
    let disk = store_of(3, true);
    for path in disk.files() {
        if path.extension() == Some("idx".as_ref()) {
            disk.remove(&path).unwrap();
        }
    }
    let mut bytes = disk.contents(&segment(1)).unwrap();
    let [_, _, _, third, mark, end] = frames(&bytes)[..] else { panic!("{:?}", frames(&bytes)) };
    bytes[third..].fill(0);
    disk.put(&segment(1), &bytes).unwrap();
    let damage = damage(try_open(&disk, Mode::Existing, &options()));
    assert_eq!((damage.file, damage.offset.0), (segment(1), third as u64));
    assert_eq!(damage.bytes, (end - third) as u64);
    assert_eq!((damage.positions.start.0, damage.positions.end.0), (2, 3));
    assert!(third < mark);
}

/// A link that leads back to its own segment leads nowhere.
#[test]
fn a_segment_that_names_itself_as_the_one_before_is_damage() {
    let disk = store_of(2, false);
    let mut bytes = disk.contents(&segment(1)).unwrap();
    let SegmentHeader { salt, segment: id, .. } = SegmentHeader::decode(&bytes).unwrap();
    let end = Lsn::new(id, ByteOffset(*frames(&bytes).last().unwrap() as u64));
    let link = Link {
        predecessor: Some((end, salt)),
        last_time: Timestamp(0),
        epoch: Epoch([1; 16]),
        writer: 0,
    };
    let body = link.encode(Place::new(salt, ByteOffset(FIRST_FRAME as u64)));
    bytes[FIRST_FRAME + FRAME_HEADER..FIRST_FRAME + LINK_FRAME_BYTES].copy_from_slice(&body);
    disk.put(&segment(1), &bytes).unwrap();
    let damage = damage(try_open(&disk, Mode::Existing, &options()));
    assert_eq!((&damage.file, damage.offset.0), (&segment(1), FIRST_FRAME as u64));
    assert!(damage.what.contains("before this one is missing"), "{damage:?}");
}

#[test]
fn a_file_with_the_header_of_another_segment_is_damage() {
    let other = {
        let disk = FaultDisk::new(2);
        let store = open(&disk);
        (0..12).for_each(|_| append(&store, 500));
        store.close().unwrap();
        disk.contents(&segment(1)).unwrap()
    };
    let is_told = |disk: &FaultDisk, number: u32| {
        let report = verify_on(disk, Path::new(PATH), &mut |_| {}).unwrap();
        let of_file = |finding: &&quipu::Finding| finding.file == segment(number);
        report
            .findings
            .iter()
            .filter(of_file)
            .any(|finding| finding.what.contains("of another segment"))
    };
    // One that is listed and sealed, one that is listed and not sealed, one that nobody knows.
    for (number, bytes) in [(1, Some(&other)), (2, None), (9, None)] {
        let disk = store_of(12, true);
        assert!(!is_told(&disk, number));
        let first = disk.contents(&segment(1)).unwrap();
        disk.put(&segment(number), bytes.unwrap_or(&first)).unwrap();
        assert!(is_told(&disk, number), "{number}");
    }
}

#[test]
fn where_there_is_little_room_a_recovery_makes_do_with_a_smaller_segment() {
    let large = Options { segment_bytes_min: 64 << 10, segment_bytes_max: 64 << 10, ..options() };
    let disk = FaultDisk::new(1);
    let store = try_open(&disk, Mode::Create, &large).unwrap();
    append(&store, 500);
    let disk = disk.kill();
    drop(store);
    disk.plan_full(Some(20 << 10));
    let store = try_open(&disk, Mode::Existing, &large).unwrap();
    assert!(store.opening().recovered.is_some() && store.opening().postponed.is_none());
    assert_eq!(disk.contents(&segment(2)).unwrap().len(), 8 << 10);
    disk.plan_full(None);
    append(&store, 500);
    store.close().unwrap();
    assert_eq!(count(&open(&disk)), 2);
}

#[test]
fn a_large_store_goes_on_in_a_larger_segment() {
    let growing = Options { segment_bytes_max: 1 << 20, ..options() };
    let disk = FaultDisk::new(1);
    let store = try_open(&disk, Mode::Create, &growing).unwrap();
    (0..60).for_each(|_| append(&store, 4000));
    let disk = disk.kill();
    let written = 60 * 4100;
    drop(store);
    let store = try_open(&disk, Mode::Existing, &growing).unwrap();
    assert!(store.opening().recovered.is_some());
    let last = disk.contents(segments(&disk).last().unwrap()).unwrap().len();
    assert!(last > written / 12 && last < written / 6, "{last} of {written}");
}

/// Whatever the size of what is carried over, the segment has room for how it ends.
#[test]
fn a_commit_that_is_carried_over_leaves_room_for_the_end() {
    for less in 0..6 {
        let disk = FaultDisk::new(1);
        let store = open(&disk);
        append(&store, 12_000 - 16 * less);
        let disk = disk.kill();
        drop(store);
        let store = open(&disk);
        assert_eq!(store.opening().recovered.as_ref().unwrap().carried_events, 1);
        store.close().unwrap();
        let store = open(&disk);
        assert!(store.opening().recovered.is_none(), "{less}: it was closed");
        (0..10).for_each(|_| append(&store, 2000));
        store.close().unwrap();
        let report = verify_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
        assert!(report.is_sound() && report.events == 11, "{less}: {:?}", report.findings);
    }
}

#[test]
fn a_store_that_nothing_is_appended_to_goes_on_in_its_first_segment() {
    let disk = FaultDisk::new(1);
    for _ in 0..3 {
        open(&disk).close().unwrap();
        assert_eq!(segments(&disk), [segment(1)]);
    }
}

#[test]
fn what_was_not_finished_is_removed_by_the_next_opening_for_writing() {
    let disk = store_of(2, true);
    let left = file("0000000009.seg.tmp");
    disk.put(&left, b"half of it").unwrap();
    drop(try_open(&disk, Mode::ReadOnly, &options()).unwrap());
    assert!(disk.files().contains(&left), "who reads removes nothing");
    open(&disk).close().unwrap();
    assert!(!disk.files().contains(&left));
}

/// A call to the disk fails while the store is opened: nobody takes that for a store that is missing or damaged, and
/// nothing is lost by it.
#[test]
fn an_error_of_the_disk_is_told_as_one() {
    let ways = [(true, Mode::Existing, 12), (false, Mode::Existing, 3), (false, Mode::ReadOnly, 5)];
    for (closed, mode, step) in ways {
        let calls = {
            let disk = store_of(2, closed);
            let before = disk.operations();
            let store = try_open(&disk, mode, &options()).unwrap();
            let calls = disk.operations() - before;
            drop(disk.kill());
            drop(store);
            calls
        };
        let mut failed = 0;
        // All of the beginning of one, where the store is looked for, and some of the rest.
        for call in (0..calls).filter(|call| call % step == 0 || *call < step && closed) {
            let disk = store_of(2, closed);
            let kind = FaultKind::Error(Errno::TimedOut);
            disk.plan(Fault { at: disk.operations() + call, kind, sticky: false });
            if let Err(error) = try_open(&disk, mode, &options()) {
                assert_eq!(error.kind(), ErrorKind::Io, "call {call}, {mode:?}: {error}");
                failed += 1;
            }
            // Where the call was not come to, the fault is not met later either.
            assert_eq!(count(&open(&disk.kill())), 2, "call {call}, {mode:?}");
        }
        assert!(failed > 0, "{failed} of {calls} calls matter");
    }
}

/// The disk is full at one call: the store is read, or written all the same, and the next opening finds all of it.
#[test]
fn a_recovery_without_room_loses_nothing() {
    let mut postponed = 0;
    for call in 0..60 {
        let disk = store_of(2, false);
        let kind = FaultKind::Error(Errno::Full);
        disk.plan(Fault { at: disk.operations() + call, kind, sticky: false });
        let Ok(store) = try_open(&disk, Mode::Existing, &options()) else { continue };
        if store.opening().postponed.is_none() {
            continue;
        }
        postponed += 1;
        assert_eq!(count(&store), 2);
        let disk = disk.kill();
        drop(store);
        assert_eq!(count(&open(&disk)), 2, "call {call}");
    }
    assert!(postponed > 2, "{postponed}");
}

/// Segments grow with the log, and not with the room that was never written.
#[test]
fn a_store_that_is_killed_again_and_again_grows_with_what_is_written() {
    let options = Options { segment_bytes_max: 1 << 20, ..options() };
    let mut disk = FaultDisk::new(1);
    for _ in 0..60 {
        let store = try_open(&disk, Mode::Create, &options).unwrap();
        (0..2).for_each(|_| append(&store, 100));
        let left = disk.kill();
        drop(store);
        disk = left;
    }
    let sizes = segments(&disk).into_iter().map(|path| disk.contents(&path).unwrap().len());
    let (number, bytes) = (sizes.len(), sizes.sum::<usize>());
    assert!(number > 40 && bytes <= (number * 9) << 10, "{bytes} bytes in {number} segments");
    let store = try_open(&disk, Mode::Create, &options).unwrap();
    assert_eq!(count(&store), 120);
}
