//! A store that was closed, is damaged at rest, and is opened by writers that are killed before they have written anything.

use std::ops::Range;
use std::path::{Path, PathBuf};

use quipu::{ErrorKind, Mode, Store, salvageable_on, verify_on};
use quipu_disk::{FaultDisk, PowerCut};

use crate::manifest::{is_told, last_written, served};
use crate::reading::served_and_lost;
use crate::recovering::{append, segment, try_open};
use crate::small::options;

const EVENTS: u64 = 6;

fn open(disk: &FaultDisk) -> quipu::Result<Store> {
    try_open(disk, Mode::Existing, &options())
}

fn closed() -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = try_open(&disk, Mode::Create, &options()).unwrap();
    (0..EVENTS).for_each(|_| append(&store, 500));
    store.close().unwrap();
    disk
}

/// Where each frame of the only segment begins, and where the last one ends.
fn frames(disk: &FaultDisk) -> Vec<u64> {
    let found = crate::frames::frames(&disk.contents(&segment(1)).unwrap());
    let last = found.last().map(|(at, header)| at + u64::from(header.len));
    found.iter().map(|(at, _)| *at).chain(last).collect()
}

/// What is zeroed: each frame alone, and all from each frame on.
fn places(frames: &[u64]) -> Vec<Range<u64>> {
    let end = frames[frames.len() - 1];
    let starts = &frames[..frames.len() - 1];
    let alone = frames.windows(2).map(|pair| pair[0]..pair[1]);
    alone.chain(starts.iter().map(|&start| start..end)).collect()
}

/// What an opening for writing makes of it: how many events were served and told as lost, or nothing where it is refused.
fn written(disk: &FaultDisk, what: &str) -> Option<(u64, u64)> {
    match open(disk) {
        Ok(store) => {
            append(&store, 10);
            assert_eq!(store.next_position().0, EVENTS + 1, "{what}: a position is given twice");
            let (served, lost) = served_and_lost(&store);
            store.close().unwrap();
            Some((served, lost))
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}");
            let reader = try_open(disk, Mode::ReadOnly, &options()).unwrap();
            let (served, lost) = served_and_lost(&reader);
            assert_eq!(served + lost, EVENTS, "{what}, read");
            None
        }
    }
}

fn index() -> PathBuf {
    Path::new("s").join("0000000001.idx")
}

/// The manifest's word of the close outlasts who opens the store and is killed.
#[test]
fn what_a_closed_store_has_lost_is_told_whoever_was_killed_since() {
    let (mut by_index, mut refused) = (0, 0);
    for place in places(&frames(&closed())) {
        for without_index in [false, true] {
            for kills in 0..3 {
                let what = format!("{place:?}, without index: {without_index}, {kills} kills");
                let mut disk = closed();
                disk.zero(&segment(1), place.clone()).unwrap();
                if without_index {
                    disk.erase(&index()).unwrap();
                }
                let mut is_written = None;
                for _ in 0..kills {
                    let store = open(&disk);
                    assert_eq!(*is_written.get_or_insert(store.is_ok()), store.is_ok(), "{what}");
                    disk = disk.kill();
                    drop(store);
                }
                let found = written(&disk, &what);
                assert_eq!(found.is_some(), is_written.unwrap_or(found.is_some()), "{what}");
                match found {
                    Some((served, lost)) => {
                        assert_eq!(served + lost, EVENTS + 1, "{what}");
                        by_index += u32::from(lost > 0);
                    }
                    None => refused += 1,
                }
            }
        }
    }
    assert!(by_index > 10 && refused > 10, "{by_index} written, {refused} refused");
}

/// A store of so many events that was closed, opened again and written on, and whose writer was killed.
fn killed_since(events: u64, more: u64) -> FaultDisk {
    let disk = FaultDisk::new(2);
    let store = try_open(&disk, Mode::Create, &options()).unwrap();
    (0..events).for_each(|_| append(&store, 500));
    store.close().unwrap();
    let store = open(&disk).unwrap();
    (0..more).for_each(|_| append(&store, 500));
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    after
}

/// The last close says of how many events it is certain, and nothing is left that says how many came after.
#[test]
fn the_end_of_a_killed_store_that_was_closed_before_is_lost_by_nobody_knows_how_many_events() {
    let (closed, all) = (32, 34);
    let noise: Vec<u8> =
        (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let other = killed_since(closed, all - closed).contents(&segment(1)).unwrap();
    let whole = |disk: &FaultDisk| disk.contents(&last_written(disk)).unwrap();
    let disk = killed_since(closed, all - closed);
    let (last, whole) = (last_written(&disk), whole(&disk));
    let before = crate::frames::frames(&whole);
    let ordinary = before.iter().filter(|(_, header)| header.events > 0);
    let cut: Vec<usize> = ordinary.map(|(at, _)| *at as usize).collect();
    // The close lies within that segment.
    assert!(cut.len() as u64 > all - closed + 1, "{cut:?}");
    let ends: [&[u8]; 7] = [
        &[],
        &noise,
        &other,
        &whole[..100],
        &whole[..4096],
        &whole[..cut[1]],
        &whole[..cut[1] + 90],
    ];
    let is_unknown = |disk: &FaultDisk, what: &str| {
        let left = served(&try_open(disk, Mode::ReadOnly, &options()).unwrap());
        assert!(left < closed, "{what}");
        assert_eq!(is_told(disk, &last, left), Ok(()), "{what}");
        let store = try_open(disk, Mode::ReadOnly, &options()).unwrap();
        let told = &store.opening().lost[0].what;
        assert!(told.contains("not known"), "{what}: {told}");
        assert_eq!(served_and_lost(&store).1, closed - left, "{what}");
        let verified = verify_on(disk, Path::new("s"), &mut |_| {}).unwrap();
        assert!(verified.findings.iter().any(|found| found.what.contains("not known")), "{what}");
        let salvaged = salvageable_on(disk, Path::new("s"), &mut |_| {}).unwrap();
        let [lost, more] = &salvaged.lost[..] else { panic!("{what}: {:?}", salvaged.lost) };
        assert_eq!((lost.positions.start.0, lost.positions.end.0), (left, closed), "{what}");
        assert_eq!((more.positions.start.0, more.positions.end.0), (closed, closed), "{what}");
        assert_eq!((&lost.file, &more.file), (&last, &last), "{what}");
    };
    for bytes in ends {
        disk.put(&last, bytes).unwrap();
        is_unknown(&disk, &format!("{} bytes", bytes.len()));
    }
    disk.erase(&last).unwrap();
    is_unknown(&disk, "removed");
    // Otherwise it is not looked at what the index covers.
    disk.erase(&last.with_extension("idx")).unwrap();
    for from in [4096, cut[1]] {
        let mut bytes = whole.clone();
        bytes[from..].fill(0);
        disk.put(&last, &bytes).unwrap();
        is_unknown(&disk, &format!("zeros from {from} on"));
    }
    for bytes in ends {
        disk.put(&last, bytes).unwrap();
        is_unknown(&disk, &format!("{} bytes, without index", bytes.len()));
    }
}
