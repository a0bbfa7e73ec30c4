//! Events of a segment that go bad together with one page of its index: what the other pages say goes on to be believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    ErrorKind, ExpectedVersion, Mode, NewEvent, Options, ReadMode, Result, Store, rebuild_index_on,
};
use quipu_disk::{Disk, FaultDisk};

use super::store::{PATH, copy, file};

const PAGE: u64 = 4096;
/// Streams, and tags, of each segment: so many that its index has several pages of them.
const KEYS: u64 = 250;

fn options() -> Options {
    let bytes = 128 << 10;
    Options {
        segment_bytes_min: bytes,
        segment_bytes_max: bytes,
        ballast_bytes: 0,
        ..Options::default()
    }
}

fn open(disk: &FaultDisk, options: Options, mode: Mode) -> Result<Store> {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).mode(mode).open()
}

fn event() -> NewEvent<'static> {
    NewEvent::new("T", vec![7; 100])
}

/// Appends to the streams of every second segment until there have been so many rolls. Segments next to one another hold
/// different keys, so whoever looks for one looks into that before the last.
fn fill(store: &Store, rolls: u64, parity: u64) {
    let mut number = 0;
    while store.stats().rolls < rolls {
        let key = format!("{parity}-{}", number % KEYS);
        let event = event().tag(format!("own:{key}"));
        store.append(&format!("s-{key}"), ExpectedVersion::Any, [event]).unwrap();
        number += 1;
    }
    assert!(rolls == 0 || number > KEYS, "{number} events in a segment");
}

/// A closed store of so many sealed segments and one that is written, with all its index files. `begun` is told of each
/// segment once there is something in it.
fn store_of(sealed: u64, begun: impl Fn(&Store, u64)) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, options(), Mode::Create).unwrap();
    for rolls in 0..=sealed {
        fill(&store, rolls, rolls % 2);
        begun(&store, rolls + 1);
    }
    store.close().unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {}).unwrap();
    disk
}

fn index(segment: u64) -> PathBuf {
    file(&format!("{segment:010}.idx"))
}

fn log(segment: u64) -> PathBuf {
    file(&format!("{segment:010}.seg"))
}

/// Copies of this store, in each of which another page of this index is damaged, but for the first.
fn with_bad_pages(whole: &FaultDisk, path: &Path) -> Vec<FaultDisk> {
    let pages = whole.contents(path).unwrap().len() as u64 / PAGE;
    assert!(pages > 4, "{pages} pages");
    let spoiled = (1..pages).map(|page| {
        let disk = copy(whole);
        disk.flip(path, page * PAGE + 17, 4).unwrap();
        disk
    });
    spoiled.collect()
}

/// Damages the last event of a segment that names this stream.
fn damage(disk: &FaultDisk, segment: u64, stream: &str) {
    let bytes = disk.contents(&log(segment)).unwrap();
    let at = bytes.windows(stream.len()).rposition(|name| name == stream.as_bytes());
    disk.flip(&log(segment), at.unwrap() as u64, 1).unwrap();
}

/// As the index of a later segment is made, one of before may be mended that has gone bad together with its segment: what
/// stands in the place of a file that knew more is not believed of the heads either.
#[test]
fn no_version_is_given_twice_where_an_index_was_mended_for_another() {
    let whole = store_of(6, |store, segment| {
        if [1, 3, 4].contains(&segment) {
            store.append("rare", ExpectedVersion::Any, [event()]).unwrap();
        }
    });
    damage(&whole, 4, "rare");
    whole.remove(&index(6)).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for disk in with_bad_pages(&whole, &index(4)) {
        let Ok(store) = open(&disk, options(), Mode::Existing) else { continue };
        match store.append("rare", ExpectedVersion::Any, [event()]) {
            Ok(appended) => {
                assert_eq!(appended.version.0, 3);
                taken += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                refused += 1;
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

/// The positions that a read by tag serves, and those that it calls lost.
fn by_tag(store: &Store, tag: &str) -> (usize, Vec<u64>) {
    let mut events = store.tag(tag).events().unwrap();
    let (mut served, mut lost) = (0, Vec::new());
    loop {
        match events.next() {
            Ok(Some(_)) => served += 1,
            Ok(None) => return (served, lost),
            Err(error) => lost.push(error.damage().unwrap().positions.start.0),
        }
    }
}

/// Only as an index is made it may come out that those before it do not know all keys any more.
#[test]
fn no_index_is_written_that_leads_past_keys_which_are_lost_as_it_is_made() {
    let whole = store_of(8, |store, segment| {
        if [3, 5, 7].contains(&segment) {
            let kept = event().tag("kept");
            store.append(&format!("kept-{segment}"), ExpectedVersion::Any, [kept]).unwrap();
        }
    });
    damage(&whole, 5, "kept-5");
    for id_segments in [0, 3] {
        for disk in with_bad_pages(&whole, &index(5)) {
            if id_segments == 0 {
                disk.remove(&index(7)).unwrap();
            }
            let with_ids = Options { id_segments, ..options() };
            open(&disk, with_ids, Mode::Existing).unwrap().close().unwrap();
            let store = open(&disk, options(), Mode::ReadOnly).unwrap();
            let (served, lost) = by_tag(&store, "kept");
            assert_eq!((served, lost.len()), (2, 1), "with ids of {id_segments}: {lost:?}");
        }
    }
}

/// What fails as a segment of before is read, whose index has gone bad, is no failure of what is written: the one that is
/// full is sealed once that goes.
#[test]
fn a_page_of_an_old_segment_that_cannot_be_read_keeps_nobody_from_writing_for_good() {
    let whole = store_of(3, |_, _| {});
    let without_maps = Options { read_mode: ReadMode::Pread, ..options() };
    let mut put_off = 0;
    for disk in with_bad_pages(&whole, &index(2)) {
        let Ok(store) = open(&disk, without_maps.clone(), Mode::Existing) else { continue };
        // All tags of the second segment, and none of its streams.
        let append = |number: u64| {
            let tagged = event().tag(format!("own:0-{}", number % KEYS));
            store.append("new", ExpectedVersion::Any, [tagged])
        };
        disk.spoil(&log(2), 40 << 10..44 << 10).unwrap();
        if let Some(error) = (0..5000).find_map(|number| append(number).err()) {
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert_eq!(store.stats().seals, 0);
            put_off += 1;
        }
        disk.restore();
        let rolls = store.stats().rolls;
        assert!((0..5000).any(|number| append(number).is_ok() && store.stats().rolls > rolls + 1));
        store.close().unwrap();
        open(&disk, options(), Mode::Existing).unwrap();
    }
    assert!(put_off > 0, "nobody had to wait");
}
