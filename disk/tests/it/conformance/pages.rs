//! What is promised of pages.

use std::io::ErrorKind::{InvalidData, NotFound, PermissionDenied};
use std::path::Path;

use quipu_disk::{Access, Disk, PAGE_FILE_BYTES, PAGE_WORDS};

use super::create;

pub(super) fn a_page_shows_what_was_stored_last(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("live");
    page_file(disk, &path);
    let reader = disk.page(&path, Access::Read).unwrap();
    assert_eq!(reader.load(), Some([0; PAGE_WORDS]), "a file of zeros");
    let writer = disk.page(&path, Access::Write).unwrap();
    for number in 1..10 {
        let words = std::array::from_fn(|word| number << word);
        writer.store(&words).unwrap();
        assert_eq!(reader.load(), Some(words));
        assert_eq!(disk.page(&path, Access::Read).unwrap().load(), Some(words));
    }
}

pub(super) fn a_page_is_stored_by_those_who_may_write(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("live");
    page_file(disk, &path);
    let reader = disk.page(&path, Access::Read).unwrap();
    assert_eq!(reader.store(&[1; PAGE_WORDS]).unwrap_err().kind(), PermissionDenied);
    assert_eq!(reader.load(), Some([0; PAGE_WORDS]));
}

pub(super) fn a_page_needs_a_file_that_is_large_enough(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("live");
    assert_eq!(disk.page(&path, Access::Read).unwrap_err().kind(), NotFound);
    create(disk, &path, &[0; PAGE_FILE_BYTES as usize - 1]);
    assert_eq!(disk.page(&path, Access::Read).unwrap_err().kind(), InvalidData);
    assert_eq!(disk.page(&path, Access::Write).unwrap_err().kind(), InvalidData);
}

pub(super) fn a_page_outlives_its_name(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("live");
    page_file(disk, &path);
    let (reader, writer) =
        (disk.page(&path, Access::Read).unwrap(), disk.page(&path, Access::Write).unwrap());
    disk.remove(&path).unwrap();
    page_file(disk, &path);
    writer.store(&[5; PAGE_WORDS]).unwrap();
    assert_eq!(reader.load(), Some([5; PAGE_WORDS]));
    let another = disk.page(&path, Access::Read).unwrap();
    assert_eq!(another.load(), Some([0; PAGE_WORDS]), "another file");
}

pub(super) fn words_of_a_page_are_stored_together(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("live");
    page_file(disk, &path);
    let writer = disk.page(&path, Access::Write).unwrap();
    let reader = disk.page(&path, Access::Read).unwrap();
    let rounds = if cfg!(miri) { 100 } else { 100_000 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = 0;
            while last < rounds {
                let Some(words) = reader.load() else { continue };
                assert!(words.iter().all(|&word| word == words[0]), "{words:?}");
                assert!(words[0] >= last, "{} after {last}", words[0]);
                last = words[0];
            }
        });
        for round in 1..=rounds {
            writer.store(&[round; PAGE_WORDS]).unwrap();
        }
    });
}

fn page_file(disk: &dyn Disk, path: &Path) {
    create(disk, path, &[0; PAGE_FILE_BYTES as usize]);
}
