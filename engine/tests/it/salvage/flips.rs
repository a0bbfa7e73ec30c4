//! Every byte of every file of a small closed store, flipped one at a time.

use std::path::{Path, PathBuf};

use quipu::{SalvageReport, salvageable_on};
use quipu_disk::{Access, Disk, MemoryDisk};

use super::checker::{Expected, Known, Made, make};
use super::store::{COPY, PATH, change, copy_to, files, fill, open, segments};

/// A store of two lives: sealed segments and an active one, several streams, commits of several events.
fn closed_store() -> MemoryDisk {
    let disk = MemoryDisk::new();
    for _ in 0..2 {
        let store = open(&disk);
        fill(&store, 5);
        store.close().unwrap();
    }
    disk
}

/// The commits whose frames hold this byte.
fn concerned(known: &Known, file: &Path, offset: u64) -> Vec<usize> {
    let commits = known.commits.iter().enumerate();
    let here = commits.filter(|(_, commit)| commit.file == file && commit.bytes.contains(&offset));
    here.map(|(number, _)| number).collect()
}

/// Which bits of a byte are flipped: all of the log's, and of what is written in the manifest. Of the manifest's empty
/// rest one of each byte; of what is read the same way, in the empty pages of a segment's end and of its header, too. Of
/// index files, which are not read, one of some bytes, unless `QUIPU_EVERY_BIT` is set.
fn bits(file: &Path, offset: u64, written: u64) -> std::ops::Range<u32> {
    let bit = (offset % 8) as u32;
    let is_index = file.extension().is_some_and(|extension| extension != "seg");
    if is_index && !offset.is_multiple_of(17) && std::env::var_os("QUIPU_EVERY_BIT").is_none() {
        return 0..0;
    }
    let in_header = (200..4096).contains(&offset);
    let is_log = file.extension().is_some_and(|extension| extension == "seg");
    let all = if is_log { offset < written && !in_header } else { offset < written };
    if all { 0..8 } else { bit..bit + 1 }
}

/// How far a file is written.
fn written(disk: &dyn Disk, file: &Path) -> u64 {
    let bytes = super::store::contents(disk, file);
    match file.extension() {
        Some(extension) if extension != "seg" => 0,
        _ => bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 17),
    }
}

fn look(disk: &MemoryDisk) -> SalvageReport {
    salvageable_on(disk, Path::new(PATH), &mut |_| {}).unwrap()
}

fn all_flips(disk: &MemoryDisk, thread: u64, threads: u64, check: &dyn Fn(&Path, u64, u8)) {
    for file in files(disk, PATH) {
        let size = disk.open(&file, Access::Read).unwrap().size().unwrap();
        let written = written(disk, &file);
        for offset in (0..size).filter(|offset| offset % threads == thread) {
            for bit in bits(&file, offset, written) {
                change(disk, &file, offset, 1 << bit);
                check(&file, offset, 1 << bit);
                change(disk, &file, offset, 1 << bit);
            }
        }
    }
}

/// Runs a check on copies of the store, each in a thread of its own.
fn share(disk: &MemoryDisk, work: &(dyn Fn(&MemoryDisk, u64, u64) + Sync)) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let mine = MemoryDisk::new();
            copy_to(disk, &mine, PATH);
            scope.spawn(move || work(&mine, thread, threads));
        }
    });
}

/// What salvage would keep and lose, for every byte of every file.
#[test]
fn any_flipped_bit_costs_exactly_the_commit_that_it_is_in() {
    let disk = closed_store();
    let known = Known::of(&disk);
    assert!(segments(&disk, PATH).len() >= 3 && known.commits.len() == 10);
    let whole = known.without(&[]);
    let without: Vec<Expected> = (0..10).map(|commit| known.without(&[commit])).collect();
    whole.judge_report(&look(&disk)).unwrap();
    let manifest = super::store::contents(&disk, Path::new("s/manifest"));
    let last = manifest.iter().rposition(|&byte| byte != 0).unwrap();
    let edits_end = (last as u64 + 1).next_multiple_of(16);
    share(&disk, &|mine, thread, threads| {
        all_flips(mine, thread, threads, &|file, offset, mask| {
            let lost = concerned(&known, file, offset);
            let report = look(mine);
            let is_edit = file == Path::new("s/manifest") && offset < edits_end;
            let is_told = report.manifest.is_some();
            assert_eq!(is_told, is_edit, "{} offset {offset} mask {mask:#x}", file.display());
            let expected = lost.first().map_or(&whole, |&commit| &without[commit]);
            let judged =
                expected.judge_report(&report).and_then(|()| expected.judge_places(&report));
            assert_eq!(judged, Ok(()), "{} offset {offset} mask {mask:#x}", file.display());
        });
    });
}

/// The copies themselves, for some bytes of every file; in frames more closely.
#[test]
fn a_copy_holds_exactly_the_undamaged_commits() {
    let disk = closed_store();
    let known = Known::of(&disk);
    let copied = std::sync::atomic::AtomicUsize::new(0);
    share(&disk, &|mine, thread, threads| {
        for file in files(mine, PATH) {
            let size = mine.open(&file, Access::Read).unwrap().size().unwrap();
            let mut offset = thread;
            while offset < size {
                let lost = concerned(&known, &file, offset);
                change(mine, &file, offset, 1 << (offset % 8));
                let made = make(mine);
                let at = format!("{} offset {offset}", file.display());
                assert_eq!(known.judge(&lost, &made), Ok(()), "{at}");
                change(mine, &file, offset, 1 << (offset % 8));
                remove_copy(mine);
                copied.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                offset += threads * if lost.is_empty() { 61 } else { 5 };
            }
        }
    });
    assert!(copied.into_inner() > 2_000);
}

fn remove_copy(disk: &MemoryDisk) {
    files(disk, COPY).iter().for_each(|file| disk.remove(file).unwrap());
}

/// The judge finds a copy without one of its commits, one with a commit too many, one that mixes up what belongs
/// together, and a report that tells less or more than what happened.
#[test]
fn a_salvage_with_a_planted_bug_is_caught() {
    let disk = closed_store();
    let known = Known::of(&disk);
    let commit = &known.commits[4];
    let (file, offset): (PathBuf, u64) = (commit.file.clone(), commit.bytes.start + 100);
    let whole = make(&disk);
    remove_copy(&disk);
    change(&disk, &file, offset, 1);
    let lost = concerned(&known, &file, offset);
    assert_eq!(lost, [4]);
    let right = || {
        remove_copy(&disk);
        make(&disk)
    };
    let caught = |made: &Made, what: &str| {
        let error = known.judge(&lost, made).unwrap_err();
        assert!(error.starts_with(what), "{what}: {error}");
    };
    disk.create_directory(Path::new(COPY)).unwrap();
    assert_eq!(known.judge(&lost, &right()), Ok(()));
    caught(&Made { events: whole.events.clone(), ..right() }, "events of the copy");
    let mut fewer = right();
    fewer.events.truncate(20);
    caught(&fewer, "events of the copy");
    let mut joined = right();
    joined.sizes = vec![joined.sizes.iter().sum()];
    caught(&joined, "commits of the copy");
    let mut older = right();
    older.events[7].recorded.0 += 1;
    caught(&older, "events of the copy");
    caught(&Made { report: whole.report.clone(), ..right() }, "renumbered");
    let mut silent = right();
    silent.report.lost.clear();
    caught(&silent, "lost positions");
    let mut wide = right();
    wide.report.lost[0].positions.end.0 += 1;
    caught(&wide, "lost positions");
    let mut moved = right();
    moved.report.moved_from = None;
    caught(&moved, "moved from");
}
