//! Each planned fault does what it says.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::thread;

use quipu_disk::{
    Access, Disk, Errno, Fault, FaultDisk, FaultKind, PowerCut, is_unreadable, read_exact_at,
    write_all_at,
};

use super::{SEEDS, assert_off, at, disk_with_log, log, log_path, next};

#[test]
fn every_call_that_touches_storage_is_counted() {
    let disk = FaultDisk::new(0);
    disk.create_directory(&at("")).unwrap();
    let file = disk.open(&log_path(), Access::Create).unwrap();
    disk.list(&at("")).unwrap();
    disk.lock(&at("lock")).unwrap();
    disk.remove(&at("lock")).unwrap();
    disk.rename(&log_path(), &at("other")).unwrap();
    disk.sync_directory(&at("")).unwrap();
    file.size().unwrap();
    file.write_at(b"knot", 0).unwrap();
    file.read_at(&mut [0; 4], 0).unwrap();
    file.sync_data().unwrap();
    file.map().unwrap();
    assert_eq!(disk.operations(), 12);
    assert!(disk.open(&at("absent"), Access::Read).is_err());
    assert_eq!(disk.operations(), 13, "failures count");
    let _ = (disk.now(), disk.elapsed(), disk.fill_random(&mut [0; 4]));
    let _ = (disk.contents(&at("other")), disk.files(), disk.flip(&at("other"), 0, 1));
    assert_eq!(disk.operations(), 13);
}

#[test]
fn a_failed_sync_loses_what_was_not_durable_though_it_is_still_seen() {
    let (disk, file) = disk_with_log(0, b"knot");
    write_all_at(&*file, b"lost", 0).unwrap();
    next(&disk, FaultKind::Error(Errno::Full));
    assert_eq!(file.sync_data().unwrap_err().kind(), ErrorKind::StorageFull);
    let mut seen = [0; 4];
    read_exact_at(&*file, &mut seen, 0).unwrap();
    assert_eq!(&seen, b"lost");
    write_all_at(&*file, b" later", 4).unwrap();
    file.sync_data().unwrap();
    assert_eq!(log(&disk), b"lost later");
    assert_eq!(log(&disk.power_cut(PowerCut::KeepAll)), b"knot later");
}

#[test]
fn power_off_in_a_write_leaves_an_unsynced_prefix() {
    let mut lengths = BTreeSet::new();
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_log(seed, b"");
        next(&disk, FaultKind::PowerOff);
        assert_off(&file.write_at(b"knot", 0));
        assert_off(&file.sync_data());
        assert_off(&disk.list(&at("")));
        let found = log(&disk.power_cut(PowerCut::KeepAll));
        assert!(b"knot".starts_with(&found));
        lengths.insert(found.len());
        assert_eq!(log(&disk.power_cut(PowerCut::LoseAll)), b"");
    }
    assert_eq!(lengths, (0..=4).collect());
}

#[test]
fn power_off_in_a_change_of_names_leaves_it_made_or_not() {
    let outcomes: BTreeSet<Vec<PathBuf>> = (0..SEEDS)
        .map(|seed| {
            let (disk, _file) = disk_with_log(seed, b"");
            next(&disk, FaultKind::PowerOff);
            assert_off(&disk.rename(&log_path(), &at("sealed")));
            disk.power_cut(PowerCut::KeepAll).files()
        })
        .collect();
    assert_eq!(outcomes, [vec![log_path()], vec![at("sealed")]].into());
}

#[test]
fn errors_have_no_effect_and_pass_unless_they_stick() {
    let (disk, file) = disk_with_log(0, b"knot");
    next(&disk, FaultKind::Error(Errno::Denied));
    assert_eq!(file.write_at(b"x", 0).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(log(&disk), b"knot");
    next(&disk, FaultKind::Error(Errno::Interrupted));
    assert_eq!(disk.remove(&log_path()).unwrap_err().kind(), ErrorKind::Interrupted);
    next(&disk, FaultKind::Interrupted);
    write_all_at(&*file, b"K", 0).unwrap();
    assert_eq!(log(&disk), b"Knot");
    let at = disk.operations() + 1;
    disk.plan(Fault { at, kind: FaultKind::Error(Errno::Io), sticky: true });
    assert!(file.size().is_ok());
    assert!((0..10).all(|_| file.size().is_err()));
}

#[test]
fn short_calls_do_a_part_and_at_least_one_byte() {
    let (disk, file) = disk_with_log(7, b"");
    disk.plan(Fault { at: disk.operations(), kind: FaultKind::Short, sticky: true });
    let bytes: Vec<u8> = (0..=255).collect();
    let counts: BTreeSet<usize> = (0..50).map(|_| file.write_at(&bytes, 0).unwrap()).collect();
    assert!(counts.first() >= Some(&1) && counts.last() <= Some(&256) && counts.len() > 5);
    write_all_at(&*file, &bytes, 0).unwrap();
    let mut found = [0; 256];
    read_exact_at(&*file, &mut found, 0).unwrap();
    assert_eq!(found[..], bytes);
    file.sync_data().unwrap();
}

#[test]
fn a_full_disk_stores_what_fits_and_overwrites_go_on() {
    let (disk, file) = disk_with_log(0, &[1; 100]);
    disk.put(&at("ballast"), &[0; 50]).unwrap();
    disk.plan_full(Some(10));
    assert_eq!(file.write_at(&[2; 30], 95).unwrap(), 15);
    let full = file.write_at(&[2; 30], 110).unwrap_err();
    assert_eq!((full.kind(), full.raw_os_error()), (ErrorKind::StorageFull, Some(28)));
    assert_eq!(file.write_at(&[2; 30], 0).unwrap(), 30);
    file.sync_data().unwrap();
    disk.remove(&at("ballast")).unwrap();
    assert_eq!(file.write_at(&[3; 60], 110).unwrap(), 50, "what was removed makes room");
    let after = disk.kill();
    let file = after.open(&log_path(), Access::Write).unwrap();
    assert!(file.write_at(&[3], 160).is_err(), "the next process finds it full as well");
    after.plan_full(None);
    assert_eq!(file.write_at(&[3; 60], 160).unwrap(), 60);
}

#[test]
fn a_held_sync_settles_what_was_written_before_it_was_called() {
    let (disk, file) = disk_with_log(0, b"");
    write_all_at(&*file, b"before", 0).unwrap();
    disk.hold_syncs(true);
    let called = disk.operations();
    thread::scope(|scope| {
        let sync = scope.spawn(|| file.sync_data());
        while disk.operations() == called {
            thread::yield_now();
        }
        write_all_at(&*file, b"after", 6).unwrap();
        assert_eq!(log(&disk), b"beforeafter");
        assert!(!sync.is_finished());
        disk.hold_syncs(false);
        sync.join().unwrap().unwrap();
    });
    assert_eq!(log(&disk.power_cut(PowerCut::LoseAll)), b"before");
}

#[test]
fn a_power_cut_ends_a_held_sync() {
    let (disk, file) = disk_with_log(0, b"");
    write_all_at(&*file, b"knot", 0).unwrap();
    disk.hold_syncs(true);
    let called = disk.operations();
    thread::scope(|scope| {
        let sync = scope.spawn(|| file.sync_data());
        while disk.operations() == called {
            thread::yield_now();
        }
        assert_eq!(log(&disk.power_cut(PowerCut::LoseAll)), b"");
        assert_off(&sync.join().unwrap());
    });
}

#[test]
fn a_write_that_goes_astray_stands_over_something_else_for_good() {
    let mut places = BTreeSet::new();
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_log(seed, b"0123456789");
        disk.put(&at("other"), b"abcdefgh").unwrap();
        disk.put(&at("small"), b"abc").unwrap();
        // So that it is not always the same call.
        for _ in 0..seed % 60 {
            file.size().unwrap();
        }
        let before = disk.trace_hash();
        next(&disk, FaultKind::Astray);
        assert_eq!(file.write_at(b"KNOT", 2).unwrap(), 4);
        assert_ne!(disk.trace_hash(), before);
        let after = disk.power_cut(PowerCut::LoseAll);
        let found = ["log", "other", "small"].map(|name| after.contents(&at(name)).unwrap());
        assert_eq!(found.map(|bytes| bytes.len()), [10, 8, 3]);
        for name in ["log", "other"] {
            let bytes = after.contents(&at(name)).unwrap();
            let place = bytes.windows(4).position(|part| part == b"KNOT");
            places.extend(place.map(|place| (name, place)));
        }
    }
    assert!(!places.contains(&("log", 2)), "where it belongs: {places:?}");
    assert!(places.len() > 5 && places.iter().any(|(name, _)| *name == "other"), "{places:?}");
}

#[test]
fn a_write_that_goes_astray_where_there_is_no_other_place_is_nowhere() {
    let (disk, file) = disk_with_log(0, b"knot");
    next(&disk, FaultKind::Astray);
    assert_eq!(file.write_at(b"KNOTS", 0).unwrap(), 5);
    file.sync_data().unwrap();
    assert_eq!(log(&disk), b"knot");
}

#[test]
fn a_sync_that_fails_partly_keeps_some_pages_and_loses_the_others_for_good() {
    const PAGE: usize = 4096;
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_log(seed, &[0; 3 * PAGE]);
        write_all_at(&*file, &[1; 3 * PAGE], 0).unwrap();
        // Of a page all that was written of it has the same fate.
        write_all_at(&*file, &[2; 10], PAGE as u64).unwrap();
        next(&disk, FaultKind::ErrorPartly(Errno::Io));
        assert!(is_unreadable(&file.sync_data().unwrap_err()));
        let seen = log(&disk);
        assert_eq!((seen[0], seen[PAGE], seen[2 * PAGE]), (1, 2, 1));
        file.sync_data().unwrap();
        let found = log(&disk.power_cut(PowerCut::KeepAll));
        assert_eq!(found, log(&disk.power_cut(PowerCut::LoseAll)));
        let pages: Vec<(u8, u8)> =
            found.chunks(PAGE).map(|page| (page[0], page[PAGE - 1])).collect();
        assert!([(0, 0), (2, 1)].contains(&pages[1]) && found.len() == 3 * PAGE);
        outcomes.insert(pages);
    }
    assert_eq!(outcomes.len(), 8, "each page has a fate of its own");
}

#[test]
fn a_misread_shows_one_other_byte_once_and_changes_nothing() {
    let mut places = BTreeSet::new();
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_log(seed, b"knot");
        next(&disk, FaultKind::Misread);
        let mut seen = [0; 4];
        read_exact_at(&*file, &mut seen, 0).unwrap();
        let wrong: Vec<usize> = (0..4).filter(|&at| seen[at] != b"knot"[at]).collect();
        assert_eq!(wrong.len(), 1, "{seen:?}");
        places.extend(wrong);
        read_exact_at(&*file, &mut seen, 0).unwrap();
        assert_eq!(&seen, b"knot");
        next(&disk, FaultKind::Misread);
        assert_eq!(file.read_at(&mut seen, 4).unwrap(), 0, "there is nothing to misread");
        assert_eq!(log(&disk), b"knot");
        assert_eq!(log(&disk.power_cut(PowerCut::LoseAll)), b"knot");
    }
    assert_eq!(places, (0..4).collect());
}
