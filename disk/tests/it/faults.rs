//! The adversary keeps its word: power cuts take what they may, and each planned fault does what it
//! says. Its lies are in `lies.rs`.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use quipu_disk::{
    Access, Disk, Fault, FaultDisk, FaultKind, File, PowerCut, read_exact_at, write_all_at,
};

const SEEDS: u64 = if cfg!(miri) { 20 } else { 300 };

mod power_cut {
    use super::*;

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
    fn the_size_is_what_survivors_need_or_more_and_gaps_are_zeros() {
        let sizes: BTreeSet<usize> = (0..SEEDS)
            .map(|seed| {
                let (disk, file) = disk_with_log(seed, &[1; 100]);
                write_all_at(&*file, &[2; 10], 1000).unwrap();
                let found = log(&disk.power_cut(PowerCut::Random));
                assert!((100..=1010).contains(&found.len()));
                assert!(found[100..].iter().take(900).all(|byte| *byte == 0));
                found.len()
            })
            .collect();
        assert!(sizes.contains(&100) && sizes.contains(&1010));
        assert!(sizes.range(101..1000).count() > 5, "a size may survive without its bytes");
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
    fn the_process_after_a_killed_one_can_sync_what_that_wrote() {
        let (disk, file) = disk_with_log(0, b"knot");
        write_all_at(&*file, b" tied", 4).unwrap();
        let killed = disk.kill();
        killed.open(&log_path(), Access::Write).unwrap().sync_data().unwrap();
        assert_eq!(log(&killed.power_cut(PowerCut::LoseAll)), b"knot tied");
    }
}

mod planned {
    use super::*;

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
        next(&disk, FaultKind::Error(ErrorKind::StorageFull));
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
        next(&disk, FaultKind::Error(ErrorKind::PermissionDenied));
        assert_eq!(file.write_at(b"x", 0).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(log(&disk), b"knot");
        next(&disk, FaultKind::Interrupted);
        assert_eq!(disk.remove(&log_path()).unwrap_err().kind(), ErrorKind::Interrupted);
        next(&disk, FaultKind::Interrupted);
        write_all_at(&*file, b"K", 0).unwrap();
        assert_eq!(log(&disk), b"Knot");
        let at = disk.operations() + 1;
        disk.plan(Fault { at, kind: FaultKind::Error(ErrorKind::Other), sticky: true });
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
        assert_eq!(file.write_at(&[2; 30], 110).unwrap_err().kind(), ErrorKind::StorageFull);
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
}

fn log_path() -> PathBuf {
    at("log")
}

fn at(name: &str) -> PathBuf {
    Path::new("/store").join(name)
}

/// A disk with one durable file, open for writing.
fn disk_with_log(seed: u64, bytes: &[u8]) -> (FaultDisk, Arc<dyn File>) {
    let disk = FaultDisk::new(seed);
    disk.create_directory(&at("")).unwrap();
    disk.put(&log_path(), bytes).unwrap();
    let file = disk.open(&log_path(), Access::Write).unwrap();
    (disk, file)
}

fn log(disk: &FaultDisk) -> Vec<u8> {
    disk.contents(&log_path()).unwrap()
}

/// Plans a fault for the next operation.
fn next(disk: &FaultDisk, kind: FaultKind) {
    disk.plan(Fault { at: disk.operations(), kind, sticky: false });
}

fn assert_off<T>(result: &io::Result<T>) {
    let error = result.as_ref().map(drop).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Other, "the power is off"));
}
