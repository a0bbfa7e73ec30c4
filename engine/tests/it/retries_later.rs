//! Retries with any version are recognised whatever has become of the index since: the index files were lost or made
//! anew, or the store was written for a while without being asked to know ids.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::ExpectedVersion::Any;
use quipu::{
    Appended, ErrorKind, NewEvent, Options, ReadMode, Result, Store, Uuid, rebuild_index_on,
    verify_on,
};
use quipu_disk::{Disk, FaultDisk, PowerCut};

const PATH: &str = "s";
/// Segments that are asked about ids.
const ASKED: u32 = 4;

fn options(id_segments: u32) -> Options {
    Options { id_segments, ..crate::small::options() }
}

fn open(disk: &FaultDisk, id_segments: u32) -> Store {
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone()));
    builder.options(options(id_segments)).open().unwrap()
}

fn append(store: &Store, id: u128) -> Result<Appended> {
    let event = NewEvent::new("Noted", vec![7; 200]).id(Uuid::from_u128(id));
    store.append(&format!("s-{}", id % 3), Any, [event])
}

/// Appends events with these ids, and closes the store.
fn filled(disk: &FaultDisk, id_segments: u32, ids: std::ops::Range<u128>) -> Vec<Appended> {
    let store = open(disk, id_segments);
    let answers = ids.map(|id| append(&store, id).unwrap()).collect();
    store.close().unwrap();
    answers
}

fn rebuild(disk: &FaultDisk) {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_index_on(&shared, Path::new(PATH), &options(0), &mut |_| {}).unwrap();
}

fn files(disk: &FaultDisk, kind: &str) -> Vec<PathBuf> {
    let is_kind = |path: &PathBuf| path.extension().is_some_and(|extension| extension == kind);
    disk.files().into_iter().filter(is_kind).collect()
}

fn remove_index(disk: &FaultDisk) {
    let all = [files(disk, "idx"), files(disk, "run")].concat();
    all.iter().for_each(|file| disk.remove(file).unwrap());
}

fn is_sound(disk: &FaultDisk) -> bool {
    let report = quipu::verify_on(disk, Path::new(PATH), &mut |_| {}).unwrap();
    report.findings.is_empty()
}

/// The last of these ids are recognised: those of two whole segments at least.
fn recognises(store: &Store, answers: &[Appended], what: &str) {
    let next = store.next_position();
    let last = answers.len() - 24;
    for (id, answer) in (1..).zip(answers).skip(last) {
        assert_eq!(append(store, id).unwrap(), *answer, "{id}, {what}");
    }
    assert_eq!(store.next_position(), next, "{what}");
}

#[test]
fn an_index_that_was_made_anew_recognises_retries() {
    let disk = FaultDisk::new(1);
    let answers = filled(&disk, ASKED, 1..100);
    assert!(files(&disk, "seg").len() > 5);
    let before: Vec<_> = files(&disk, "idx").iter().map(|f| disk.contents(f).unwrap()).collect();
    rebuild(&disk);
    let after: Vec<_> = files(&disk, "idx").iter().map(|f| disk.contents(f).unwrap()).collect();
    assert!(before == after, "what knew ids before knows them again");
    recognises(&open(&disk, ASKED), &answers, "made anew");
}

#[test]
fn retries_are_recognised_after_all_index_files_were_lost() {
    for rebuilt in [false, true] {
        for killed in [false, true] {
            let disk = FaultDisk::new(1);
            let answers = filled(&disk, ASKED, 1..100);
            let disk = if killed {
                let store = open(&disk, ASKED);
                append(&store, 1_000).unwrap();
                disk.power_cut(PowerCut::KeepAll)
            } else {
                disk
            };
            remove_index(&disk);
            if rebuilt {
                rebuild(&disk);
            }
            let store = open(&disk, ASKED);
            recognises(&store, &answers, &format!("rebuilt: {rebuilt}, killed: {killed}"));
            store.close().unwrap();
            assert!(is_sound(&disk));
        }
    }
}

#[test]
fn events_that_came_while_nobody_asked_for_ids_are_recognised_later() {
    // Each stretch of ids is written with or without: so that segments begin, end, or lie within either.
    for asked in [[0, 0, 0], [0, ASKED, 0], [ASKED, 0, ASKED], [ASKED, 0, 0], [0, 0, ASKED]] {
        for last in [81, 95, 150] {
            let disk = FaultDisk::new(1);
            let mut answers = filled(&disk, asked[0], 1..75);
            answers.extend(filled(&disk, asked[1], 75..80));
            answers.extend(filled(&disk, asked[2], 80..last));
            let store = open(&disk, ASKED);
            recognises(&store, &answers, &format!("{asked:?} {last}"));
            // What was made then stands in files: the next opening has it at once.
            store.close().unwrap();
            assert!(is_sound(&disk));
            let files = files(&disk, "idx");
            let before: Vec<_> = files.iter().map(|file| disk.contents(file).unwrap()).collect();
            let store = open(&disk, ASKED);
            let after: Vec<_> = files.iter().map(|file| disk.contents(file).unwrap()).collect();
            assert!(before == after);
            recognises(&store, &answers, &format!("{asked:?} {last}, again"));
        }
    }
}

/// Further back than was asked for nothing is known, as documented.
#[test]
fn what_is_further_back_than_asked_for_is_taken_again() {
    let disk = FaultDisk::new(1);
    filled(&disk, 0, 1..100);
    let store = open(&disk, ASKED);
    let next = store.next_position();
    assert_eq!(append(&store, 1).unwrap().position, next);
}

/// A bit of an event in one of the last segments flips.
fn damage(disk: &FaultDisk) -> PathBuf {
    let segments = files(disk, "seg");
    let path = segments[segments.len() - 3].clone();
    disk.flip(&path, 5000, 1).unwrap();
    path
}

#[test]
fn where_ids_are_lost_nothing_is_taken_for_new() {
    for asked in [0, ASKED] {
        let disk = FaultDisk::new(1);
        let answers = filled(&disk, asked, 1..100);
        let damaged = damage(&disk);
        let index = damaged.with_extension("idx");
        let before = disk.contents(&index).unwrap();
        let store = open(&disk, ASKED);
        assert_eq!(append(&store, 99).unwrap(), answers[98], "it is found before the damage");
        let unknown = append(&store, 2_000);
        if asked == 0 {
            let error = unknown.unwrap_err();
            assert_eq!(
                (error.kind(), &error.damage().unwrap().file),
                (ErrorKind::Damaged, &damaged)
            );
        } else {
            unknown.unwrap();
        }
        let unnamed = NewEvent::new("Noted", b"".as_slice());
        store.append("s-0", Any, [unnamed]).unwrap();
        store.close().unwrap();
        assert_eq!(disk.contents(&index).unwrap(), before, "it knows more than the log");
    }
}

/// The index goes bad with the events while the store is written, and is made anew without their ids. Of what was taken
/// lately the ids are in memory still.
#[test]
fn what_is_lost_under_a_writer_is_not_taken_a_second_time() {
    let disk = FaultDisk::new(1);
    let options = Options { read_mode: ReadMode::Pread, ..options(1000) };
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options);
    let store = builder.open().unwrap();
    let answers: Vec<_> = (1..100).map(|id| append(&store, id).unwrap()).collect();
    while files(&disk, "idx").len() < 4 {
        std::thread::yield_now();
    }
    for segment in files(&disk, "seg").iter().take(3) {
        for offset in [4500, 5000, 5500] {
            disk.flip(segment, offset, 1).unwrap();
        }
        let index = segment.with_extension("idx");
        let bytes = disk.contents(&index).unwrap().len() as u64;
        disk.spoil(&index, 0..bytes).unwrap();
    }
    let next = store.next_position();
    for (id, answer) in (1..).zip(&answers) {
        match append(&store, id) {
            Ok(again) => assert_eq!(again, *answer, "{id}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{id}: {error}"),
        }
    }
    assert_eq!(store.next_position(), next);
    assert_eq!(append(&store, 2_000).unwrap_err().kind(), ErrorKind::Damaged);
}

/// The index that a sealed segment gets says of no more events that it has their ids than the one before.
#[test]
fn ids_that_are_lost_stay_lost_when_the_segment_is_sealed() {
    let disk = FaultDisk::new(1);
    filled(&disk, 0, 1..40);
    let active = files(&disk, "seg")
        .into_iter()
        .rfind(|path| disk.contents(&path.with_extension("idx")).is_ok());
    let active = active.unwrap();
    disk.flip(&active, 4500, 1).unwrap();
    let store = open(&disk, ASKED);
    let segments = files(&disk, "seg").len();
    while files(&disk, "seg").len() < segments + 2 {
        let unnamed = NewEvent::new("Noted", vec![7; 200]);
        store.append("s-0", Any, [unnamed]).unwrap();
    }
    store.close().unwrap();
    let store = open(&disk, ASKED);
    let error = append(&store, 2_000).unwrap_err();
    assert_eq!((error.kind(), &error.damage().unwrap().file), (ErrorKind::Damaged, &active));
}

/// The index of a damaged segment is lost, and with it the ids; a run still knows the last versions.
#[test]
fn ids_that_no_index_holds_are_missed() {
    let disk = FaultDisk::new(1);
    filled(&disk, ASKED, 1..130);
    rebuild(&disk);
    assert!(files(&disk, "run").iter().any(|run| run.ends_with("0000000001-0000000008.run")));
    let damaged = Path::new(PATH).join("0000000008.seg");
    disk.flip(&damaged, 5000, 1).unwrap();
    disk.remove(&damaged.with_extension("idx")).unwrap();
    let store = open(&disk, 100);
    let error = append(&store, 2_000).unwrap_err();
    assert_eq!((error.kind(), &error.damage().unwrap().file), (ErrorKind::Damaged, &damaged));
    store.close().unwrap();
    append(&open(&disk, 1), 2_000).unwrap();
}

/// Without being asked to, a store takes any number of events of one id; asked later, it finds all of them.
#[test]
fn many_events_of_one_id_are_no_damage() {
    for events in [100, 300] {
        let disk = FaultDisk::new(9);
        let roomy = |id_segments| Options { segment_bytes_min: 1 << 20, ..options(id_segments) };
        let open = |id_segments| {
            let builder = Store::builder(PATH).disk(Arc::new(disk.clone()));
            builder.options(Options { segment_bytes_max: 1 << 20, ..roomy(id_segments) }).open()
        };
        let store = open(0).unwrap();
        (0..events).for_each(|_| assert!(append(&store, 7).is_ok()));
        store.close().unwrap();
        open(ASKED).unwrap().close().unwrap();
        let report = verify_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
        assert!(report.is_sound() && report.findings.is_empty(), "{:?}", report.findings);
    }
}

/// It is to be opened anew, whatever else is wrong with it.
#[test]
fn a_store_that_has_failed_says_so_to_a_commit_that_cannot_be_compared() {
    [0, ASKED].into_iter().for_each(says_that_it_has_failed);
}

fn says_that_it_has_failed(id_segments: u32) {
    let disk = FaultDisk::new(17);
    filled(&disk, id_segments, 1..60);
    // The second event of its stream stands in the first segment.
    let frames = crate::frames::frames(&disk.contents(&files(&disk, "seg")[0]).unwrap());
    disk.flip(&files(&disk, "seg")[0], frames[4].0 + 100, 1).unwrap();
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone()));
    let options = Options { read_mode: ReadMode::Pread, ..options(id_segments) };
    let store = builder.options(options).open().unwrap();
    // The fourth event was the second of this stream: the very commit, and one that was never sent.
    let again = |id: u128| {
        let event = NewEvent::new("Noted", vec![7; 200]).id(Uuid::from_u128(id));
        let stored = store.append("s-1", quipu::ExpectedVersion::Exact(0), [event]);
        stored.unwrap_err().kind()
    };
    assert_eq!([again(4), again(9999)], [ErrorKind::Damaged; 2]);
    let fails = |after: u64, sticky: bool| {
        let kind = quipu_disk::FaultKind::Error(quipu_disk::Errno::Io);
        disk.plan(quipu_disk::Fault { at: disk.operations() + after, kind, sticky });
    };
    // Until it is a write, or a sync.
    let is_failed = |after: u64| {
        fails(after, false);
        append(&store, 1000 + u128::from(after))
            .is_err_and(|error| error.kind() == ErrorKind::Poisoned)
    };
    assert!((0..100).any(is_failed));
    let anonymous = || {
        let forbidden = quipu::Query::new().item(quipu::QueryItem::new().event_type("Noted"));
        let commit = store.commit().fail_if(forbidden.absent());
        let event = NewEvent::new("Noted", vec![7; 200]);
        commit.append("s-1", Any, [event]).submit().map(drop).unwrap_err().kind()
    };
    for is_dead in [false, true] {
        if is_dead {
            fails(0, true);
        }
        assert_eq!(
            [again(4), again(9999)],
            [ErrorKind::Unknown; 2],
            "{id_segments} segments know ids"
        );
        assert_eq!(anonymous(), ErrorKind::Poisoned, "{id_segments} segments know ids");
    }
}

/// Its bytes may have reached the disk, and a recovery may find them there.
#[test]
fn of_a_commit_whose_sync_failed_a_retry_is_not_told_that_it_is_not_written() {
    /// What a commit and its retry are told, if this operation from now on fails.
    fn told(id_segments: u32, after: u64) -> [Option<ErrorKind>; 2] {
        let disk = FaultDisk::new(17);
        let store = open(&disk, id_segments);
        let append = || {
            let event = NewEvent::new("Noted", vec![7; 200]).id(Uuid::from_u128(9999));
            let appended = store.append("s", quipu::ExpectedVersion::NoStream, [event]);
            appended.map_err(|error| error.kind()).err()
        };
        let kind = quipu_disk::FaultKind::Error(quipu_disk::Errno::Io);
        disk.plan(quipu_disk::Fault { at: disk.operations() + after, kind, sticky: false });
        [append(), append()]
    }
    for id_segments in [0, ASKED] {
        // The store's threads may do something of their own before it is written and synced.
        let told = (0..20).map(|after| told(id_segments, after));
        let unknown: Vec<_> = told.filter(|told| told[0] == Some(ErrorKind::Unknown)).collect();
        assert!(!unknown.is_empty(), "{id_segments} know ids: no sync has failed");
        assert!(
            unknown.iter().all(|told| told[1] == told[0]),
            "{id_segments} know ids: {unknown:?}"
        );
    }
}
