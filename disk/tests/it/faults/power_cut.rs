//! Power cuts take what they may, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use quipu_disk::{
    Access, Disk, Errno, Fault, FaultDisk, FaultKind, File, PAGE_FILE_BYTES, PAGE_WORDS, PowerCut,
    write_all_at,
};

use super::{SEEDS, assert_off, at, disk_with_log, log, log_path, next};

#[test]
fn synced_bytes_survive_every_cut_and_others_are_at_risk() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_log(seed, &[1; 2000]);
        write_all_at(&*file, &[2; 1000], 2000).unwrap();
        let found = log(&disk.power_cut(PowerCut::Random));
        assert_eq!(found[..2000], [1; 2000]);
        match found[2000..].iter().filter(|byte| **byte == 2).count() {
            0 => lost += 1,
            1000 => kept += 1,
            _ => {}
        }
        assert_eq!(log(&disk.power_cut(PowerCut::LoseAll)), [1; 2000]);
        assert_eq!(log(&disk.power_cut(PowerCut::KeepAll))[2000..], [2; 1000]);
    }
    assert!(lost > SEEDS / 20 && kept > SEEDS / 20, "lost {lost}, kept {kept}");
}

#[test]
fn a_torn_write_is_old_or_new_at_each_byte_and_tears_within_sectors_as_prefixes() {
    let mut torn_sectors = 0;
    let mut holes = 0;
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_log(seed, &[1; 5000]);
        write_all_at(&*file, &[2; 4000], 300).unwrap();
        let found = log(&disk.power_cut(PowerCut::Random));
        assert_eq!(found.len(), 5000, "overwriting does not change the size");
        assert_eq!(found[..300], [1; 300]);
        assert_eq!(found[4300..], [1; 700]);
        let sectors: Vec<&[u8]> =
            std::iter::once(&found[300..512]).chain(found[512..4300].chunks(512)).collect();
        for sector in &sectors {
            assert!(sector.iter().rev().is_sorted(), "new bytes, then old ones");
            torn_sectors += u32::from(sector.contains(&1) && sector.contains(&2));
        }
        holes += u32::from(!sectors.iter().map(|sector| sector[0]).rev().is_sorted());
    }
    assert!(torn_sectors > 0, "some sectors are torn");
    assert!(holes > 0, "some later sector survives without an earlier one");
}

#[test]
fn the_last_write_can_be_torn_anywhere_and_all_before_is_kept() {
    let (disk, file) = disk_with_log(0, b"....");
    write_all_at(&*file, b"ab", 0).unwrap();
    write_all_at(&*file, b"cdef", 1).unwrap();
    assert_eq!(disk.last_write(), Some(1..5));
    for (kept, found) in [
        ((0, 0), &b"ab.."[..]),
        ((0, 2), b"acd."),
        ((1, 3), b"abde"),
        ((2, 9), b"ab.ef"),
        ((0, 9), b"acdef"),
    ] {
        assert_eq!(log(&disk.power_cut(PowerCut::TearLast(kept.0, kept.1))), found);
    }
    let (disk, file) = disk_with_log(0, b"....");
    write_all_at(&*file, b"ab", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.last_write(), None);
    assert_eq!(log(&disk.power_cut(PowerCut::TearLast(0, 0))), b"ab..");
}

#[test]
fn writes_survive_out_of_order() {
    let survivals: BTreeSet<Vec<u8>> = (0..SEEDS)
        .map(|seed| {
            let (disk, file) = disk_with_log(seed, b"..");
            write_all_at(&*file, b"a", 0).unwrap();
            write_all_at(&*file, b"b", 1).unwrap();
            log(&disk.power_cut(PowerCut::Random))
        })
        .collect();
    let all: [&[u8]; 4] = [b"..", b".b", b"a.", b"ab"];
    assert_eq!(survivals, all.map(<[u8]>::to_vec).into());
}

#[test]
fn the_size_is_what_survivors_need_or_more_and_gaps_are_zeros_or_garbage() {
    let (mut sizes, mut zeros, mut garbage) = (BTreeSet::new(), 0, 0);
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_log(seed, &[1; 100]);
        write_all_at(&*file, &[2; 10], 1000).unwrap();
        let found = log(&disk.power_cut(PowerCut::Random));
        assert!((100..=1010).contains(&found.len()));
        assert_eq!(found[..100], [1; 100], "what was durable stays");
        let gap = &found[100..found.len().min(1000)];
        let is_zero = gap.iter().all(|byte| *byte == 0);
        zeros += u64::from(gap.len() > 8 && is_zero);
        garbage += u64::from(!is_zero);
        sizes.insert(found.len());
    }
    assert!(sizes.contains(&100) && sizes.contains(&1010));
    assert!(sizes.range(101..1000).count() > 5, "a size may survive without its bytes");
    assert!(zeros > SEEDS / 20 && garbage > SEEDS / 20, "{zeros} of zeros, {garbage} of garbage");
}

#[test]
fn what_is_stored_in_a_page_once_the_power_is_off_is_found_by_nobody() {
    for ends in [FaultDisk::kill, |disk: &FaultDisk| disk.power_cut(PowerCut::KeepAll)] {
        let (disk, file) = disk_with_log(0, &[0; PAGE_FILE_BYTES as usize]);
        let page = disk.page(&log_path(), Access::Write).unwrap();
        page.store(&[1; PAGE_WORDS]).unwrap();
        next(&disk, FaultKind::PowerOff);
        assert_off(&file.sync_data());
        page.store(&[2; PAGE_WORDS]).unwrap();
        let after = ends(&disk);
        page.store(&[3; PAGE_WORDS]).unwrap();
        for after in [ends(&after), ends(&disk)] {
            let found = after.page(&log_path(), Access::Read).unwrap();
            assert_eq!(found.load(), Some([1; PAGE_WORDS]));
        }
    }
}

#[test]
fn a_page_that_was_in_memory_as_the_power_went_off_holds_anything() {
    let mut kept = [false; 3];
    for seed in 0..SEEDS {
        let (disk, _file) = disk_with_log(seed, &[0; PAGE_FILE_BYTES as usize]);
        let page = disk.page(&log_path(), Access::Write).unwrap();
        page.store(&[1; PAGE_WORDS]).unwrap();
        let after = disk.power_cut(PowerCut::Random);
        // One whose number is odd or garbage is none that can be read.
        let found = after.page(&log_path(), Access::Read).unwrap().load().unwrap_or_default();
        found.iter().for_each(|&word| kept[usize::try_from(word.min(2)).unwrap()] = true);
    }
    assert_eq!(kept, [true; 3], "words are there, gone, or garbage");
}

#[test]
fn names_are_at_risk_until_their_directory_is_synced() {
    for seed in 0..SEEDS {
        let (disk, _file) = disk_with_log(seed, b"knot");
        let fresh = disk.open(&at("fresh"), Access::Create).unwrap();
        fresh.sync_data().unwrap();
        disk.rename(&log_path(), &at("sealed")).unwrap();
        assert_eq!(disk.power_cut(PowerCut::LoseAll).files(), [log_path()]);
        assert_eq!(disk.power_cut(PowerCut::KeepAll).files(), [at("fresh"), at("sealed")]);
        let found = disk.power_cut(PowerCut::Random).files();
        assert_ne!(found.contains(&log_path()), found.contains(&at("sealed")), "atomic");
    }
    let (disk, _file) = disk_with_log(0, b"knot");
    disk.remove(&log_path()).unwrap();
    assert_eq!(disk.power_cut(PowerCut::LoseAll).contents(&log_path()).unwrap(), b"knot");
    let (disk, _file) = disk_with_log(0, b"knot");
    disk.remove(&log_path()).unwrap();
    disk.sync_directory(&at("")).unwrap();
    assert!(disk.power_cut(PowerCut::LoseAll).files().is_empty());
}

#[test]
fn a_move_between_directories_is_durable_once_either_is_synced() {
    for synced in ["", "other"] {
        let (disk, _file) = disk_with_log(0, b"knot");
        disk.create_directory(&at("other")).unwrap();
        disk.rename(&log_path(), &at("other/log")).unwrap();
        drop(disk.open(&log_path(), Access::Create).unwrap());
        disk.sync_directory(&at(synced)).unwrap();
        let after = disk.power_cut(PowerCut::LoseAll);
        assert_eq!(after.contents(&at("other/log")).unwrap(), b"knot");
        assert_eq!(after.contents(&log_path()).unwrap(), b"");
    }
}

#[test]
fn everything_old_is_dead_and_the_new_disk_starts_afresh() {
    let (disk, file) = disk_with_log(0, b"knot");
    let _lock = disk.lock(&at("lock")).unwrap().unwrap();
    let map = file.map().unwrap();
    let (before, time) = (disk.trace_hash(), disk.now());
    let after = disk.power_cut(PowerCut::KeepAll);
    assert_off(&disk.clone().list(&at("")));
    assert_off(&file.size());
    assert_off(&file.read_at(&mut [0], 0));
    assert_off(&file.write_at(&[0], 0));
    assert_off(&file.sync_data());
    assert_off(&disk.fill_random(&mut [0]));
    assert_eq!(map.size(), 4);
    assert_eq!((after.operations(), after.trace_hash()), (0, before));
    assert!(after.now() > time);
    assert!(after.lock(&at("lock")).unwrap().is_some());
}

#[test]
fn a_kill_keeps_what_was_written_and_leaves_it_at_risk() {
    let (disk, file) = disk_with_log(0, b"knot");
    write_all_at(&*file, b" tied", 4).unwrap();
    drop(disk.open(&at("fresh"), Access::Create).unwrap());
    let _lock = disk.lock(&at("lock")).unwrap().unwrap();
    let killed = disk.kill();
    assert!(file.size().is_err());
    assert_eq!(log(&killed), b"knot tied");
    assert!(killed.lock(&at("lock")).unwrap().is_some());
    let after = killed.power_cut(PowerCut::LoseAll);
    assert_eq!(after.files(), [log_path()]);
    assert_eq!(log(&after), b"knot");
}

#[test]
fn a_twin_is_what_a_kill_leaves_and_the_disk_goes_on_as_without_it() {
    let [(disk, file), (other, alike)] = [(); 2].map(|()| disk_with_log(5, &[7; 9000]));
    let (_map, lock) = (file.map().unwrap(), disk.lock(&at("lock")).unwrap());
    alike.map().unwrap();
    other.lock(&at("lock")).unwrap();
    let write = |file: &dyn File, byte: u8| assert_eq!(file.write_at(&[byte; 20], 0).unwrap(), 20);
    write(&*file, 1);
    write(&*alike, 1);
    let twin = disk.twin();
    assert_eq!(log(&twin), log(&disk));
    assert!(lock.is_some() && twin.lock(&at("lock")).unwrap().is_some());
    write(&*twin.open(&log_path(), Access::Write).unwrap(), 2);
    write(&*file, 3);
    write(&*alike, 3);
    assert_eq!((log(&twin)[0], log(&disk)[0]), (2, 3));
    assert_eq!(log(&twin.power_cut(PowerCut::LoseAll)), [7; 9000]);
    assert_eq!(disk.trace_hash(), other.trace_hash());
    let cut = |disk: &FaultDisk| log(&disk.power_cut(PowerCut::Random));
    assert!((0..20).all(|_| cut(&disk) == cut(&other)));
}

#[test]
fn the_process_after_a_killed_one_can_sync_what_that_wrote() {
    let (disk, file) = disk_with_log(0, b"knot");
    write_all_at(&*file, b" tied", 4).unwrap();
    let killed = disk.kill();
    killed.open(&log_path(), Access::Write).unwrap().sync_data().unwrap();
    assert_eq!(log(&killed.power_cut(PowerCut::LoseAll)), b"knot tied");
}

/// A directory that was made, and whose parent nobody has synced, goes with all that is in it.
#[test]
fn a_directory_that_was_not_synced_where_it_stands_is_lost_with_its_files() {
    let made = |sync: &str, how: PowerCut| {
        let disk = FaultDisk::new(1);
        disk.create_directory(Path::new("a")).unwrap();
        let kind = FaultKind::ErrorAfter(Errno::Io);
        disk.plan(Fault { at: disk.operations(), kind, sticky: false });
        disk.create_directory(Path::new("a/b/c")).unwrap_err();
        let file = disk.open(Path::new("a/b/c/file"), Access::Create).unwrap();
        file.sync_data().unwrap();
        disk.sync_directory(Path::new("a/b/c")).unwrap();
        // Who makes it again finds it there.
        disk.create_directory(Path::new("a/b/c")).unwrap();
        for path in sync.split_whitespace() {
            disk.sync_directory(Path::new(path)).unwrap();
        }
        let disk = disk.kill().power_cut(how);
        let levels = ["a", "a/b", "a/b/c"].map(|path| disk.list(Path::new(path)).is_ok());
        assert_eq!(disk.files().len() == 1, levels[2]);
        levels.into_iter().filter(|is_there| *is_there).count()
    };
    assert_eq!(made("", PowerCut::LoseAll), 1);
    assert_eq!(made("a", PowerCut::LoseAll), 2);
    assert_eq!(made("a/b", PowerCut::LoseAll), 1);
    assert_eq!(made("a/b a", PowerCut::LoseAll), 3);
    assert_eq!(made("", PowerCut::KeepAll), 3);
}
