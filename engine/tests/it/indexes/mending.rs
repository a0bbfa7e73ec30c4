//! Index files that fail a check while they are used.

use quipu_disk::{FaultDisk, PowerCut};

use super::store::{
    agrees, closed_store, copy, file, files, goes_on, open, open_to_read, verified,
};

const PAGE: u64 = 4096;

/// Flips a bit in one page of a file.
fn flip(disk: &FaultDisk, path: &std::path::Path, page: u64) {
    let size = disk.contents(path).unwrap().len() as u64;
    disk.flip(path, (page * PAGE + 50 * page + 17).min(size - 1), 4).unwrap();
}

fn pages(disk: &FaultDisk, path: &std::path::Path) -> u64 {
    (disk.contents(path).unwrap().len() as u64).div_ceil(PAGE)
}

#[test]
fn any_damaged_page_of_an_index_is_got_over() {
    let whole = closed_store();
    let some = ["0000000002.idx", "0000000012.idx", "0000000017.idx"];
    let last = files(&whole, "idx").pop().unwrap();
    let paths = some.iter().map(|name| file(name)).chain(files(&whole, "run")).chain([last]);
    for path in paths {
        for page in 0..pages(&whole, &path) {
            let disk = copy(&whole);
            flip(&disk, &path, page);
            agrees(&open_to_read(&disk).unwrap());
            let store = open(&disk).unwrap();
            agrees(&store);
            goes_on(&store);
            agrees(&store);
            store.close().unwrap();
            let report = verified(&disk);
            let unsound = report.findings.iter().filter(|finding| finding.file == path);
            assert_eq!(unsound.count(), 0, "it is written anew: {path:?} {page}: {report:?}");
        }
    }
}

#[test]
fn all_indexes_may_be_damaged_at_once() {
    let disk = closed_store();
    for path in files(&disk, "idx").iter().chain(&files(&disk, "run")) {
        (0..pages(&disk, path)).for_each(|page| flip(&disk, path, page));
    }
    agrees(&open_to_read(&disk).unwrap());
    let store = open(&disk).unwrap();
    agrees(&store);
    goes_on(&store);
    store.close().unwrap();
    assert!(verified(&disk).findings.is_empty(), "{:?}", verified(&disk).findings);
}

#[test]
fn damaged_indexes_do_not_keep_a_crashed_store_from_its_events() {
    let disk = closed_store();
    let store = open(&disk).unwrap();
    goes_on(&store);
    let disk = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    for path in files(&disk, "idx") {
        flip(&disk, &path, 1);
    }
    let store = open(&disk).unwrap();
    assert!(store.opening().recovered.is_some());
    agrees(&store);
    goes_on(&store);
}
