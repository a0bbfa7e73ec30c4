//! Each kind of call can be made to fail in each way, once or for good, with or without its effect.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_disk::{
    Access, Disk, Errno, Fault, FaultDisk, FaultKind, File, PAGE_FILE_BYTES, PowerCut,
};

/// Errors that a system gives, each with its number on Linux.
const ERRORS: [(Errno, i32); 7] = [
    (Errno::Io, 5),
    (Errno::Full, 28),
    (Errno::TimedOut, 110),
    (Errno::Interrupted, 4),
    (Errno::Denied, 13),
    (Errno::ReadOnly, 30),
    (Errno::Invalid, 22),
];

/// A disk with some files, and one of them open.
struct World {
    disk: FaultDisk,
    file: Arc<dyn File>,
}

/// A call, and whether it changes anything.
struct Asked {
    name: &'static str,
    call: fn(&World) -> io::Result<()>,
    changes: bool,
}

const fn asks(name: &'static str, call: fn(&World) -> io::Result<()>) -> Asked {
    Asked { name, call, changes: false }
}

const fn changes(name: &'static str, call: fn(&World) -> io::Result<()>) -> Asked {
    Asked { name, call, changes: true }
}

const CALLS: &[Asked] = &[
    asks("open", |world| world.disk.open(&at("log"), Access::Read).map(drop)),
    asks("open to write", |world| world.disk.open(&at("log"), Access::Write).map(drop)),
    changes("create", |world| world.disk.open(&at("new"), Access::Create).map(drop)),
    changes("create to fill", |world| world.disk.open(&at("new"), Access::Fill).map(drop)),
    asks("list", |world| world.disk.list(&at("")).map(drop)),
    changes("rename", |world| world.disk.rename(&at("log"), &at("sealed"))),
    changes("remove", |world| world.disk.remove(&at("log"))),
    changes("create a directory", |world| world.disk.create_directory(&at("deep"))),
    changes("sync a directory", |world| world.disk.sync_directory(&at(""))),
    changes("lock", |world| world.disk.lock(&at("lock")).map(drop)),
    asks("ask for the lock", |world| world.disk.is_locked(&at("log")).map(drop)),
    asks("open a page", |world| world.disk.page(&at("log"), Access::Write).map(drop)),
    asks("ask for the size", |world| world.file.size().map(drop)),
    asks("read", |world| world.file.read_at(&mut [0; 9], 0).map(drop)),
    changes("write", |world| world.file.write_at(&[2; 9], 3).map(drop)),
    changes("sync", |world| world.file.sync_data()),
    asks("map", |world| world.file.map().map(drop)),
];

impl World {
    /// Something has been written and renamed, and is not durable yet.
    fn new(seed: u64) -> World {
        let disk = FaultDisk::new(seed);
        disk.create_directory(&at("")).unwrap();
        disk.put(&at("log"), &[0; PAGE_FILE_BYTES as usize]).unwrap();
        disk.put(&at("old"), b"old").unwrap();
        let file = disk.open(&at("log"), Access::Write).unwrap();
        file.write_at(&[1; 6], 0).unwrap();
        disk.rename(&at("old"), &at("older")).unwrap();
        World { disk, file }
    }

    fn plan(&self, kind: FaultKind, sticky: bool) {
        self.disk.plan(Fault { at: self.disk.operations(), kind, sticky });
    }

    /// What is seen, what is durable, and whether there is another directory.
    fn state(&self) -> [Vec<(PathBuf, Vec<u8>)>; 3] {
        let files = |disk: &FaultDisk| {
            let contents = |path: PathBuf| (path.clone(), disk.contents(&path).unwrap());
            disk.files().into_iter().map(contents).collect()
        };
        let seen = files(&self.disk);
        let deep = self.disk.kill().list(&at("deep")).ok().map(|_| (at("deep"), vec![]));
        [seen, files(&self.disk.power_cut(PowerCut::LoseAll)), deep.into_iter().collect()]
    }
}

fn at(name: &str) -> PathBuf {
    Path::new("/store").join(name)
}

/// With the number that the real disk gives. No disk gives one once the power is off.
fn failed(asked: &Asked, world: &World, number: Option<i32>) {
    let error = (asked.call)(world).expect_err(asked.name);
    assert_eq!(error.raw_os_error(), number, "{}", asked.name);
}

#[test]
fn every_call_fails_as_planned_once_or_for_good() {
    for asked in CALLS {
        for (errno, number) in ERRORS {
            for (fault, told) in [
                (FaultKind::Error(errno), Some(number)),
                (FaultKind::ErrorAfter(errno), Some(number)),
                (FaultKind::ErrorPartly(errno), Some(number)),
                (FaultKind::PowerOff, None),
            ] {
                let world = World::new(1);
                world.plan(fault, false);
                failed(asked, &world, told);
                let after = world.file.size();
                assert_eq!(after.is_ok(), fault != FaultKind::PowerOff, "{}", asked.name);
                let world = World::new(1);
                world.plan(fault, true);
                (0..3).for_each(|_| drop((asked.call)(&world).expect_err(asked.name)));
            }
        }
    }
}

#[test]
fn a_call_that_fails_at_once_changes_nothing_and_can_be_made_again() {
    for asked in CALLS {
        for errno in [Errno::Io, Errno::Interrupted] {
            let fault = FaultKind::Error(errno);
            let (world, other) = (World::new(1), World::new(1));
            world.plan(fault, false);
            (asked.call)(&world).expect_err(asked.name);
            assert_eq!(world.state(), other.state(), "{}", asked.name);
            let world = World::new(1);
            world.plan(fault, false);
            (asked.call)(&world).expect_err(asked.name);
            (asked.call)(&world).expect(asked.name);
        }
    }
}

#[test]
fn a_call_that_fails_afterwards_has_done_what_it_was_asked() {
    for asked in CALLS {
        let (failing, whole) = (World::new(1), World::new(1));
        failing.plan(FaultKind::ErrorAfter(Errno::Io), false);
        failed(asked, &failing, Some(5));
        (asked.call)(&whole).expect(asked.name);
        if asked.name != "write" {
            assert_eq!(failing.state(), whole.state(), "{}", asked.name);
        }
        assert_eq!(World::new(1).state() != whole.state(), asked.changes, "{}", asked.name);
    }
}

#[test]
fn of_a_write_that_fails_afterwards_any_prefix_is_there() {
    let mut lengths = [0; 10];
    for seed in 0..300 {
        let world = World::new(seed);
        world.plan(FaultKind::ErrorAfter(Errno::Io), false);
        world.file.write_at(&[2; 9], 3).unwrap_err();
        let [seen, durable, _] = world.state();
        let log = &seen[0].1;
        let written = log[3..].iter().take_while(|&&byte| byte == 2).count();
        assert!(log[3 + written..].iter().all(|&byte| byte != 2));
        assert!(durable[0].1.iter().all(|&byte| byte == 0));
        lengths[written] += 1;
    }
    assert!(lengths.iter().all(|&times| times > 0), "{lengths:?}");
}

#[test]
fn only_writes_go_astray() {
    for asked in CALLS {
        let (world, other) = (World::new(1), World::new(1));
        world.plan(FaultKind::Astray, true);
        (asked.call)(&world).expect(asked.name);
        (asked.call)(&other).expect(asked.name);
        assert_eq!(world.state() != other.state(), asked.name == "write", "{}", asked.name);
    }
}

#[test]
fn only_reads_and_writes_are_cut_short() {
    for asked in CALLS {
        let (world, other) = (World::new(1), World::new(1));
        world.plan(FaultKind::Short, true);
        (asked.call)(&world).expect(asked.name);
        (asked.call)(&other).expect(asked.name);
        if asked.name != "write" {
            assert_eq!(world.state(), other.state(), "{}", asked.name);
        }
    }
}

#[test]
fn only_reads_and_writes_are_interrupted_and_nothing_is_lost_by_it() {
    for asked in CALLS {
        let (world, other) = (World::new(1), World::new(1));
        world.plan(FaultKind::Interrupted, false);
        if matches!(asked.name, "read" | "write") {
            failed(asked, &world, Some(4));
        }
        (asked.call)(&world).expect(asked.name);
        (asked.call)(&other).expect(asked.name);
        assert_eq!(world.state(), other.state(), "{}", asked.name);
    }
}

#[test]
fn only_reads_meet_bad_sectors_and_they_stay_until_they_are_restored() {
    for asked in CALLS {
        let (world, other) = (World::new(1), World::new(1));
        world.plan(FaultKind::BadSector, false);
        if asked.name == "read" {
            (0..3).for_each(|_| failed(asked, &world, Some(5)));
            assert!(world.disk.has_bad_sectors() && world.disk.kill().has_bad_sectors());
            continue;
        }
        (asked.call)(&world).expect(asked.name);
        (asked.call)(&other).expect(asked.name);
        assert!(!world.disk.has_bad_sectors(), "{}", asked.name);
        assert_eq!(world.state(), other.state(), "{}", asked.name);
    }
    let world = World::new(1);
    world.plan(FaultKind::BadSector, false);
    world.file.read_at(&mut [0; 9], PAGE_FILE_BYTES - 1).unwrap_err();
    world.file.read_at(&mut [0; 9], PAGE_FILE_BYTES).expect("nothing is there");
    world.disk.restore();
    assert!(!world.disk.has_bad_sectors());
    assert_eq!(world.file.read_at(&mut [0; 9], PAGE_FILE_BYTES - 1).unwrap(), 1);
    world.plan(FaultKind::BadSector, false);
    world.file.read_at(&mut [0; 9], PAGE_FILE_BYTES).expect("nothing is there to go bad");
    assert!(!world.disk.has_bad_sectors());
}

#[test]
fn only_reads_are_misread() {
    for asked in CALLS {
        let (world, other) = (World::new(1), World::new(1));
        world.plan(FaultKind::Misread, true);
        (asked.call)(&world).expect(asked.name);
        (asked.call)(&other).expect(asked.name);
        assert_eq!(world.state(), other.state(), "{}", asked.name);
        if asked.name != "read" {
            assert_eq!(world.disk.trace_hash(), other.disk.trace_hash(), "{}", asked.name);
        }
    }
}
