//! Runs, and all of it made anew.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::{ErrorKind, RebuildProgress, rebuild_index_on};
use quipu_disk::{Disk, FaultDisk, Gate};

use super::store::{PATH, agrees, closed_store, files, fill, open, options, remove, verified};

#[test]
fn heads_of_many_segments_are_in_few_files() {
    let disk = FaultDisk::new(4);
    let store = open(&disk).unwrap();
    fill(&store, 700);
    store.close().unwrap();
    // The next life goes on with what is left to sum up.
    let store = open(&disk).unwrap();
    fill(&store, 200);
    let is_summed_up =
        || files(&disk, "run").iter().any(|run| run.ends_with("0000000001-0000000064.run"));
    // It is work of the lowest priority, for which closing does not wait.
    let waited = (0..4_000).find(|_| {
        let _passed = Gate::new().wait(1, Some(Duration::from_millis(5)));
        is_summed_up()
    });
    assert!(waited.is_some(), "{:?}", files(&disk, "run"));
    store.close().unwrap();
    let segments = files(&disk, "seg").len();
    let runs = files(&disk, "run");
    assert!(segments > 64 && runs.len() < 9, "{segments} segments, {runs:?}");
    assert!(runs.iter().any(|run| run.ends_with("0000000001-0000000064.run")), "{runs:?}");
    assert!(verified(&disk).findings.is_empty(), "{:?}", verified(&disk).findings);
    agrees(&open(&disk).unwrap());
}

#[test]
fn all_index_files_are_made_anew() {
    let disk = FaultDisk::new(8);
    let store = open(&disk).unwrap();
    fill(&store, 200);
    store.close().unwrap();
    let before: Vec<_> =
        files(&disk, "idx").iter().map(|file| disk.contents(file).unwrap()).collect();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut told = Vec::new();
    let report =
        rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |at| told.push(at)).unwrap();
    let after: Vec<_> =
        files(&disk, "idx").iter().map(|file| disk.contents(file).unwrap()).collect();
    assert!(before == after, "they say the same, to the byte");
    assert_eq!(report.segments, after.len() as u64);
    assert_eq!(report.bytes, after.iter().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert!(report.keys > report.segments);
    let segments = files(&disk, "seg").len() as u64;
    let last = RebuildProgress { done_segments: segments, total_segments: segments };
    assert_eq!(told.last(), Some(&last));
    assert_eq!(files(&disk, "run").len(), 2);
    assert!(verified(&disk).findings.is_empty());
    agrees(&open(&disk).unwrap());
}

#[test]
fn what_is_missing_is_made_and_an_open_store_is_left_alone() {
    let disk = closed_store();
    remove(&disk, "idx");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = open(&disk).unwrap();
    let refused = rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {});
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InUse);
    drop(store);
    remove(&disk, "idx");
    rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {}).unwrap();
    assert!(verified(&disk).findings.is_empty(), "{:?}", verified(&disk).findings);
}
