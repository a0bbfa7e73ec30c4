//! Every bit of a closed store flipped, one at a time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod reading;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Store, VerifyReport, verify_on};
use quipu_disk::{Access, Disk, MemoryDisk, read_exact_at, write_all_at};

use reading::count;

const PATH: &str = "s";

/// A small store that has seen everything: rolled and sealed segments, several streams, commits of
/// several events, a clean close and another opening.
fn small_store() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let options = Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ..Options::default()
    };
    for life in 0..2 {
        let store = Store::builder(PATH)
            .disk(Arc::new(disk.clone()))
            .options(options.clone())
            .open()
            .unwrap();
        for n in 0..9_u64 {
            let text = format!("{life}-{n}-").repeat(40);
            let event =
                |stream: u64| NewEvent::new(format!("T{stream}"), text.clone().into_bytes());
            store
                .commit()
                .append("a", ExpectedVersion::Any, [event(n).tag("k:v")])
                .append("b", ExpectedVersion::Any, [event(1).metadata(b"m".as_slice())])
                .submit()
                .unwrap()
                .wait()
                .unwrap();
        }
        store.close().unwrap();
    }
    disk
}

struct Seen {
    positions: Vec<u64>,
    lost: Vec<std::ops::Range<u64>>,
}

/// Reads all that a damaged store still gives.
fn read_rest(disk: &MemoryDisk) -> Seen {
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).mode(Mode::ReadOnly);
    let store = builder.open().unwrap();
    let mut events = store.all().events().unwrap();
    let mut seen = Seen { positions: Vec::new(), lost: Vec::new() };
    loop {
        match events.next() {
            Ok(Some(event)) => seen.positions.push(event.position().0),
            Ok(None) => return seen,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                let positions = &error.damage().unwrap().positions;
                seen.lost.push(positions.start.0..positions.end.0);
            }
        }
    }
}

fn verify_it(disk: &MemoryDisk) -> VerifyReport {
    verify_on(disk, Path::new(PATH), &mut |_| {}).unwrap()
}

/// Flips the bits of a byte that are set in `mask`; done twice, nothing has changed.
fn change(disk: &MemoryDisk, path: &Path, offset: u64, mask: u8) {
    let file = disk.open(path, Access::Write).unwrap();
    let mut byte = [0];
    read_exact_at(&*file, &mut byte, offset).unwrap();
    write_all_at(&*file, &[byte[0] ^ mask], offset).unwrap();
}

/// Flips one bit, looks at what is said of it, and flips it back.
fn flip(disk: &MemoryDisk, path: &Path, offset: u64, mask: u8, events: u64) {
    change(disk, path, offset, mask);
    let report = verify_it(disk);
    let at = format!("{} offset {offset} mask {mask:#x}", path.display());
    let named = report.findings.iter().any(|finding| {
        // A finding names the structure that the byte belongs to: a page, an edit, or a frame.
        finding.file == path && finding.offset <= offset && offset - finding.offset < 4096
    });
    assert!(named, "{at}: {:?}", report.findings);
    let in_a_segment = path.extension().is_some();
    assert!(!in_a_segment || !report.is_sound(), "{at}: {:?}", report.findings);
    let seen = read_rest(disk);
    let lost: u64 = seen.lost.iter().map(|range| range.end - range.start).sum();
    assert_eq!(seen.positions.len() as u64 + lost, events, "{at}: {:?}", seen.lost);
    assert!(lost <= 2, "{at}: a flipped bit costs at most a commit, not {:?}", seen.lost);
    let named: u64 = report.findings.iter().map(|f| f.positions.end.0 - f.positions.start.0).sum();
    assert_eq!(named, lost, "{at}: verify and reading disagree: {:?}", report.findings);
    assert_eq!(report.events + lost, events, "{at}");
    assert!(report.findings.len() <= 3, "{at}: one bit, told once: {:?}", report.findings);
    for position in &seen.positions {
        assert!(seen.lost.iter().all(|range| !range.contains(position)), "{at}: served and lost");
    }
    change(disk, path, offset, mask);
}

fn copy(disk: &MemoryDisk, paths: &[PathBuf]) -> MemoryDisk {
    let other = MemoryDisk::new();
    other.create_directory(Path::new(PATH)).unwrap();
    for path in paths {
        let from = disk.open(path, Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(from.size().unwrap()).unwrap()];
        read_exact_at(&*from, &mut bytes, 0).unwrap();
        let to = other.open(path, Access::Create).unwrap();
        write_all_at(&*to, &bytes, 0).unwrap();
    }
    other
}

#[test]
fn any_flipped_bit_is_found_and_costs_no_more_than_its_commit() {
    let disk = small_store();
    let report = verify_it(&disk);
    assert!(report.findings.is_empty() && report.closed_cleanly, "{:?}", report.findings);
    assert!(report.segments >= 3, "{report:?}");
    let names = disk.list(Path::new(PATH)).unwrap();
    let paths: Vec<PathBuf> = names.iter().map(|name| Path::new(PATH).join(name)).collect();
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (mine, paths) = (copy(&disk, &paths), &paths);
            scope.spawn(move || {
                for path in paths {
                    let size = mine.open(path, Access::Read).unwrap().size().unwrap();
                    for offset in (0..size).filter(|offset| offset % threads == thread) {
                        (0..8).for_each(|bit| flip(&mine, path, offset, 1 << bit, report.events));
                    }
                }
            });
        }
    });
}

/// A damaged store is refused for writing, or holds all it held: nothing is dropped by recovering.
#[test]
fn opening_for_writing_never_drops_what_is_damaged() {
    let disk = small_store();
    let events = verify_it(&disk).events;
    let names = disk.list(Path::new(PATH)).unwrap();
    let paths: Vec<PathBuf> = names.iter().map(|name| Path::new(PATH).join(name)).collect();
    let (mut refused, mut opened) = (0, 0);
    for path in &paths {
        let size = disk.open(path, Access::Read).unwrap().size().unwrap();
        for offset in (0..size).step_by(11) {
            let mine = copy(&disk, &paths);
            change(&mine, path, offset, 1 << (offset % 8));
            let at = format!("{} offset {offset}", path.display());
            match Store::builder(PATH).disk(Arc::new(mine.clone())).open() {
                Ok(store) => {
                    opened += 1;
                    assert_eq!(count(&store), events, "{at}");
                    store
                        .append("c", ExpectedVersion::NoStream, [NewEvent::new("T", vec![])])
                        .unwrap();
                    store.close().unwrap();
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{at}: {error}");
                    assert_eq!(
                        verify_it(&mine).events + seen_lost(&mine),
                        events,
                        "{at}: changed by trying"
                    );
                }
            }
        }
    }
    assert!(refused > 500 && opened > 500, "{refused} refused, {opened} opened");
}

fn seen_lost(disk: &MemoryDisk) -> u64 {
    read_rest(disk).lost.iter().map(|range| range.end - range.start).sum()
}

/// The check above can fail: it does where nothing is wrong.
#[test]
#[should_panic(expected = "0000000001.seg offset 5000 mask 0x0")]
fn a_flip_that_changes_nothing_is_not_found() {
    let disk = small_store();
    let events = verify_it(&disk).events;
    flip(&disk, &Path::new(PATH).join("0000000001.seg"), 5000, 0, events);
}
