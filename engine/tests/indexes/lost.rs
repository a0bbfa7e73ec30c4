//! Events that are lost: what the index knows of them, and what nobody knows.

use quipu::{ErrorKind, ExpectedVersion, NewEvent, Store, rebuild_index_on};
use quipu_disk::{Disk, FaultDisk};
use std::path::Path;
use std::sync::Arc;

use crate::store::{PATH, closed_store, file, files, goes_on, open, open_to_read, options, remove};

/// A store whose fifth segment has lost an event.
fn damaged() -> FaultDisk {
    let disk = closed_store();
    disk.flip(&file("0000000005.seg"), 5000, 1).unwrap();
    disk
}

/// Events that are served and errors on the way, over all.
fn served(store: &Store) -> (u64, u64) {
    let mut events = store.all().events().unwrap();
    let (mut served, mut lost) = (0, 0);
    loop {
        match events.next() {
            Ok(Some(_)) => served += 1,
            Ok(None) => return (served, lost),
            Err(error) => {
                let positions = &error.damage().unwrap().positions;
                lost += positions.end.0 - positions.start.0;
            }
        }
    }
}

#[test]
fn a_store_with_a_damaged_segment_is_written_as_long_as_the_index_knows_its_keys() {
    let disk = damaged();
    let store = open(&disk).unwrap();
    assert_eq!(served(&store), (199, 1));
    for stream in 0..crate::store::STREAMS {
        store
            .append(&format!("s-{stream}"), ExpectedVersion::Any, [NewEvent::new("T", vec![])])
            .unwrap();
    }
    store.close().unwrap();
    assert_eq!(served(&open(&disk).unwrap()).1, 1);
}

#[test]
fn a_run_knows_the_last_versions_although_an_index_is_missing() {
    let disk = damaged();
    disk.remove(&file("0000000005.idx")).unwrap();
    let store = open(&disk).unwrap();
    assert_eq!(served(&store).1, 1);
    store.append("s-1", ExpectedVersion::Any, [NewEvent::new("T", vec![])]).unwrap();
    store.close().unwrap();
    assert!(!files(&disk, "idx").contains(&file("0000000005.idx")), "it would know less");
}

#[test]
fn a_store_that_has_lost_events_and_their_keys_is_only_read() {
    let disk = damaged();
    disk.remove(&file("0000000005.idx")).unwrap();
    remove(&disk, "run");
    let before: Vec<_> = disk.files();
    let error = open(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(error.damage().unwrap().file, file("0000000005.seg"));
    assert_eq!(disk.files(), before, "nothing was changed by trying");
    let store = open_to_read(&disk).unwrap();
    assert_eq!(served(&store), (199, 1));
}

#[test]
fn whoever_reads_by_key_learns_that_something_is_lost() {
    for without_index in [false, true] {
        let disk = damaged();
        if without_index {
            disk.remove(&file("0000000005.idx")).unwrap();
        }
        let store = open_to_read(&disk).unwrap();
        let streams = (0..crate::store::STREAMS).map(|stream| format!("s-{stream}"));
        let told = streams.filter(|stream| {
            let mut events = store.stream(stream).events().unwrap();
            loop {
                match events.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => return false,
                    Err(error) => return error.kind() == ErrorKind::Damaged,
                }
            }
        });
        assert!(told.count() >= 1, "without its index: {without_index}");
    }
}

#[test]
fn an_index_that_knows_more_than_the_log_is_not_made_anew() {
    let disk = damaged();
    let index = disk.contents(&file("0000000005.idx")).unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let error = rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(disk.contents(&file("0000000005.idx")).unwrap(), index);
    let store = open(&disk).unwrap();
    assert_eq!(served(&store), (199, 1));
}

#[test]
fn a_segment_that_was_damaged_while_active_is_sealed_and_says_so() {
    let disk = closed_store();
    let active = files(&disk, "seg").pop().unwrap();
    disk.flip(&active, 4300, 1).unwrap();
    let store = open(&disk).unwrap();
    crate::store::fill(&store, 60);
    assert_eq!(served(&store), (259, 1));
    store.close().unwrap();
    assert!(files(&disk, "seg").last() > Some(&active), "it was sealed");
    let report = crate::store::verified(&disk);
    assert!(report.findings.iter().all(|finding| finding.file == active), "{:?}", report.findings);
    assert!(!report.is_sound());
    let store = open(&disk).unwrap();
    assert_eq!(served(&store), (259, 1));
}

/// A whole store takes what the ones above are refused.
#[test]
fn a_whole_store_is_written() {
    let disk = closed_store();
    remove(&disk, "run");
    disk.remove(&file("0000000005.idx")).unwrap();
    goes_on(&open(&disk).unwrap());
}
