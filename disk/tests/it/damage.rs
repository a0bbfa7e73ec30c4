//! What tests do to a disk behind the back of whoever uses it is seen and durable.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_disk::{
    Access, Disk, FaultDisk, File, PowerCut, is_unreadable, read_exact_at, write_all_at,
};

fn at(name: &str) -> PathBuf {
    Path::new("/store").join(name)
}

/// A disk with two files. Of the first the beginning is on its way to the medium.
fn disk() -> (FaultDisk, Arc<dyn File>) {
    let disk = FaultDisk::new(0);
    disk.create_directory(&at("")).unwrap();
    disk.put(&at("log"), b"knots").unwrap();
    disk.put(&at("other"), b"012345").unwrap();
    let file = disk.open(&at("log"), Access::Write).unwrap();
    write_all_at(&*file, b"KN", 0).unwrap();
    (disk, file)
}

/// What is seen of both files; the same is found after all of it was synced.
fn found(disk: &FaultDisk, file: &dyn File) -> [Vec<u8>; 2] {
    let read = |disk: &FaultDisk| ["log", "other"].map(|name| disk.contents(&at(name)).unwrap());
    let seen = read(disk);
    file.sync_data().unwrap();
    assert_eq!(read(&disk.power_cut(PowerCut::LoseAll)), seen);
    seen
}

#[test]
fn bits_flip_and_ranges_are_zeroed() {
    let (disk, file) = disk();
    disk.flip(&at("log"), 1, 0x20).unwrap();
    disk.zero(&at("log"), 3..5).unwrap();
    assert_eq!(found(&disk, &*file), [&b"Kno\0\0"[..], b"012345"]);
}

#[test]
fn bytes_are_written_a_second_time_in_the_same_file_or_another() {
    let (disk, file) = disk();
    disk.duplicate(&at("log"), 1..4, &at("other"), 2).unwrap();
    disk.duplicate(&at("log"), 0..2, &at("log"), 1).unwrap();
    disk.duplicate(&at("other"), 0..1, &at("log"), 1).unwrap();
    assert_eq!(found(&disk, &*file), [&b"K0Nts"[..], b"01Not5"]);
}

#[test]
fn what_is_on_its_way_to_another_place_stays_as_it_is() {
    let (disk, file) = disk();
    write_all_at(&*file, b"S", 4).unwrap();
    disk.duplicate(&at("other"), 0..2, &at("log"), 1).unwrap();
    assert_eq!(found(&disk, &*file), [&b"K01tS"[..], b"012345"]);
}

#[test]
fn bytes_that_go_astray_are_not_where_they_belong() {
    let (disk, file) = disk();
    disk.misdirect(&at("log"), 0..2, &at("other"), 4).unwrap();
    disk.misdirect(&at("log"), 2..4, &at("log"), 1).unwrap();
    assert_eq!(found(&disk, &*file), [&b"\0ot\0s"[..], b"0123KN"]);
}

#[test]
fn an_erased_file_is_gone_for_good_and_gives_its_room_back() {
    let (disk, file) = disk();
    disk.rename(&at("other"), &at("another")).unwrap();
    disk.plan_full(Some(0));
    disk.erase(&at("log")).unwrap();
    file.sync_data().unwrap();
    write_all_at(&*disk.open(&at("another"), Access::Write).unwrap(), b"67890", 6).unwrap();
    let after = disk.power_cut(PowerCut::LoseAll);
    assert_eq!(after.files(), [at("another")]);
    assert_eq!(after.erase(&at("log")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_not_there_cannot_be_damaged() {
    let (disk, file) = disk();
    let (log, other, no) = (at("log"), at("other"), at("no"));
    let beyond = [
        disk.flip(&log, 5, 1),
        disk.zero(&log, 4..6),
        disk.duplicate(&log, 4..6, &other, 0),
        disk.duplicate(&log, 0..2, &other, 5),
        disk.misdirect(&log, 4..6, &other, 0),
        disk.misdirect(&log, 0..2, &other, 5),
    ];
    assert!(
        beyond.iter().all(|done| done.as_ref().unwrap_err().kind() == ErrorKind::UnexpectedEof)
    );
    let absent = [
        disk.flip(&no, 0, 1),
        disk.duplicate(&no, 0..1, &log, 0),
        disk.misdirect(&log, 0..1, &no, 0),
        disk.contents(&no).map(drop),
    ];
    assert!(absent.iter().all(|done| done.as_ref().unwrap_err().kind() == ErrorKind::NotFound));
    assert_eq!(found(&disk, &*file), [&b"KNots"[..], b"012345"]);
}

#[test]
fn a_bad_sector_fails_for_good_and_nothing_beside_it() {
    let (disk, file) = disk();
    disk.spoil(&at("log"), 2..4).unwrap();
    write_all_at(&*file, b"KNOTS", 0).unwrap();
    file.sync_data().unwrap();
    let reads = |disk: &FaultDisk| {
        let file = disk.open(&at("log"), Access::Read).unwrap();
        let read = |offset| {
            let mut bytes = [0; 9];
            let read = file.read_at(&mut bytes, offset);
            read.map(|count| bytes[..count].to_vec()).map_err(|error| is_unreadable(&error))
        };
        assert!(is_unreadable(&file.map().unwrap_err()));
        assert_eq!(file.read_at(&mut [], 3).unwrap(), 0);
        assert!(read_exact_at(&*file, &mut [0; 2], 0).is_ok());
        (0..6).map(read).collect::<Vec<_>>()
    };
    let expected = [
        Ok(b"KN".to_vec()),
        Ok(b"N".to_vec()),
        Err(true),
        Err(true),
        Ok(b"S".to_vec()),
        Ok(Vec::new()),
    ];
    assert_eq!(reads(&disk), expected);
    let cut = disk.power_cut(PowerCut::LoseAll);
    assert_eq!(reads(&cut), expected);
    let killed = cut.kill();
    assert_eq!(reads(&killed), expected);
    assert!(killed.open(&at("other"), Access::Read).unwrap().map().is_ok());
    killed.put(&at("log"), b"knots").unwrap();
    assert!(killed.open(&at("log"), Access::Read).unwrap().map().is_ok());
    assert_eq!(killed.spoil(&at("log"), 4..6).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(killed.spoil(&at("no"), 0..1).unwrap_err().kind(), ErrorKind::NotFound);
}
