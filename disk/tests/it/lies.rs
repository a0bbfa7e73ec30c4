//! What makes the adversary fit to judge others: the same seed gives the same fate, and each lie
//! loses what an honest disk keeps.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quipu_disk::{Access, Disk, Fault, FaultDisk, FaultKind, Lie, PowerCut, write_all_at};

const SEEDS: u64 = if cfg!(miri) { 20 } else { 300 };

/// Writes a new manifest the careful way: under another name, synced, renamed, directory synced.
fn replace_manifest(disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(&at("manifest.tmp"), Access::Create)?;
    write_all_at(&*file, bytes, 0)?;
    file.sync_data()?;
    disk.rename(&at("manifest.tmp"), &at("manifest"))?;
    disk.sync_directory(&at(""))
}

/// In how many of the seeds the manifest is neither the acknowledged one nor one in flight after a
/// cut at a random operation.
fn losses(lie: Option<Lie>) -> u64 {
    (0..SEEDS).filter(|seed| !survives(*seed, lie)).count() as u64
}

fn survives(seed: u64, lie: Option<Lie>) -> bool {
    let disk = FaultDisk::new(seed);
    disk.create_directory(&at("")).unwrap();
    disk.put(&at("manifest"), &[0; 1000]).unwrap();
    if let Some(lie) = lie {
        disk.lie(lie);
    }
    let at_operation = disk.operations() + seed % 16;
    disk.plan(Fault { at: at_operation, kind: FaultKind::PowerOff, sticky: false });
    let mut acknowledged = 0;
    for version in 1..=3 {
        if replace_manifest(&disk, &[version; 1000]).is_err() {
            break;
        }
        acknowledged = version;
    }
    let found = disk.power_cut(PowerCut::Random).contents(&at("manifest"));
    found.is_ok_and(|found| found == [acknowledged; 1000] || found == [acknowledged + 1; 1000])
}

#[test]
fn an_honest_disk_loses_nothing_to_a_careful_writer() {
    assert_eq!(losses(None), 0);
}

#[test]
fn each_lie_is_caught() {
    for lie in
        [Lie::SyncIgnored, Lie::DirectorySyncIgnored, Lie::RenameNotAtomic, Lie::WriteShortened]
    {
        let losses = losses(Some(lie));
        assert!(losses >= SEEDS / 20, "{lie:?} went unnoticed but for {losses} times");
    }
}

#[test]
fn each_lie_loses_what_an_honest_disk_keeps() {
    let run = |lie: Option<Lie>| {
        let disk = FaultDisk::new(3);
        disk.create_directory(&at("")).unwrap();
        disk.put(&at("manifest"), b"old").unwrap();
        if let Some(lie) = lie {
            disk.lie(lie);
        }
        replace_manifest(&disk, b"new").unwrap();
        disk.power_cut(PowerCut::LoseAll).contents(&at("manifest")).unwrap()
    };
    assert_eq!(run(None), b"new");
    assert_eq!(run(Some(Lie::SyncIgnored)), b"");
    assert_eq!(run(Some(Lie::DirectorySyncIgnored)), b"old");
}

#[test]
fn a_rename_that_is_not_atomic_loses_its_target() {
    for (lie, expected) in [(None, Ok(b"old".to_vec())), (Some(Lie::RenameNotAtomic), Err(()))] {
        let disk = FaultDisk::new(0);
        disk.create_directory(&at("")).unwrap();
        disk.put(&at("manifest"), b"old").unwrap();
        disk.put(&at("manifest.tmp"), b"new").unwrap();
        if let Some(lie) = lie {
            disk.lie(lie);
        }
        disk.rename(&at("manifest.tmp"), &at("manifest")).unwrap();
        let after = disk.power_cut(PowerCut::LoseAll);
        assert_eq!(after.contents(&at("manifest")).map_err(drop), expected);
        assert!(after.files().contains(&at("manifest.tmp")));
    }
}

#[test]
fn a_shortened_write_reports_its_full_length() {
    let disk = FaultDisk::new(0);
    disk.lie(Lie::WriteShortened);
    let shortened = (0..40).filter(|number| {
        let file = disk.open(Path::new(&format!("{number}")), Access::Create).unwrap();
        assert_eq!(file.write_at(&[1; 100], 0).unwrap(), 100);
        file.size().unwrap() < 100
    });
    assert!((2..30).contains(&shortened.count()));
}

#[test]
fn a_lie_outlives_a_power_cut() {
    let disk = FaultDisk::new(0);
    disk.lie(Lie::SyncIgnored);
    let disk = disk.power_cut(PowerCut::LoseAll).kill();
    let file = disk.open(Path::new("log"), Access::Create).unwrap();
    disk.sync_directory(Path::new("")).unwrap();
    write_all_at(&*file, b"knot", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.power_cut(PowerCut::LoseAll).contents(Path::new("log")).unwrap(), b"");
}

/// Some life of a disk: everything that is asked of it, what it answers, and what survives.
fn life(seed: u64) -> (u64, Vec<(PathBuf, Vec<u8>)>) {
    let mut disk = FaultDisk::new(seed);
    for round in 0..4_u8 {
        disk.create_directory(&at("")).unwrap();
        disk.plan(Fault { at: 3, kind: FaultKind::Short, sticky: true });
        disk.plan(Fault { at: 30, kind: FaultKind::PowerOff, sticky: false });
        for number in 0..20_u64 {
            let _ = write_somewhere(&disk, round, number);
        }
        disk = disk.power_cut(PowerCut::Random);
    }
    let files = disk.files();
    let contents = files.into_iter().map(|path| (path.clone(), disk.contents(&path).unwrap()));
    (disk.trace_hash(), contents.collect())
}

fn write_somewhere(disk: &FaultDisk, round: u8, number: u64) -> io::Result<()> {
    let path = at(&format!("{round}-{}", number % 3));
    let file = disk.open(&path, Access::Create).or_else(|_| disk.open(&path, Access::Write))?;
    let mut bytes = [round; 3000];
    disk.fill_random(&mut bytes[1000..])?;
    write_all_at(&*file, &bytes, number * 700)?;
    if number.is_multiple_of(4) {
        file.sync_data()?;
        disk.sync_directory(&at(""))?;
    }
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_life() {
    for seed in 0..20 {
        assert_eq!(life(seed), life(seed));
        assert_ne!(life(seed).0, life(seed + 1).0);
    }
}

#[test]
fn the_trace_tells_calls_and_answers_apart() {
    let trace = |act: &dyn Fn(&FaultDisk)| {
        let disk = FaultDisk::new(0);
        disk.put(Path::new("log"), &[1; 16]).unwrap();
        act(&disk);
        disk.trace_hash()
    };
    let write = |disk: &FaultDisk, bytes: &[u8], offset: u64| {
        disk.open(Path::new("log"), Access::Write).unwrap().write_at(bytes, offset).unwrap();
    };
    let read = |disk: &FaultDisk| {
        disk.open(Path::new("log"), Access::Write).unwrap().read_at(&mut [0; 4], 0).unwrap();
    };
    let hashes = [
        trace(&|_| {}),
        trace(&|disk| write(disk, b"abcdefghi", 0)),
        trace(&|disk| write(disk, b"abcdefghj", 0)),
        trace(&|disk| write(disk, b"abcdefghi", 1)),
        trace(&read),
        trace(&|disk| {
            disk.flip(Path::new("log"), 0, 1).unwrap();
            read(disk);
        }),
        trace(&|disk| drop(disk.open(Path::new("log"), Access::Read))),
        trace(&|disk| drop(disk.open(Path::new("log"), Access::Create))),
    ];
    for (index, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..index].contains(hash), "trace {index} is like an earlier one");
    }
}

#[test]
fn the_clocks_advance_by_looking_at_them_and_when_told() {
    let disk = FaultDisk::new(0);
    let (time, since) = (disk.now(), disk.elapsed());
    disk.advance(Duration::from_secs(60));
    assert_eq!(disk.now(), FaultDisk::new(9).now() + 60_000_001);
    assert!(disk.now() > time + 60_000_000);
    assert!(disk.elapsed() > since + Duration::from_secs(60));
}

#[test]
fn the_wall_clock_goes_back_when_told_and_stays_so() {
    let disk = FaultDisk::new(0);
    let (time, since) = (disk.now(), disk.elapsed());
    disk.set_clock(-5_000_000);
    let found = disk.kill();
    assert_eq!(
        (found.now(), found.elapsed()),
        (time - 4_999_999, since + Duration::from_micros(1))
    );
    found.set_clock(5_000_000);
    assert_eq!(found.now(), time + 2);
}

fn at(name: &str) -> PathBuf {
    Path::new("/store").join(name)
}
