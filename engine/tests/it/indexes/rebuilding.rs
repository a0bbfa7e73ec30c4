//! All index files made anew: of a damaged store, and interrupted at every step.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use quipu::{
    ExpectedVersion, NewEvent, Options, ReadMode, RebuildProgress, RebuildReport, Result,
    rebuild_index_on,
};
use quipu_disk::{Disk, Errno, Fault, FaultDisk, FaultKind, PowerCut};

use super::store::{
    PATH, agrees, closed_store, copy, file, files, fill, goes_on, open, open_to_read, options,
    verified,
};
use crate::attended::{Attendant, Attended};

fn rebuild(disk: &FaultDisk) -> Result<RebuildReport> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {})
}

/// Flips a bit of an event in this segment.
fn damage(disk: &FaultDisk, segment: &str) {
    disk.flip(&file(segment), 5000, 1).unwrap();
}

/// Flips a bit in each page of a file.
fn spoil(disk: &FaultDisk, path: &Path) {
    let bytes = disk.contents(path).unwrap().len() as u64;
    (17..bytes).step_by(4096).for_each(|at| disk.flip(path, at, 4).unwrap());
}

fn contents(disk: &FaultDisk, kinds: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = kinds.iter().flat_map(|kind| files(disk, kind));
    paths.map(|path| (path.clone(), disk.contents(&path).unwrap())).collect()
}

/// Each stream takes an event, at whichever version.
fn takes_events(disk: &FaultDisk) {
    let store = open(disk).unwrap();
    fill(&store, 60);
    store.close().unwrap();
}

#[test]
fn a_run_that_alone_knows_the_last_versions_is_kept() {
    let disk = closed_store();
    damage(&disk, "0000000003.seg");
    disk.remove(&file("0000000003.idx")).unwrap();
    takes_events(&copy(&disk));
    let before = contents(&disk, &["idx", "run"]);
    let report = rebuild(&disk).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damage[0].damage().unwrap().file, file("0000000003.seg"));
    assert_eq!((report.segments, report.left_segments), (2, files(&disk, "seg").len() as u64 - 3));
    assert_eq!(contents(&disk, &["idx", "run"]), before);
    takes_events(&disk);
}

#[test]
fn beside_a_damaged_segment_that_has_its_index_all_others_are_made() {
    let disk = closed_store();
    let whole = contents(&disk, &["idx", "run"]);
    damage(&disk, "0000000003.seg");
    damage(&disk, "0000000012.seg");
    let others = files(&disk, "idx")
        .into_iter()
        .filter(|path| !path.ends_with("0000000003.idx") && !path.ends_with("0000000012.idx"));
    // That of the active segment covers as much as it did; where it cannot be read nobody knows how much.
    let sealed = files(&disk, "seg").len() - 1;
    let others: Vec<PathBuf> = others.take(sealed - 2).collect();
    others.iter().for_each(|path| spoil(&disk, path));
    let report = rebuild(&disk).unwrap();
    assert_eq!((report.damage.len(), report.left_segments), (2, 0));
    assert_eq!(report.segments, others.len() as u64 + 1);
    assert_eq!(contents(&disk, &["idx", "run"]), whole, "as if they had never been spoiled");
    takes_events(&disk);
}

#[test]
fn the_index_of_the_active_segment_is_kept_where_it_has_lost_events() {
    let disk = closed_store();
    let active = files(&disk, "seg").pop().unwrap();
    disk.flip(&active, 4300, 1).unwrap();
    let before = contents(&disk, &["idx", "run"]);
    let report = rebuild(&disk).unwrap();
    assert_eq!(report.damage[0].damage().unwrap().file, active);
    assert_eq!(contents(&disk, &["idx", "run"]), before);
    takes_events(&disk);
}

#[test]
fn runs_that_nobody_uses_are_removed_once_all_is_made() {
    let disk = closed_store();
    let before = contents(&disk, &["idx", "run"]);
    let run = disk.contents(&file("0000000001-0000000008.run")).unwrap();
    disk.put(&file("0000000001-0000000005.run"), &run).unwrap();
    disk.put(&file("0000000099.idx"), &run).unwrap();
    spoil(&disk, &file("0000000001-0000000008.run"));
    let report = rebuild(&disk).unwrap();
    assert!(report.damage.is_empty());
    assert_eq!(contents(&disk, &["idx", "run"]), before);
}

/// What is done to a store before its index files are made anew.
const STORES: [fn(&FaultDisk); 4] = [
    |_| {},
    |disk| files(disk, "idx").iter().for_each(|path| spoil(disk, path)),
    |disk| {
        damage(disk, "0000000003.seg");
        disk.remove(&file("0000000003.idx")).unwrap();
    },
    |disk| damage(disk, "0000000003.seg"),
];

/// A store with a run whose index files are made anew, with a fault at each operation in turn; `check` gets the
/// disk, and whether the log is whole.
fn at_each_operation(kind: FaultKind, check: impl Fn(FaultDisk, bool)) {
    let closed = FaultDisk::new(1);
    let store = open(&closed).unwrap();
    fill(&store, 100);
    store.close().unwrap();
    rebuild(&closed).unwrap();
    assert_eq!(files(&closed, "run").len(), 1);
    for (number, prepare) in STORES.iter().enumerate() {
        let prepared = copy(&closed);
        prepare(&prepared);
        let counted = copy(&prepared);
        let before = counted.operations();
        rebuild(&counted).unwrap();
        let operations = counted.operations() - before;
        assert!(operations > 30, "{number}: {operations}");
        for at in 0..operations {
            let disk = copy(&prepared);
            disk.plan(Fault { at: disk.operations() + at, kind, sticky: false });
            let _ = rebuild(&disk);
            check(disk, number < 2);
        }
    }
}

/// The store answers as ever, and takes events.
fn is_as_before(disk: &FaultDisk, whole: bool) {
    if whole {
        agrees(&open_to_read(disk).unwrap());
        let store = open(disk).unwrap();
        goes_on(&store);
        agrees(&store);
        store.close().unwrap();
        assert!(verified(disk).findings.is_empty(), "{:?}", verified(disk).findings);
    } else {
        takes_events(disk);
    }
}

#[test]
fn the_power_goes_off_at_every_step() {
    at_each_operation(FaultKind::PowerOff, |disk, whole| {
        for how in [PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::Random] {
            is_as_before(&disk.power_cut(how), whole);
        }
    });
}

#[test]
fn every_step_fails_once() {
    for errno in [Errno::Io, Errno::Full] {
        at_each_operation(FaultKind::Error(errno), |disk, whole| {
            is_as_before(&disk, whole);
            is_as_before(&disk.power_cut(PowerCut::LoseAll), whole);
        });
    }
}

/// Counts how often index files are read.
#[derive(Debug, Default)]
struct Reads(AtomicU64);

impl Attendant for Reads {
    fn reads(&self, path: &Path) -> io::Result<()> {
        if path.extension().is_some_and(|extension| extension == "idx" || extension == "run") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// How often index files are read for each of so many segments, or somewhat more, while all are made anew.
fn reads_per_segment(segments: u64) -> u64 {
    let disk = FaultDisk::new(1);
    let store = open(&disk).unwrap();
    let mut number = 0;
    while store.stats().rolls < segments {
        // No key is in a segment before.
        let event = NewEvent::new("T", vec![7; 1500]);
        store.append(&format!("{number}-s"), ExpectedVersion::Any, [event]).unwrap();
        number += 1;
    }
    store.close().unwrap();
    let counted = Attended::<Reads>::new(&disk);
    let (shared, options): (Arc<dyn Disk>, _) =
        (Arc::new(counted.clone()), Options { read_mode: ReadMode::Pread, ..options() });
    rebuild_index_on(&shared, Path::new(PATH), &options, &mut |_| {}).unwrap();
    assert!(verified(&disk).findings.is_empty(), "{:?}", verified(&disk).findings);
    counted.attendant.0.load(Ordering::Relaxed) / segments
}

#[test]
fn all_index_files_are_made_anew_in_a_time_that_hardly_grows_for_each_segment() {
    let (few, many) = (reads_per_segment(24), reads_per_segment(200));
    assert!(many < 3 * few, "{few} for each of a few segments, {many} for each of many");
}

/// All is made anew, and this is done to the disk before the segment behind so many.
fn rebuilt_while(
    disk: &Attended<Refused>,
    done: u64,
    act: &dyn Fn(&Attended<Refused>),
) -> RebuildReport {
    let (shared, options): (Arc<dyn Disk>, _) =
        (Arc::new(disk.clone()), Options { read_mode: ReadMode::Pread, ..options() });
    let mut progress = |progress: RebuildProgress| {
        if progress.done_segments == done {
            act(disk);
        }
    };
    rebuild_index_on(&shared, Path::new(PATH), &options, &mut progress).unwrap()
}

/// Lets nobody read a file that has this name.
#[derive(Debug, Default)]
struct Refused(Mutex<Option<PathBuf>>);

impl Attendant for Refused {
    fn reads(&self, path: &Path) -> io::Result<()> {
        let is_refused = self.0.lock().unwrap().as_deref() == Some(path);
        // `EIO`.
        if is_refused { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

/// An index that goes bad meanwhile is made anew with the way back to those before it, and so are those behind it.
#[test]
fn an_index_that_goes_bad_meanwhile_leads_no_other_astray() {
    let disk = Attended::<Refused>::new(&closed_store());
    let before = contents(&disk.disk, &["idx"]);
    damage(&disk.disk, "0000000003.seg");
    let report = rebuilt_while(&disk, 6, &|disk| spoil(&disk.disk, &file("0000000006.idx")));
    assert_eq!((report.damage.len(), report.left_segments), (1, 0));
    let sixth = file("0000000006.idx");
    let but_that = |mut all: BTreeMap<PathBuf, Vec<u8>>| {
        all.remove(&sixth);
        all
    };
    assert!(but_that(contents(&disk.disk, &["idx"])) == but_that(before));
    takes_events(&disk.disk);
}

/// An index from which nothing can be read any more may have known keys that nobody else knows: none is made that leads
/// past them.
#[test]
fn behind_an_index_that_cannot_be_read_any_more_none_is_made() {
    let disk = Attended::<Refused>::new(&closed_store());
    let before = contents(&disk.disk, &["idx"]);
    damage(&disk.disk, "0000000003.seg");
    let report = rebuilt_while(&disk, 3, &|disk| {
        *disk.attendant.0.lock().unwrap() = Some(file("0000000003.idx"));
    });
    let segments = files(&disk.disk, "seg").len() as u64;
    assert_eq!((report.damage.len(), report.segments, report.left_segments), (1, 2, segments - 3));
    assert!(contents(&disk.disk, &["idx"]) == before);
    takes_events(&disk.disk);
}

/// The runs of before may be all that still knows the last versions of streams.
#[test]
fn runs_are_kept_where_events_are_lost_meanwhile() {
    let disk = Attended::<Refused>::new(&closed_store());
    let before = contents(&disk.disk, &["run"]);
    let report = rebuilt_while(&disk, 6, &|disk| {
        spoil(&disk.disk, &file("0000000006.idx"));
        damage(&disk.disk, "0000000006.seg");
    });
    let segments = files(&disk.disk, "seg").len() as u64;
    assert_eq!((report.damage.len(), report.segments, report.left_segments), (1, 6, segments - 6));
    assert!(!before.is_empty() && contents(&disk.disk, &["run"]) == before);
    takes_events(&disk.disk);
}
