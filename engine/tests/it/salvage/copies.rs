//! Where the new store goes, and what is there if it does not come that far.

use std::path::Path;
use std::sync::Arc;

use quipu::{
    ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Result, SalvageReport, SalvageStep, Store,
    Uuid, rebuild_index_on, salvage_on, salvageable_on, verify_on,
};
use quipu_disk::{Access, Disk, Errno, Fault, FaultDisk, FaultKind, MemoryDisk, PowerCut};
use quipu_format::segment::SegmentHeader;

use super::checker::{Known, Made, make};
use super::store::{
    COPY, PATH, change, commits, contents, copy_to, damage, events, files, fill, open, options,
    segment, segments,
};

fn salvage(disk: &(impl Disk + Clone + 'static), to: &str) -> Result<SalvageReport> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    salvage_on(&shared, PATH.as_ref(), to.as_ref(), &options(), &mut |_| {})
}

/// A closed store with two damaged commits.
fn damaged_store() -> (FaultDisk, Known) {
    let disk = FaultDisk::new(1);
    let store = open(&disk);
    fill(&store, 20);
    store.close().unwrap();
    let known = Known::of(&disk);
    damage(&disk, &known.commits, &LOST);
    (disk, known)
}

const LOST: [usize; 2] = [3, 11];

fn all_bytes(disk: &dyn Disk, path: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files(disk, path).into_iter().map(|file| (file.clone(), contents(disk, &file))).collect()
}

#[test]
fn the_source_stays_as_it_was() {
    let (disk, _) = damaged_store();
    let before = all_bytes(&disk, PATH);
    salvage(&disk, COPY).unwrap();
    assert!(all_bytes(&disk, PATH) == before);
}

#[test]
fn the_copy_is_a_store_of_its_own_that_goes_on() {
    let (disk, known) = damaged_store();
    let made = make(&disk);
    assert_eq!(known.judge(&LOST, &made), Ok(()));
    let header = |path: &str| {
        let first = segments(&disk, path).remove(0);
        SegmentHeader::decode(&contents(&disk, &first)[..4096]).unwrap()
    };
    assert_ne!(header(PATH).origin, header(COPY).origin);
    let builder = Store::builder(COPY).disk(Arc::new(disk.clone())).options(options());
    let store = builder.mode(Mode::Existing).open().unwrap();
    assert!(store.opening().recovered.is_none());
    let streams: Vec<String> = store.streams("").unwrap().map(quipu::Result::unwrap).collect();
    for stream in streams {
        let events = made.events.iter().filter(|event| event.stream == stream).count() as u64;
        let expected = ExpectedVersion::Exact(events - 1);
        store.append(&stream, expected, [NewEvent::new("T", vec![1])]).unwrap();
    }
    store.close().unwrap();
    assert!(verify_on(&disk, Path::new(COPY), &mut |_| {}).unwrap().findings.is_empty());
}

#[test]
fn a_second_salvage_finds_nothing_to_lose() {
    let (disk, _) = damaged_store();
    let first = salvage(&disk, COPY).unwrap();
    let second = salvageable_on(&disk, Path::new(COPY), &mut |_| {}).unwrap();
    assert_eq!((second.commits, second.events), (first.commits, first.events));
    assert!(second.is_complete() && second.moved_from.is_none() && second.renumbered.is_empty());
}

#[test]
fn looking_says_what_salvage_says_and_writes_nothing() {
    let (disk, _) = damaged_store();
    let before = disk.files();
    let looked = salvageable_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
    assert_eq!(disk.files(), before);
    assert_eq!(looked, salvage(&disk, COPY).unwrap());
}

#[test]
fn progress_never_goes_back_and_comes_to_its_end() {
    let (disk, _) = damaged_store();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut told = Vec::new();
    salvage_on(&shared, PATH.as_ref(), COPY.as_ref(), &options(), &mut |p| told.push(p)).unwrap();
    for step in [SalvageStep::Copying, SalvageStep::Verifying] {
        let of_step: Vec<_> = told.iter().filter(|progress| progress.step == step).collect();
        assert!(of_step.is_sorted_by_key(|progress| progress.done_bytes), "{of_step:?}");
        let last = of_step.last().unwrap();
        assert_eq!(last.done_bytes, last.total_bytes);
    }
}

#[test]
fn a_directory_that_holds_anything_is_refused_and_left_alone() {
    let (disk, _) = damaged_store();
    disk.create_directory(Path::new("letters")).unwrap();
    disk.put(Path::new("letters/dear.txt"), b"dear").unwrap();
    for to in ["letters", PATH, "s/copy"] {
        let before = disk.files();
        let error = salvage(&disk, to).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{to}: {error}");
        assert_eq!(disk.files(), before, "{to}");
    }
    disk.create_directory(Path::new("empty")).unwrap();
    salvage(&disk, "empty").unwrap();
    let before = all_bytes(&disk, "empty");
    assert_eq!(salvage(&disk, "empty").unwrap_err().kind(), ErrorKind::Invalid);
    assert!(all_bytes(&disk, "empty") == before);
}

#[test]
fn a_store_that_is_open_for_writing_is_refused() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    fill(&store, 3);
    assert_eq!(salvage(&disk, COPY).unwrap_err().kind(), ErrorKind::InUse);
    store.close().unwrap();
    assert!(salvage(&disk, COPY).unwrap().is_complete());
}

#[test]
fn where_there_is_no_store_there_is_nothing_to_salvage() {
    let disk = MemoryDisk::new();
    assert_eq!(salvage(&disk, COPY).unwrap_err().kind(), ErrorKind::NoStore);
    assert!(disk.list(Path::new(COPY)).is_err(), "nothing was made");
}

#[test]
fn a_full_disk_is_said_to_be_full_and_gets_its_room_back() {
    let (disk, known) = damaged_store();
    let mut refused = 0;
    for bytes in (0..).step_by(5 << 10) {
        disk.plan_full(Some(bytes));
        let Err(error) = salvage(&disk, COPY) else { break };
        assert_eq!(error.kind(), ErrorKind::Full, "{bytes}: {error}");
        disk.plan_full(None);
        assert_eq!(disk.list(Path::new(COPY)).unwrap_or_default(), Vec::<String>::new());
        refused += 1;
    }
    assert!(refused > 10, "{refused}");
    let sizes = commits(&disk, COPY).iter().map(|commit| commit.events).collect();
    let report = salvageable_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
    let made = Made { report, sizes, events: events(&disk, COPY) };
    assert_eq!(known.judge(&LOST, &made), Ok(()));
}

/// The power goes off at one call after another. What is there then is no store, or all of the copy.
#[test]
fn a_copy_that_a_crash_has_left_halfway_is_no_store() {
    let (mut halfway, mut whole) = (0, 0);
    for seed in 0..120 {
        let (disk, known) = damaged_store();
        let at = disk.operations() + seed * 6;
        disk.plan(Fault { at, kind: FaultKind::PowerOff, sticky: true });
        let told = salvage(&disk, COPY);
        let how = [PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::Random];
        let disk = disk.power_cut(how[usize::try_from(seed).unwrap() % 3]);
        let opened = Store::builder(COPY).disk(Arc::new(disk.clone())).mode(Mode::ReadOnly).open();
        match opened {
            Ok(store) => {
                drop(store);
                whole += 1;
                let sizes = commits(&disk, COPY).iter().map(|commit| commit.events).collect();
                let report = salvageable_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
                let made = Made { report, sizes, events: events(&disk, COPY) };
                assert_eq!(known.judge(&LOST, &made), Ok(()), "{seed}");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NoStore, "{seed}: {error}");
                assert!(told.is_err(), "{seed}: acknowledged, and gone");
                halfway += 1;
                // Nor can it be written, or salvaged into.
                let builder = Store::builder(COPY).disk(Arc::new(disk.clone()));
                let left = disk.list(Path::new(COPY)).unwrap_or_default();
                if left.iter().any(|name| name == "manifest.unfinished") {
                    assert_eq!(builder.open().unwrap_err().kind(), ErrorKind::NoStore);
                }
                if !left.is_empty() {
                    assert_eq!(salvage(&disk, COPY).unwrap_err().kind(), ErrorKind::Invalid);
                }
            }
        }
    }
    assert!(halfway > 20 && whole > 3, "{halfway} {whole}");
}

/// The same where the copy is given up for an error, and the power goes off right after that: of what was removed any part
/// may be there.
#[test]
fn a_copy_that_was_given_up_is_no_store_whatever_the_power_brings_back() {
    let mut left = 0;
    for call in (0..300).step_by(4) {
        let (disk, _) = damaged_store();
        let at = disk.operations() + call;
        disk.plan(Fault { at, kind: FaultKind::Error(Errno::Io), sticky: false });
        if salvage(&disk, COPY).is_ok() {
            continue;
        }
        for how in [PowerCut::Random, PowerCut::LoseAll] {
            let after = disk.power_cut(how);
            left += usize::from(!after.list(Path::new(COPY)).unwrap_or_default().is_empty());
            let builder = Store::builder(COPY).disk(Arc::new(after)).mode(Mode::ReadOnly);
            if let Ok(store) = builder.open() {
                assert!(store.opening().lost.is_empty(), "{call}, {how:?}: {:?}", store.opening());
            }
        }
    }
    assert!(left > 10, "{left} with something left");
}

/// An id is that of one commit only as long as a store is asked to remember it.
#[test]
fn an_id_that_two_commits_have_is_salvaged_twice() {
    let disk = FaultDisk::new(1);
    let store = open(&disk);
    let event = || NewEvent::new("T", b"once".as_slice()).id(Uuid::from_bytes([7; 16]));
    store.append("a", ExpectedVersion::Any, [event()]).unwrap();
    fill(&store, 200);
    store.append("b", ExpectedVersion::Any, [event()]).unwrap();
    let count = store.next_position().0;
    store.close().unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options { id_segments: 1000, ..options() };
    let salvaged = salvage_on(&shared, PATH.as_ref(), COPY.as_ref(), &options, &mut |_| {});
    assert!(salvaged.unwrap().is_complete());
    assert_eq!(events(&disk, COPY).len() as u64, count);
}

/// From where on calls are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Since {
    Beginning,
    Verified,
}

/// Salvages with one failing call. Returns the disk as the next process finds it, which meets no more faults, and how many calls followed.
fn with_a_fault(
    disk: &FaultDisk,
    since: Since,
    fault: Option<(u64, FaultKind)>,
) -> (FaultDisk, Result<SalvageReport>, u64) {
    let mut from = None;
    let begin = |from: &mut Option<u64>| {
        let first = *from.get_or_insert(disk.operations());
        if let Some((call, kind)) = fault {
            disk.plan(Fault { at: first + call, kind, sticky: false });
        }
    };
    if since == Since::Beginning {
        begin(&mut from);
    }
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let told = salvage_on(&shared, PATH.as_ref(), COPY.as_ref(), &options(), &mut |progress| {
        let is_done = progress.done_bytes == progress.total_bytes;
        if progress.step == SalvageStep::Verifying && is_done && from.is_none() {
            begin(&mut from);
        }
    });
    let calls = disk.operations() - from.unwrap_or_default();
    (disk.kill(), told, calls)
}

const FAILURES: [FaultKind; 2] = [FaultKind::Error(Errno::Io), FaultKind::ErrorAfter(Errno::Io)];

/// One call after another fails, without effect or with it. An error leaves nothing, but where the copy has its name and
/// only that may be lost: then it says so.
#[test]
fn an_error_leaves_nothing_or_says_that_the_copy_is_there() {
    let (disk, known) = damaged_store();
    let before = disk.files();
    let looked = salvageable_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
    // The same store on a disk of its own.
    let store = || {
        let own = FaultDisk::new(2);
        copy_to(&disk, &own, PATH);
        own
    };
    for (since, copies) in [(Since::Beginning, 0), (Since::Verified, 2)] {
        let (mut gone, mut there) = (0, 0);
        let (_, _, calls) = with_a_fault(&store(), since, None);
        for fault in FAILURES.into_iter().flat_map(|kind| (0..calls).map(move |call| (call, kind)))
        {
            let (disk, told, _) = with_a_fault(&store(), since, Some(fault));
            let left = disk.files();
            match told {
                Err(error) if left == before => {
                    assert!(!error.to_string().contains("whole and"), "{fault:?}: {error}");
                    gone += 1;
                    continue;
                }
                Err(error) => {
                    let says_so = error.to_string().contains("whole and verified");
                    assert!(says_so, "{fault:?}: {error} {left:?}");
                    assert_eq!(error.salvaged(), Some(&looked), "{fault:?}: {error}");
                    assert!(error.advice().contains("keep the source"), "{}", error.advice());
                    there += 1;
                }
                Ok(_) => {}
            }
            let sizes = commits(&disk, COPY).iter().map(|commit| commit.events).collect();
            let made = Made { report: looked.clone(), sizes, events: events(&disk, COPY) };
            assert_eq!(known.judge(&LOST, &made), Ok(()), "{fault:?}");
        }
        assert!(gone > 2 && there >= copies, "{since:?} {gone} {there}");
    }
}

/// A medium that loses what the copy has written is found before the copy has its name.
#[test]
fn a_copy_that_is_not_sound_is_not_acknowledged() {
    let (disk, _) = damaged_store();
    disk.lie(quipu_disk::Lie::WriteShortened);
    assert!(salvage(&disk, COPY).is_err());
    assert!(!disk.files().contains(&Path::new(COPY).join("manifest")));
}

#[test]
fn large_commits_and_small_segments_go_together() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let many = |count: u8| (0..count).map(|n| NewEvent::new("T", vec![n; 3000]));
    for count in [1, 40, 2, 30] {
        store.append("a", ExpectedVersion::Any, many(count)).unwrap();
    }
    store.close().unwrap();
    let known = Known::of(&disk);
    damage(&disk, &known.commits, &[1]);
    let made = make(&disk);
    assert_eq!(known.judge(&[1], &made), Ok(()));
    assert_eq!(made.report.lost[0].positions.end.0, 41);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_index_on(&shared, Path::new(COPY), &Options::default(), &mut |_| {}).unwrap();
}

/// A store with a hole in an index that was to cover it can be read on, and salvaged.
#[test]
fn a_store_that_is_refused_for_writing_is_salvaged() {
    let (disk, known) = damaged_store();
    for file in files(&disk, PATH) {
        if file.extension().is_some_and(|extension| extension == "idx" || extension == "run") {
            disk.remove(&file).unwrap();
        }
    }
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options());
    let refused = builder.open().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert!(refused.advice().contains("quipu salvage"));
    assert_eq!(known.judge(&LOST, &make(&disk)), Ok(()));
}

#[test]
fn a_copy_on_another_disk_is_made_by_copying_files() {
    let (disk, known) = damaged_store();
    change(&disk, &segment(2), 4096 + 50, 1);
    let other = MemoryDisk::new();
    copy_to(&disk, &other, PATH);
    assert!(other.open(Path::new("s/manifest"), Access::Read).is_ok());
    assert_eq!(known.judge(&LOST, &make(&other)), Ok(()));
}
