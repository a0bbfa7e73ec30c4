//! A store of many small segments, bits set in its files, and everything that reads it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::ExpectedVersion::Any;
use quipu::{
    ErrorKind, Events, Mode, NewEvent, Result, Store, VerifyReport, rebuild_index_on, verify_on,
};
use quipu_disk::{Access, Disk, FaultDisk, write_all_at};
use quipu_format::checksum;

pub(crate) use crate::copying::copy;
pub(crate) use crate::small::options;

pub(crate) const PATH: &str = "s";
pub(crate) const EVENTS: u64 = 200;

/// Where each mask stands in the header page of every file that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    Compatible = 8,
    ReadOnlyCompatible = 12,
    Incompatible = 16,
}

pub(crate) fn open(disk: &FaultDisk, mode: Mode) -> Result<Store> {
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options());
    builder.mode(mode).open()
}

pub(crate) fn event() -> NewEvent<'static> {
    NewEvent::new("T", vec![7; 300]).tag("tag")
}

/// A store that was closed, with some twenty sealed segments, runs, and an active segment that holds events.
/// Every event is of one category, type and tag; every other of one stream.
pub(crate) fn closed_store() -> FaultDisk {
    closed_store_after(|_| {})
}

/// The same, with something done to its files before the first event is appended.
pub(crate) fn closed_store_after(first: impl FnOnce(&FaultDisk)) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create).unwrap();
    first(&disk);
    for number in 0..EVENTS {
        let stream = if number % 2 == 0 { "s-even".to_owned() } else { format!("s-{number}") };
        store.append(&stream, Any, [event()]).unwrap();
    }
    store.close().unwrap();
    // Runs are made in the background: now there are all, unless this version cannot read the log.
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    if verified(&disk).unwrap().is_sound() {
        rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {}).unwrap();
        assert!(files(&disk, "run").len() > 1, "{:?}", disk.files());
    }
    assert!(files(&disk, "seg").len() > 10, "{:?}", disk.files());
    disk
}

/// The store's files with this extension, in order.
pub(crate) fn files(disk: &FaultDisk, kind: &str) -> Vec<PathBuf> {
    let is_kind = |path: &PathBuf| path.extension().is_some_and(|extension| extension == kind);
    let mut files: Vec<PathBuf> = disk.files().into_iter().filter(is_kind).collect();
    files.sort();
    files
}

/// Sets a bit as a newer version would, with the checksum that goes with it.
pub(crate) fn set(disk: &FaultDisk, path: &Path, mask: Mask) {
    let mut page = disk.contents(path).unwrap();
    page.truncate(4096);
    page[mask as usize + 3] |= 0x80;
    let crc = checksum::plain(&page[..4092]);
    page[4092..].copy_from_slice(&crc.to_le_bytes());
    let file = disk.open(path, Access::Write).unwrap();
    write_all_at(&*file, &page, 0).unwrap();
    file.sync_data().unwrap();
}

/// The positions of the events in a sealed segment: those that go with the file.
pub(crate) fn positions(disk: &FaultDisk, segment: &Path) -> Range<u64> {
    let other = copy(disk);
    other.remove(segment).unwrap();
    let store = open(&other, Mode::ReadOnly).unwrap();
    let lost = store.opening().lost[0].positions.clone();
    lost.start.0..lost.end.0
}

pub(crate) fn verified(disk: &FaultDisk) -> Result<VerifyReport> {
    verify_on(disk, Path::new(PATH), &mut |_| {})
}

/// What was read: the positions of events in the order of the log, and how often it was said that a newer version
/// is needed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) served: Vec<u64>,
    pub(crate) refused: usize,
}

impl Read {
    /// Reads to the end, over everything that is told on the way.
    pub(crate) fn of(mut events: Events) -> Read {
        let mut read = Read::default();
        loop {
            match events.next() {
                Ok(Some(event)) => read.served.push(event.position().0),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                    read.refused += 1;
                    assert!(read.refused < 100, "reading does not come to an end: {error}");
                }
            }
        }
        read.served.sort_unstable();
        read
    }

    /// What must be read of events up to `end` with a step between them, where these are refused.
    pub(crate) fn expected(end: u64, step: usize, refused: &Range<u64>) -> Read {
        let served = (0..end).step_by(step).filter(|position| !refused.contains(position));
        Read { served: served.collect(), refused: usize::from(!refused.is_empty()) }
    }
}

/// Reads in every way, forward and backward; those events must be refused, once each time, and all others served.
pub(crate) fn check(store: &Store, refused: &Range<u64>, what: &str) {
    let end = store.next_position().0;
    let ways = [
        ("all", store.all()),
        ("category", store.category("s")),
        ("type", store.event_type("T")),
        ("tag", store.tag("tag")),
    ];
    for (way, selection) in ways {
        let expected = Read::expected(end, 1, refused);
        let backward = selection.clone().backward().events().unwrap();
        assert_eq!(Read::of(selection.events().unwrap()), expected, "{what}: by {way}");
        assert_eq!(Read::of(backward), expected, "{what}: by {way}, backward");
    }
    let expected = Read::expected(EVENTS, 2, refused);
    let stream = || store.stream("s-even");
    assert_eq!(Read::of(stream().events().unwrap()), expected, "{what}: a stream");
    let backward = stream().backward().events().unwrap();
    assert_eq!(Read::of(backward), expected, "{what}: a stream, backward");
}
