//! One suite for every implementation of [`Disk`]: what the trait promises, each of them keeps.
#![allow(
    clippy::disallowed_methods,
    reason = "the real disk needs a real directory, removed after"
)]
#![allow(unsafe_code, reason = "the tests vouch that what they settle is not written any more")]

mod filling;
mod maps;
mod pages;

use std::io::ErrorKind::{
    AlreadyExists, InvalidInput, IsADirectory, NotADirectory, NotFound, UnexpectedEof,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_disk::{
    Access, Disk, FaultDisk, File, MemoryDisk, RealDisk, read_exact_at, write_all_at,
};

use filling::*;
use maps::*;
use pages::*;

/// Runs every case on every disk, each in an empty directory of its own.
macro_rules! conformance {
    ($($case:ident)*) => {
        #[cfg(not(miri))]
        mod real {
            $(#[test] fn $case() {
                let place = super::Place::new(stringify!($case));
                super::$case(&super::RealDisk::new(), &place.path);
            })*
        }
        mod memory {
            $(#[test] fn $case() { super::simulated(&super::MemoryDisk::new(), super::$case); })*
        }
        mod fault {
            $(#[test] fn $case() { super::simulated(&super::FaultDisk::new(1), super::$case); })*
        }
    };
}

conformance! {
    opening_tells_files_that_exist_from_those_that_do_not
    a_file_in_the_place_of_a_directory_is_an_error
    a_gap_reads_as_zeros
    reading_past_the_end_is_short
    huge_offsets_are_errors_and_change_nothing
    writing_nothing_changes_nothing
    only_descriptors_for_writing_write
    what_is_filled_is_seen_by_all_who_open_it_later
    filling_takes_bytes_of_any_place_and_length
    only_a_new_file_is_filled
    descriptors_of_one_file_share_its_bytes
    renaming_replaces
    renaming_onto_itself_changes_nothing
    renaming_what_is_not_there_fails
    a_removed_file_lives_on_in_open_descriptors
    a_replaced_file_lives_on_in_open_descriptors
    listing_is_sorted_and_knows_files_only
    creating_a_directory_creates_its_parents
    a_lock_excludes_until_dropped
    a_lock_makes_a_file_in_a_directory_that_exists
    a_map_shows_later_writes_through_any_descriptor
    a_map_lends_what_has_settled_only
    a_map_outlives_its_file
    a_hint_changes_nothing_of_what_a_map_shows
    an_empty_file_has_an_empty_map
    a_page_shows_what_was_stored_last
    a_page_is_stored_by_those_who_may_write
    a_page_needs_a_file_that_is_large_enough
    a_page_outlives_its_name
    words_of_a_page_are_stored_together
    syncs_succeed
    clocks_are_plausible
    randomness_differs
}

fn opening_tells_files_that_exist_from_those_that_do_not(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    assert_eq!(open_error(disk, &path, Access::Read), NotFound);
    assert_eq!(open_error(disk, &path, Access::Write), NotFound);
    let file = disk.open(&path, Access::Create).unwrap();
    assert_eq!(file.size().unwrap(), 0);
    assert_eq!(open_error(disk, &path, Access::Create), AlreadyExists);
    assert!(disk.open(&path, Access::Read).is_ok());
    assert!(disk.open(&path, Access::Write).is_ok());

    let absent = directory.join("absent");
    assert_eq!(open_error(disk, &absent.join("log"), Access::Create), NotFound);
    assert_eq!(open_error(disk, &absent.join("log"), Access::Read), NotFound);
    assert_eq!(disk.list(&absent).unwrap_err().kind(), NotFound);
    assert_eq!(disk.sync_directory(&absent).unwrap_err().kind(), NotFound);
    assert_eq!(disk.remove(&absent).unwrap_err().kind(), NotFound);
    assert_eq!(disk.lock(&absent.join("lock")).unwrap_err().kind(), NotFound);

    assert_eq!(open_error(disk, directory, Access::Read), IsADirectory);
    assert_eq!(open_error(disk, directory, Access::Write), IsADirectory);
    assert_eq!(open_error(disk, directory, Access::Create), AlreadyExists);
    assert_eq!(disk.remove(directory).unwrap_err().kind(), IsADirectory);
}

fn a_file_in_the_place_of_a_directory_is_an_error(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    create(disk, &path, b"knot");
    let below = path.join("below");
    assert_eq!(open_error(disk, &below, Access::Create), NotADirectory);
    assert_eq!(open_error(disk, &below, Access::Read), NotADirectory);
    assert_eq!(disk.list(&path).unwrap_err().kind(), NotADirectory);
    assert_eq!(disk.sync_directory(&path).unwrap_err().kind(), NotADirectory);
    assert_eq!(disk.rename(&path, &below).unwrap_err().kind(), NotADirectory);
    assert_eq!(disk.create_directory(&path).unwrap_err().kind(), AlreadyExists);
    assert_eq!(disk.create_directory(&below).unwrap_err().kind(), NotADirectory);
    assert_eq!(contents(disk, &path), b"knot");
}

fn a_gap_reads_as_zeros(disk: &dyn Disk, directory: &Path) {
    let file = disk.open(&directory.join("log"), Access::Create).unwrap();
    write_all_at(&*file, b"far", 10_000).unwrap();
    assert_eq!(file.size().unwrap(), 10_003);
    write_all_at(&*file, b"near", 2).unwrap();
    assert_eq!(file.size().unwrap(), 10_003);
    let mut bytes = vec![0xAA; 10_003];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes[..6], b"\0\0near");
    assert!(bytes[6..10_000].iter().all(|byte| *byte == 0));
    assert_eq!(&bytes[10_000..], b"far");
}

fn reading_past_the_end_is_short(disk: &dyn Disk, directory: &Path) {
    let file = create(disk, &directory.join("log"), b"0123456789");
    let mut bytes = [0xAA; 8];
    assert_eq!(file.read_at(&mut bytes, 6).unwrap(), 4);
    assert_eq!(&bytes, b"6789\xAA\xAA\xAA\xAA");
    assert_eq!(file.read_at(&mut bytes, 10).unwrap(), 0);
    assert_eq!(file.read_at(&mut bytes, 1 << 40).unwrap(), 0);
    assert_eq!(file.read_at(&mut [], 0).unwrap(), 0);
    assert_eq!(read_exact_at(&*file, &mut bytes, 6).unwrap_err().kind(), UnexpectedEof);
}

fn huge_offsets_are_errors_and_change_nothing(disk: &dyn Disk, directory: &Path) {
    let file = create(disk, &directory.join("log"), b"knot");
    assert!(file.write_at(b"x", u64::MAX).is_err());
    assert!(file.write_at(b"x", u64::MAX / 2).is_err());
    assert_eq!(contents(disk, &directory.join("log")), b"knot");
}

fn writing_nothing_changes_nothing(disk: &dyn Disk, directory: &Path) {
    let file = create(disk, &directory.join("log"), b"knot");
    assert_eq!(file.write_at(b"", 100).unwrap(), 0);
    assert_eq!(file.size().unwrap(), 4);
}

fn only_descriptors_for_writing_write(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    create(disk, &path, b"knot");
    let reader = disk.open(&path, Access::Read).unwrap();
    assert!(reader.write_at(b"x", 0).is_err());
    let writer = disk.open(&path, Access::Write).unwrap();
    write_all_at(&*writer, b"K", 0).unwrap();
    assert_eq!(contents(disk, &path), b"Knot");
}

fn descriptors_of_one_file_share_its_bytes(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    let one = disk.open(&path, Access::Create).unwrap();
    let two = disk.open(&path, Access::Write).unwrap();
    write_all_at(&*one, b"knot", 0).unwrap();
    write_all_at(&*two, b" tied", 4).unwrap();
    assert_eq!(one.size().unwrap(), 9);
    let mut bytes = [0; 9];
    read_exact_at(&*one, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"knot tied");
}

fn renaming_replaces(disk: &dyn Disk, directory: &Path) {
    let (old, new) = (directory.join("manifest"), directory.join("manifest.tmp"));
    create(disk, &old, b"old");
    create(disk, &new, b"new");
    disk.rename(&new, &old).unwrap();
    assert_eq!(contents(disk, &old), b"new");
    assert_eq!(disk.list(directory).unwrap(), ["manifest"]);

    let elsewhere = directory.join("elsewhere");
    disk.create_directory(&elsewhere).unwrap();
    disk.rename(&old, &elsewhere.join("manifest")).unwrap();
    assert_eq!(contents(disk, &elsewhere.join("manifest")), b"new");
    assert!(disk.list(directory).unwrap().is_empty());
}

fn renaming_onto_itself_changes_nothing(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    create(disk, &path, b"knot");
    disk.rename(&path, &directory.join(".").join("log")).unwrap();
    assert_eq!(contents(disk, &path), b"knot");
}

fn renaming_what_is_not_there_fails(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    let kind = |from: &Path, to: &Path| disk.rename(from, to).unwrap_err().kind();
    assert_eq!(kind(&path, &directory.join("other")), NotFound);
    create(disk, &path, b"knot");
    assert_eq!(kind(&path, &directory.join("absent").join("log")), NotFound);
    let inner = directory.join("inner");
    disk.create_directory(&inner).unwrap();
    assert_eq!(kind(&path, &inner), IsADirectory);
    assert_eq!(kind(&inner, &directory.join("other")), IsADirectory);
    assert_eq!(contents(disk, &path), b"knot");
}

fn a_removed_file_lives_on_in_open_descriptors(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    let file = create(disk, &path, b"knot");
    disk.remove(&path).unwrap();
    assert_eq!(open_error(disk, &path, Access::Read), NotFound);
    write_all_at(&*file, b" tied", 4).unwrap();
    create(disk, &path, b"another");
    let mut bytes = [0; 9];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"knot tied");
    file.sync_data().unwrap();
    assert_eq!(contents(disk, &path), b"another");
}

fn a_replaced_file_lives_on_in_open_descriptors(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("log");
    let file = create(disk, &path, b"knot");
    create(disk, &directory.join("tmp"), b"other");
    disk.rename(&directory.join("tmp"), &path).unwrap();
    assert_eq!(file.size().unwrap(), 4);
    assert_eq!(contents(disk, &path), b"other");
}

fn listing_is_sorted_and_knows_files_only(disk: &dyn Disk, directory: &Path) {
    assert!(disk.list(directory).unwrap().is_empty());
    for name in ["b", "a", "c.tmp", "B", "a.idx", "ä"] {
        create(disk, &directory.join(name), b"");
    }
    disk.create_directory(&directory.join("inner")).unwrap();
    create(disk, &directory.join("inner").join("deep"), b"");
    assert_eq!(disk.list(directory).unwrap(), ["B", "a", "a.idx", "b", "c.tmp", "ä"]);
    assert_eq!(disk.list(&directory.join("inner")).unwrap(), ["deep"]);
}

fn creating_a_directory_creates_its_parents(disk: &dyn Disk, directory: &Path) {
    let deep = directory.join("a").join("b").join("c");
    disk.create_directory(&deep).unwrap();
    disk.create_directory(&deep).unwrap();
    disk.create_directory(&directory.join("a").join("sibling")).unwrap();
    create(disk, &deep.join("log"), b"knot");
    assert_eq!(disk.list(&deep).unwrap(), ["log"]);
    assert!(disk.list(&directory.join("a")).unwrap().is_empty());
}

fn a_lock_excludes_until_dropped(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("lock");
    assert!(!disk.is_locked(&path).unwrap(), "one that does not exist is locked by nobody");
    let lock = disk.lock(&path).unwrap().expect("nobody holds it");
    assert!(disk.lock(&directory.join("other")).unwrap().is_some());
    assert!(disk.is_locked(&path).unwrap(), "failing to lock does not unlock");
    drop(lock);
    assert!(disk.lock(&path).unwrap().is_some());
    assert!(disk.lock(&path).unwrap().is_some(), "the one before was dropped at once");
}

fn a_lock_makes_a_file_in_a_directory_that_exists(disk: &dyn Disk, directory: &Path) {
    let path = directory.join("lock");
    drop(disk.lock(&path).unwrap());
    assert_eq!(disk.list(directory).unwrap(), ["lock"]);
    write_all_at(&*disk.open(&path, Access::Write).unwrap(), b"42", 0).unwrap();
    let _lock = disk.lock(&path).unwrap().expect("nobody holds it");
    assert_eq!(contents(disk, &path), b"42", "locking leaves the bytes alone");
    assert_eq!(disk.lock(directory).unwrap_err().kind(), IsADirectory);
}

fn syncs_succeed(disk: &dyn Disk, directory: &Path) {
    let file = create(disk, &directory.join("log"), b"knot");
    file.sync_data().unwrap();
    file.sync_data().unwrap();
    disk.open(&directory.join("log"), Access::Read).unwrap().sync_data().unwrap();
    disk.sync_directory(directory).unwrap();
    disk.sync_directory(Path::new("")).unwrap();
}

fn clocks_are_plausible(disk: &dyn Disk, _directory: &Path) {
    let times: Vec<_> = (0..1000).map(|_| disk.elapsed()).collect();
    assert!(times.is_sorted());
    const YEAR_US: u64 = 365 * 24 * 3600 * 1_000_000;
    assert!((50 * YEAR_US..500 * YEAR_US).contains(&disk.now()));
}

fn randomness_differs(disk: &dyn Disk, _directory: &Path) {
    let [mut one, mut two] = [[0; 1000]; 2];
    disk.fill_random(&mut one).unwrap();
    disk.fill_random(&mut two).unwrap();
    assert_ne!(one, two);
    assert!(one[992..].iter().any(|byte| *byte != 0), "filled to the end");
    disk.fill_random(&mut []).unwrap();
}

/// What the machine can do and the others cannot: names in its file system that are no files.
#[cfg(not(miri))]
#[test]
fn the_real_disk_neither_lists_nor_opens_what_is_no_file() {
    let place = Place::new("no_file");
    let disk = RealDisk::new();
    create(&disk, &place.path.join("file"), b"knot");
    std::os::unix::fs::symlink("file", place.path.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path.join("socket")).unwrap();
    assert_eq!(disk.list(&place.path).unwrap(), ["file"]);
    assert!(disk.open(&place.path.join("socket"), Access::Read).is_err());
    assert_eq!(open_error(&disk, Path::new("/dev/null"), Access::Read), InvalidInput);
    // Whoever opens a pipe waits for the other end, unless it says that it does not.
    let pipe = place.path.join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(open_error(&disk, &pipe, Access::Read), InvalidInput);
    assert_eq!(disk.page(&pipe, Access::Read).unwrap_err().kind(), InvalidInput);
    assert_eq!(disk.lock(&pipe).unwrap_err().kind(), InvalidInput);
    assert_eq!(disk.is_locked(&pipe).unwrap_err().kind(), InvalidInput);
}

fn create(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.open(path, Access::Create).unwrap();
    write_all_at(&*file, bytes, 0).unwrap();
    file
}

fn contents(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

fn open_error(disk: &dyn Disk, path: &Path, access: Access) -> std::io::ErrorKind {
    disk.open(path, access).unwrap_err().kind()
}

fn simulated(disk: &dyn Disk, case: fn(&dyn Disk, &Path)) {
    let directory = Path::new("/store");
    disk.create_directory(directory).unwrap();
    case(disk, directory);
}

/// A directory of the machine for one case, removed afterwards.
struct Place {
    path: PathBuf,
}

impl Place {
    fn new(case: &str) -> Place {
        let name = format!("quipu-disk-{}-{case}", std::process::id());
        let path = std::env::temp_dir().join(name);
        RealDisk::new().create_directory(&path).unwrap();
        Place { path }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[test]
fn the_real_disk_says_where_paths_lead_and_what_is_vacant() {
    let place = Place::new("resolve");
    let disk = RealDisk::new();
    let at = |name: &str| place.path.join(name);
    disk.create_directory(&at("store/folder")).unwrap();
    std::os::unix::fs::symlink("store", at("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
    create(&disk, &at("file"), b"knot");
    let real = disk.resolve(&place.path).unwrap();
    for (path, leads_to) in [
        ("store", "store"),
        ("link", "store"),
        ("link/new/newer", "store/new/newer"),
        ("link/../other", "other"),
        ("new/../link/new", "store/new"),
        ("./store/./new", "store/new"),
    ] {
        assert_eq!(disk.resolve(&at(path)).unwrap(), real.join(leads_to), "{path}");
    }
    let here = disk.resolve(Path::new(".")).unwrap();
    assert_eq!(disk.resolve(Path::new("new")).unwrap(), here.join("new"));
    let vacant = |name: &str| disk.is_vacant(&at(name)).map_err(|error| error.kind());
    let expected = [Ok(true), Ok(true), Ok(false), Ok(false), Err(NotADirectory)];
    assert_eq!(["new", "store/folder", "store", "link", "file"].map(vacant), expected);
}
