//! What is promised of maps.

use std::path::Path;

use quipu_disk::{Access, Disk, Map, write_all_at};

use super::create;

pub(super) fn a_map_shows_later_writes_through_any_descriptor(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    let file = create(disk, &path, &[0; 12_000]);
    let map = file.map().unwrap();
    let early = disk.open(&path, Access::Read).unwrap().map().unwrap();
    write_all_at(&*file, b"same", 100).unwrap();
    write_all_at(&*disk.open(&path, Access::Write).unwrap(), b"other", 9000).unwrap();
    for map in [&map, &early, &file.map().unwrap()] {
        settle(map, 12_000);
        assert_eq!(map.slice(98..106).unwrap(), b"\0\0same\0\0");
        assert_eq!(map.slice(9000..9005).unwrap(), b"other");
    }
}

pub(super) fn a_map_lends_what_has_settled_only(disk: &dyn Disk, directory: &Path) {
    let file = create(disk, &directory.join("log"), &[0; 8192]);
    let map = file.map().unwrap();
    assert_eq!((map.size(), map.settled()), (8192, 0));
    assert_eq!(map.slice(0..1), None);
    assert_eq!(map.slice(0..0), Some(&[][..]));
    write_all_at(&*file, b"settled", 0).unwrap();
    settle(&map, 7);
    let lent = map.slice(0..7).unwrap();
    write_all_at(&*file, b"in flight", 7).unwrap();
    assert_eq!(lent, b"settled");
    assert_eq!(map.slice(0..8), None);
    assert_eq!(map.slice(7..8), None);
    settle(&map, 3);
    assert_eq!(map.settled(), 7, "what has settled stays so");
    settle(&map, u64::MAX);
    assert_eq!(map.settled(), 8192);
    assert_eq!(map.slice(0..16).unwrap(), b"settledin flight");
    assert_eq!(map.slice(8192..8193), None);
    assert_eq!(map.slice(u64::MAX..u64::MAX), None);
}

pub(super) fn a_hint_changes_nothing_of_what_a_map_shows(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    let file = create(disk, &path, &[7; 10_000]);
    let map = file.map().unwrap();
    map.expect_scattered_reads();
    write_all_at(&*file, b"knot", 8_000).unwrap();
    settle(&map, 10_000);
    assert_eq!(map.slice(7_999..8_005), Some(&b"\x07knot\x07"[..]));
    create(disk, &directory.join("empty"), b"").map().unwrap().expect_scattered_reads();
}

pub(super) fn a_map_outlives_its_file(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    let map = create(disk, &path, b"knot").map().unwrap();
    disk.remove(&path).unwrap();
    settle(&map, 4);
    assert_eq!(map.slice(0..4).unwrap(), b"knot");
}

pub(super) fn an_empty_file_has_an_empty_map(disk: &dyn Disk, directory: &Path) {
    let file = disk.open(&directory.join("log"), Access::Create).unwrap();
    let map = file.map().unwrap();
    settle(&map, 100);
    assert_eq!((map.size(), map.settled()), (0, 0));
    assert_eq!(map.slice(0..0), Some(&[][..]));
    assert_eq!(map.slice(0..1), None);
}

fn settle(map: &Map, bound: u64) {
    // SAFETY: the tests write nothing below what they settle, and no file ever shrinks.
    unsafe { map.settle(bound) };
}
