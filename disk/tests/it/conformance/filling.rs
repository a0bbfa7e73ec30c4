//! Files that are filled, maybe past the memory in which the system keeps what was written.

use std::path::Path;

use quipu_disk::{Access, Disk, read_exact_at, write_all_at};

use super::{contents, create, open_error};

/// Bytes that begin at a page of memory.
#[repr(align(4096))]
struct Pages([u8; 3 * 4096]);

static SEVENS: Pages = Pages([7; 3 * 4096]);

pub(super) fn what_is_filled_is_seen_by_all_who_open_it_later(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("filled");
    let filling = disk.open(&path, Access::Fill).unwrap();
    write_all_at(&*filling, &SEVENS.0, 0).unwrap();
    write_all_at(&*filling, &SEVENS.0[..4096], 3 * 4096).unwrap();
    let writing = disk.open(&path, Access::Write).unwrap();
    write_all_at(&*writing, b"first", 0).unwrap();
    writing.sync_data().unwrap();
    drop((filling, writing));
    let mut expected = vec![7; 4 * 4096];
    expected[..5].copy_from_slice(b"first");
    assert_eq!(contents(disk, &path), expected);
}

pub(super) fn filling_takes_bytes_of_any_place_and_length(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("filled");
    let filling = disk.open(&path, Access::Fill).unwrap();
    // Whole pages, a part of one, whole pages at no page, bytes that begin at no page of memory.
    for (range, offset) in [(0..4096, 0), (0..100, 4096), (0..8192, 4196), (1..4097, 12288)] {
        write_all_at(&*filling, &SEVENS.0[range], offset).unwrap();
    }
    filling.sync_data().unwrap();
    assert_eq!(filling.size().unwrap(), 12288 + 4096);
    let mut bytes = vec![0; 12288 + 4096];
    read_exact_at(&*disk.open(&path, Access::Read).unwrap(), &mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 7));
}

pub(super) fn only_a_new_file_is_filled(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("there");
    create(disk, &path, b"something");
    assert_eq!(open_error(disk, &path, Access::Fill), std::io::ErrorKind::AlreadyExists);
    assert_eq!(contents(disk, &path), b"something");
}
