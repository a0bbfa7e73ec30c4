//! Every bit of a closed store flipped, one at a time; of its index files some.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    ErrorKind, ExpectedVersion, Mode, NewEvent, Store, VerifyReport, rebuild_index_on, verify_on,
};
use quipu_disk::{Access, Disk, MemoryDisk, read_exact_at, write_all_at};

use crate::small::options;

const PATH: &str = "s";
/// What a segment's header fills of its page, and some more.
const HEADER_BYTES: u64 = 200;

/// A small store that has seen everything: rolled and sealed segments, several streams, commits of
/// several events, a clean close and another opening.
fn small_store() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let options = options();
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

fn paths(disk: &MemoryDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(PATH)).unwrap();
    let files = names.iter().filter(|name| name.contains('.') || *name == "manifest");
    files.map(|name| Path::new(PATH).join(name)).collect()
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

/// Flips one bit, looks at what is said of it, and flips it back. Of the whole store it is known how many events it
/// holds and where the edits of its manifest end.
fn flip(disk: &MemoryDisk, path: &Path, offset: u64, mask: u8, whole: (u64, u64)) {
    let (events, edits_end) = whole;
    change(disk, path, offset, mask);
    let report = verify_it(disk);
    let at = format!("{} offset {offset} mask {mask:#x}", path.display());
    let named = report.findings.iter().any(|finding| {
        // A finding names the structure that the byte belongs to: a page, an edit, or a frame. What sums up an
        // index stands at its beginning.
        let near = offset.checked_sub(finding.offset).is_some_and(|behind| behind < 4096);
        finding.file == path && (near || (is_index(path) && finding.offset == 0))
    });
    assert!(named, "{at}: {:?}", report.findings);
    let is_rest = path.extension().is_none() && offset >= edits_end;
    assert!(is_rest || !report.is_sound(), "{at}: {:?}", report.findings);
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

/// Where the edits of the manifest end, of which the last says how many events there are.
fn edits_end(disk: &MemoryDisk) -> u64 {
    let file = disk.open(&Path::new(PATH).join("manifest"), Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    let last = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    (last as u64 + 1).next_multiple_of(16)
}

fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension != "seg")
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

/// Which bits of a byte are flipped: all of the log's, and of what is written in the manifest. Of what a segment's header
/// leaves empty one of each byte will do, since a single checksum covers it all; an index is only derived, and the rest
/// of a manifest is empty: of these some. All of them if `QUIPU_EVERY_BIT` is set.
fn bits(path: &Path, offset: u64) -> std::ops::Range<u32> {
    if std::env::var_os("QUIPU_EVERY_BIT").is_some() {
        return 0..8;
    }
    let every = if is_index(path) { 5 } else { 16 };
    let is_log = path.extension().is_some_and(|extension| extension == "seg");
    let is_written = !is_index(path) && offset < 6144;
    let bit = (offset / every % 8) as u32;
    if is_log && (HEADER_BYTES..4096).contains(&offset) {
        bit..bit + 1
    } else if is_log || is_written {
        0..8
    } else if offset.is_multiple_of(every) {
        bit..bit + 1
    } else {
        0..0
    }
}

#[test]
fn any_flipped_bit_is_found_and_costs_no_more_than_its_commit() {
    let disk = small_store();
    let report = verify_it(&disk);
    assert!(report.findings.is_empty() && report.closed_cleanly, "{:?}", report.findings);
    assert!(report.segments >= 3, "{report:?}");
    let (paths, whole) = (paths(&disk), (report.events, edits_end(&disk)));
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (mine, paths) = (copy(&disk, &paths), &paths);
            scope.spawn(move || {
                for path in paths {
                    let size = mine.open(path, Access::Read).unwrap().size().unwrap();
                    for offset in (0..size).filter(|offset| offset % threads == thread) {
                        let bits = bits(path, offset);
                        bits.for_each(|bit| flip(&mine, path, offset, 1 << bit, whole));
                    }
                }
            });
        }
    });
}

/// What opening a damaged store for writing came to, for some places in each of its files.
struct Openings {
    refused: usize,
    /// Opened, and nothing was lost.
    whole: usize,
    /// Opened, and what is damaged could not be read.
    damaged: usize,
}

/// Flips bits here and there and opens for writing. A store that is refused is left as it is; one that opens
/// drops nothing by recovering, takes events, and opens again.
fn open_damaged(disk: &MemoryDisk) -> Openings {
    let events = verify_it(disk).events;
    let mut openings = Openings { refused: 0, whole: 0, damaged: 0 };
    let paths = paths(disk);
    for path in &paths {
        let size = disk.open(path, Access::Read).unwrap().size().unwrap();
        for offset in (0..size).step_by(if is_index(path) { 101 } else { 17 }) {
            let mine = copy(disk, &paths);
            change(&mine, path, offset, 1 << (offset % 8));
            let at = format!("{} offset {offset}", path.display());
            match Store::builder(PATH).disk(Arc::new(mine.clone())).options(options()).open() {
                Ok(store) => {
                    store
                        .append("c", ExpectedVersion::NoStream, [NewEvent::new("T", vec![])])
                        .unwrap();
                    store.close().unwrap();
                    let seen = read_rest(&mine);
                    let lost: u64 = seen.lost.iter().map(|range| range.end - range.start).sum();
                    assert_eq!(seen.positions.len() as u64 + lost, events + 1, "{at}");
                    assert!(lost <= 2, "{at}: {:?}", seen.lost);
                    if lost == 0 {
                        openings.whole += 1;
                    } else {
                        openings.damaged += 1;
                    }
                    let builder = Store::builder(PATH).disk(Arc::new(mine)).options(options());
                    builder.mode(Mode::Existing).open().unwrap().close().unwrap();
                }
                Err(error) => {
                    openings.refused += 1;
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
    openings
}

/// The index knows the keys of what is damaged, so writing can go on: only reading those events fails.
#[test]
fn damage_that_the_index_covers_does_not_keep_a_store_from_being_written() {
    let Openings { refused, whole, damaged } = open_damaged(&small_store());
    assert!(refused > 100 && whole > 500 && damaged > 500, "{refused} {whole} {damaged}");
}

/// Nobody knows which streams a damaged event belongs to: what their last versions are cannot be said.
#[test]
fn without_an_index_a_damaged_store_is_not_written() {
    let disk = small_store();
    for path in paths(&disk).iter().filter(|path| is_index(path)) {
        disk.remove(path).unwrap();
    }
    let Openings { refused, whole, damaged } = open_damaged(&disk);
    assert!(refused > 500 && whole > 500 && damaged == 0, "{refused} {whole} {damaged}");
}

fn seen_lost(disk: &MemoryDisk) -> u64 {
    read_rest(disk).lost.iter().map(|range| range.end - range.start).sum()
}

/// The check above can fail: it does where nothing is wrong.
#[test]
#[should_panic(expected = "0000000001.seg offset 5000 mask 0x0")]
fn a_flip_that_changes_nothing_is_not_found() {
    let disk = small_store();
    let whole = (verify_it(&disk).events, edits_end(&disk));
    flip(&disk, &Path::new(PATH).join("0000000001.seg"), 5000, 0, whole);
}

#[test]
fn a_segment_that_is_gone_is_told_of_by_the_opening() {
    let disk = small_store();
    let lost = |disk: &MemoryDisk| {
        let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).mode(Mode::ReadOnly);
        builder.open().unwrap().opening().lost.clone()
    };
    assert!(lost(&disk).is_empty());
    let segments: Vec<PathBuf> =
        paths(&disk).into_iter().filter(|path| path.extension() == Some("seg".as_ref())).collect();
    assert!(segments.len() > 2, "{segments:?}");
    disk.remove(&segments[1]).unwrap();
    let lost = lost(&disk);
    assert_eq!((lost.len(), &lost[0].file), (1, &segments[1]));
    let seen = read_rest(&disk);
    let missing = lost[0].positions.start.0..lost[0].positions.end.0;
    assert!(!missing.is_empty() && seen.lost == [missing.clone()], "{missing:?} {:?}", seen.lost);
    assert!(seen.positions.iter().all(|position| !missing.contains(position)));
}

/// A stream that ended long ago, and two that go on; each event's payload says its position.
fn store_with_an_idle_stream() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options());
    let store = builder.open().unwrap();
    for position in 0..40_u64 {
        let event = NewEvent::new("T", format!("<{position}>").repeat(300).into_bytes());
        let stream = if position == 0 { "idle" } else { ["a", "b"][position as usize % 2] };
        store.append(stream, ExpectedVersion::Any, [event]).unwrap();
    }
    store.close().unwrap();
    // Runs are made in the background: now there are all.
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {}).unwrap();
    disk
}

/// Damages the payload of an event.
fn damage_event(disk: &MemoryDisk, position: u64) {
    let payload = format!("<{position}><{position}>").into_bytes();
    let found = paths(disk).into_iter().filter(|path| !is_index(path)).find_map(|path| {
        let file = disk.open(&path, Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        let at = bytes.windows(payload.len()).position(|window| window == payload)?;
        Some((path, at as u64))
    });
    let (path, offset) = found.unwrap();
    change(disk, &path, offset, 1);
}

/// The position of each stream's head; nothing of one that is said to be damaged.
fn heads(store: &Store) -> [Option<u64>; 3] {
    ["idle", "a", "b"].map(|name| match store.head(name) {
        Ok(head) => Some(head.unwrap().position.0),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            None
        }
    })
}

/// The index knows which stream a damaged event is of: only where that is the last one the head cannot be told.
#[test]
fn a_damaged_event_hides_no_head_but_its_own() {
    for position in 0..40 {
        let disk = store_with_an_idle_stream();
        damage_event(&disk, position);
        let expected = [0, 38, 39].map(|last| (last != position).then_some(last));
        for mode in [Mode::ReadOnly, Mode::Existing] {
            let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).mode(mode);
            let store = builder.options(options()).open().unwrap();
            assert_eq!(heads(&store), expected, "{position} {mode:?}");
        }
    }
}

/// Nobody knows which stream a damaged event is of: of every stream without a later event it may be the last.
#[test]
fn without_an_index_no_head_is_told_that_may_be_wrong() {
    for position in 0..40 {
        let disk = store_with_an_idle_stream();
        for path in paths(&disk).iter().filter(|path| is_index(path)) {
            disk.remove(path).unwrap();
        }
        damage_event(&disk, position);
        let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).mode(Mode::ReadOnly);
        let known = [0, 38, 39].map(|last| (last > position).then_some(last));
        assert_eq!(heads(&builder.open().unwrap()), known, "{position}");
    }
}

/// A run says what the last versions are although the index of the segment is gone, and writing goes on: what
/// writers are held to, readers are told.
#[test]
fn heads_that_a_run_knows_are_told_although_an_index_is_gone() {
    let mut opened = 0;
    for position in 0..40 {
        let disk = store_with_an_idle_stream();
        let is_idx = |path: &&PathBuf| path.extension() == Some("idx".as_ref());
        for path in paths(&disk).iter().filter(is_idx) {
            disk.remove(path).unwrap();
        }
        damage_event(&disk, position);
        let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options());
        match builder.mode(Mode::Existing).open() {
            Ok(store) => {
                let known = [0, 38, 39].map(|last| (last != position).then_some(last));
                assert_eq!(heads(&store), known, "{position}");
                opened += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{position}: {error}"),
        }
    }
    assert!((10..40).contains(&opened), "{opened}");
}
