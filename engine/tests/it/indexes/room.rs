//! A full disk: the ballast, and indexes for which there is no room.

use std::path::Path;
use std::sync::Arc;

use quipu::{Options, Store};
use quipu_disk::{Disk, FaultDisk};

use super::store::{agrees, closed_store, file, files, goes_on, open, options, remove, verified};

fn with_ballast(disk: &FaultDisk, ballast_bytes: u64) -> Store {
    let options = Options { ballast_bytes, ..options() };
    Store::builder("s").disk(Arc::new(disk.clone())).options(options).open().unwrap()
}

fn has_ballast(disk: &FaultDisk) -> bool {
    disk.list(Path::new("s")).unwrap().contains(&"ballast".to_owned())
}

#[test]
fn the_ballast_is_there_until_it_is_needed_and_comes_back() {
    let disk = closed_store();
    with_ballast(&disk, 64 << 10).close().unwrap();
    assert_eq!(disk.contents(&file("ballast")).unwrap().len(), 64 << 10);
    assert!(verified(&disk).findings.is_empty());
    disk.remove(&file("0000000007.idx")).unwrap();
    disk.plan_full(Some(0));
    let store = with_ballast(&disk, 64 << 10);
    agrees(&store);
    store.close().unwrap();
    assert!(!has_ballast(&disk), "it was given up");
    assert!(files(&disk, "idx").contains(&file("0000000007.idx")), "for the index");
    disk.plan_full(None);
    with_ballast(&disk, 64 << 10).close().unwrap();
    assert!(has_ballast(&disk));
    assert!(verified(&disk).findings.is_empty());
}

#[test]
fn a_store_without_ballast_has_none() {
    let disk = FaultDisk::new(6);
    drop(with_ballast(&disk, 0));
    assert!(!has_ballast(&disk));
}

#[test]
fn a_store_opens_and_is_read_while_there_is_no_room_for_an_index() {
    let disk = closed_store();
    remove(&disk, "idx");
    remove(&disk, "run");
    disk.plan_full(Some(0));
    let store = open(&disk).unwrap();
    agrees(&store);
    goes_on(&store);
    store.close().unwrap();
    assert!(files(&disk, "idx").is_empty(), "{:?}", disk.files());
    disk.plan_full(None);
    let store = open(&disk).unwrap();
    agrees(&store);
    store.close().unwrap();
    assert!(verified(&disk).findings.is_empty(), "{:?}", verified(&disk).findings);
}
