//! Readers of a store whose last segment cannot be read everywhere: they get the rest of it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu::{
    Depth, Durability, ErrorKind, ExpectedVersion, Mode, NewEvent, Options, ReadMode, Store,
    layout_on,
};
use quipu_disk::{Disk, FaultDisk, PowerCut};

use crate::salvage::store::{PATH, commits, contents, fill, segments};
use crate::small;

const PAGE: usize = 4096;
const BYTES: u64 = 32 << 10;
/// Of the store that was left.
const EVENTS: usize = 165;

/// Segments of several pages. Nobody marks or syncs anything by the clock, however long a test takes.
fn open(disk: &FaultDisk, mode: Mode, read_mode: ReadMode) -> quipu::Result<Store> {
    let long = Duration::from_secs(4800);
    let options = Options {
        segment_bytes_min: BYTES,
        segment_bytes_max: BYTES,
        mark_after: long,
        sync_interval: long,
        read_mode,
        ..small::options()
    };
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).mode(mode).open()
}

fn read(disk: &FaultDisk, read_mode: ReadMode) -> Store {
    open(disk, Mode::ReadOnly, read_mode).unwrap()
}

/// A store that was not closed, with a segment before the one that was being written.
fn left() -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create, ReadMode::Map).unwrap();
    fill(&store, 55);
    let left = disk.kill();
    drop(store);
    assert!(commits(&left, PATH).iter().any(|commit| commit.file != active(&left)));
    left
}

/// The segment that was being written.
fn active(disk: &FaultDisk) -> PathBuf {
    commits(disk, PATH).last().unwrap().file.clone()
}

/// A page is what the system reads of a medium.
fn spoil(disk: &FaultDisk, file: &Path, page: usize) {
    let start = (page * PAGE) as u64;
    disk.spoil(file, start..start + PAGE as u64).unwrap();
}

/// What is read of a store in all ways: the positions of events that are served, and those that are called lost.
#[derive(Debug, PartialEq)]
struct Seen {
    served: Vec<u64>,
    lost: Vec<Range<u64>>,
    by_stream: Vec<Vec<u64>>,
}

fn seen(store: &Store) -> Seen {
    let (served, lost) = drain(&mut store.all().events().unwrap());
    let streams = ["a-0", "a-1", "b-2"];
    let by_stream = streams.map(|name| drain(&mut store.stream(name).events().unwrap()).0);
    Seen { served, lost, by_stream: by_stream.to_vec() }
}

fn drain(events: &mut quipu::Events) -> (Vec<u64>, Vec<Range<u64>>) {
    let (mut served, mut lost) = (Vec::new(), Vec::new());
    loop {
        match events.next() {
            Ok(Some(event)) => served.push(event.position().0),
            Ok(None) => return (served, lost),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                let positions = &error.damage().unwrap().positions;
                lost.push(positions.start.0..positions.end.0);
            }
        }
    }
}

/// Whether the opening says that more may be lost than anybody knows, because of what cannot be read.
fn is_end_unknown(store: &Store) -> bool {
    store.opening().lost.iter().any(|lost| lost.what.contains("os error 5"))
}

#[test]
fn a_page_that_cannot_be_read_costs_readers_no_more_than_its_bytes() {
    let disk = left();
    let file = active(&disk);
    let bytes = contents(&disk, &file);
    let all = seen(&read(&disk, ReadMode::Map));
    assert!(all.served.len() == EVENTS && all.lost.is_empty(), "{all:?}");
    let (mut beyond, mut unknown) = (0, 0);
    for page in (0..bytes.len()).step_by(PAGE) {
        let mut zeroed = bytes.clone();
        zeroed[page..page + PAGE].fill(0);
        disk.put(&file, &zeroed).unwrap();
        let as_zeros = seen(&read(&disk, ReadMode::Map));
        disk.put(&file, &bytes).unwrap();
        spoil(&disk, &file, page / PAGE);
        for mode in [ReadMode::Map, ReadMode::Pread] {
            let store = read(&disk, mode);
            let rest = seen(&store);
            assert_eq!(rest, as_zeros, "page {page}");
            let first = rest.lost.first().map_or(u64::MAX, |lost| lost.start);
            let last = rest.served.last().copied().unwrap_or(0);
            let known = rest.lost.iter().flat_map(Clone::clone).chain(rest.served).count();
            assert!(known == EVENTS || is_end_unknown(&store), "page {page}: {known} are known");
            assert!(known < EVENTS || !is_end_unknown(&store), "page {page}: nothing more is lost");
            beyond += u32::from(last > first);
            unknown += u32::from(is_end_unknown(&store));
        }
        let layout = layout_on(&disk, Path::new(PATH), Depth::Records, &mut |_| {}).unwrap();
        assert_eq!(layout.records.unwrap().total(), layout.files.frames, "page {page}");
        // Nobody goes on from what may come back.
        let error = open(&disk, Mode::Existing, ReadMode::Map).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "page {page}: {error}");
        disk.put(&file, &bytes).unwrap();
        assert_eq!(seen(&read(&disk, ReadMode::Map)), all, "page {page}: nothing has changed");
    }
    assert!(beyond > 1 && unknown > 1, "{beyond} {unknown}");
    let store = open(&disk, Mode::Existing, ReadMode::Map).unwrap();
    assert_eq!(seen(&store), all);
}

#[test]
fn beside_a_writer_what_can_be_read_is_followed() {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create, ReadMode::Map).unwrap();
    fill(&store, 16);
    let event = || NewEvent::new("T", vec![7; 100]);
    // All before it is durable, and visible, once this is.
    store.append("a", ExpectedVersion::Any, [event()]).unwrap();
    let file = active(&disk);
    spoil(&disk, &file, 2);
    let reader = read(&disk, ReadMode::Map);
    let before = seen(&reader);
    let lost: u64 = before.lost.iter().map(|lost| lost.end - lost.start).sum();
    assert!(lost > 0 && lost < 49, "{before:?}");
    assert_eq!(before.served.len() as u64 + lost, 49, "{before:?}");
    store.append("a", ExpectedVersion::Any, [event(), event(), event()]).unwrap();
    assert_eq!(seen(&reader).served.len(), before.served.len() + 3);
}

/// The page may come back, and the store be written on: what was shown behind it must be there then.
#[test]
fn what_is_shown_behind_a_page_that_cannot_be_read_is_durable_first() {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create, ReadMode::Map).unwrap();
    fill(&store, 16);
    let event = || NewEvent::new("T", vec![7; 100]);
    store.append("a", ExpectedVersion::Any, [event()]).unwrap();
    let commit = store.commit().durability(Durability::Os);
    commit.append("a", ExpectedVersion::Any, [event()]).submit().unwrap().wait().unwrap();
    let disk = disk.kill();
    drop(store);
    let file = active(&disk);
    spoil(&disk, &file, 2);
    let bytes = disk.contents(&file).unwrap();
    let shown = seen(&read(&disk, ReadMode::Map));
    assert_eq!(shown.served.last(), Some(&49), "{shown:?}");
    let after = disk.power_cut(PowerCut::LoseAll);
    assert!(after.contents(&file).unwrap() == bytes, "what was shown is lost");
}

/// Which segments there are, and by which keys events are found, is not guessed.
#[test]
fn a_manifest_that_cannot_be_read_now_is_no_damaged_one() {
    let disk = left();
    disk.spoil(&Path::new(PATH).join("manifest"), 0..1).unwrap();
    let error = open(&disk, Mode::ReadOnly, ReadMode::Pread).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(segments(&disk as &dyn Disk, PATH).len() > 1);
}

/// Of what cannot be read nobody knows the ids: commits that have some are refused for that, and no others.
#[test]
fn ids_are_asked_for_of_a_store_with_a_page_that_cannot_be_read() {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create, ReadMode::Pread).unwrap();
    fill(&store, 55);
    store.close().unwrap();
    spoil(&disk, &commits(&disk, PATH)[0].file, 2);
    let options = Options {
        segment_bytes_min: BYTES,
        segment_bytes_max: BYTES,
        read_mode: ReadMode::Pread,
        id_segments: 100,
        ..small::options()
    };
    let open = || Store::builder(PATH).disk(Arc::new(disk.clone())).options(options.clone()).open();
    let store = open().unwrap();
    let event = || NewEvent::new("T", vec![7; 100]);
    store.append("new", ExpectedVersion::NoStream, [event()]).unwrap();
    disk.restore();
    let known = || event().id(quipu::Uuid::from_u128(7));
    let refused = store.append("new", ExpectedVersion::Any, [known()]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io, "{refused}");
    assert!(refused.to_string().contains("until the store is opened anew"), "{refused}");
    store.close().unwrap();
    let store = open().unwrap();
    let answers = [(); 2].map(|()| store.append("new", ExpectedVersion::Any, [known()]).unwrap());
    assert_eq!(answers[0].position, answers[1].position, "it is known by now");
}
