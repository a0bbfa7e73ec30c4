//! What disks in memory refuse: to move the bytes of a file from under a map.

#![allow(unsafe_code, reason = "the tests vouch that what they settle is not written any more")]

use std::io::ErrorKind;
use std::path::Path;
use std::thread;

use quipu_disk::{Access, Disk, FaultDisk, MemoryDisk, read_exact_at, write_all_at};

const PAGE_BYTES: u64 = 4096;

#[test]
fn a_file_grows_only_where_its_maps_can_stay() {
    for disk in [&MemoryDisk::new() as &dyn Disk, &FaultDisk::new(0)] {
        let file = disk.open(Path::new("log"), Access::Create).unwrap();
        write_all_at(&*file, b"knot", 0).unwrap();
        let map = file.map().unwrap();
        let refused = file.write_at(b"far", PAGE_BYTES - 1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
        assert_eq!(file.size().unwrap(), 4, "nothing was written");
        write_all_at(&*file, b"near", 4).unwrap();
        assert_eq!(map.size(), 4, "a map keeps its size");
        drop(map);
        write_all_at(&*file, b"far", PAGE_BYTES - 1).unwrap();
        let mut bytes = [0; 8];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"knotnear", "moving keeps the bytes");
    }
}

#[test]
fn clones_share_the_contents() {
    let disk = MemoryDisk::new();
    write_all_at(&*disk.open(Path::new("log"), Access::Create).unwrap(), b"knot", 0).unwrap();
    assert_eq!(disk.clone().list(Path::new("")).unwrap(), ["log"]);
    assert!(format!("{disk:?}").contains("log"));
}

/// One thread writes, settles and tells how far; others read slices meanwhile. Run under Miri or a
/// thread sanitizer this shows that settled bytes are not raced for.
#[test]
fn settled_bytes_are_read_while_later_ones_are_written() {
    const ROUNDS: u64 = if cfg!(miri) { 30 } else { 500 };
    let disk = MemoryDisk::new();
    let file = disk.open(Path::new("log"), Access::Create).unwrap();
    write_all_at(&*file, &[0; 8192], 0).unwrap();
    let map = file.map().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                write_all_at(&*file, &[7; 16], round * 16).unwrap();
                // SAFETY: this thread is the only writer, and it never goes back.
                unsafe { map.settle((round + 1) * 16) };
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while map.settled() < ROUNDS * 16 {
                    let settled = map.slice(0..map.settled()).unwrap();
                    assert!(settled.iter().all(|byte| *byte == 7));
                }
            });
        }
    });
}
