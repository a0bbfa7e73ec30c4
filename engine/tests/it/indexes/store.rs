//! A store of many small segments, and what it must answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    ExpectedVersion, Mode, NewEvent, Result, Store, VerifyReport, rebuild_index_on, verify_on,
};
use quipu_disk::{Disk, FaultDisk};

pub(crate) use crate::copying::copy;
pub(crate) use crate::small::options;

pub(crate) const PATH: &str = "s";
/// Streams of each store.
pub(crate) const STREAMS: u64 = 7;

pub(crate) fn open(disk: &FaultDisk) -> Result<Store> {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open()
}

pub(crate) fn open_to_read(disk: &FaultDisk) -> Result<Store> {
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options());
    builder.mode(Mode::ReadOnly).open()
}

/// Appends events to each stream in turn; the first stream comes up only once in a while.
pub(crate) fn fill(store: &Store, events: u64) {
    let first = store.next_position().0;
    for number in first..first + events {
        let stream = if number % 50 == 0 { 0 } else { 1 + number % (STREAMS - 1) };
        let event = NewEvent::new("T", vec![7; 300]).tag(format!("tag:{}", number % 3));
        store.append(&format!("s-{stream}"), ExpectedVersion::Any, [event]).unwrap();
    }
}

/// A store that was closed, with some twenty sealed segments, two runs and the index of the active one.
pub(crate) fn closed_store() -> FaultDisk {
    closed_store_after(|_| {})
}

/// The same, in which something was done first.
pub(crate) fn closed_store_after(first: impl FnOnce(&Store)) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk).unwrap();
    first(&store);
    fill(&store, 200);
    store.close().unwrap();
    // Runs are made in the background: now there are all.
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {}).unwrap();
    let kinds = |kind: &str| files(&disk, kind).len();
    assert!(kinds("idx") >= 18 && kinds("run") == 2, "{:?}", disk.files());
    disk
}

/// The store's files with this extension.
pub(crate) fn files(disk: &FaultDisk, kind: &str) -> Vec<PathBuf> {
    let is_kind = |path: &PathBuf| path.extension().is_some_and(|extension| extension == kind);
    disk.files().into_iter().filter(is_kind).collect()
}

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(PATH).join(name)
}

/// The positions of each stream's events, of those of a tag and of a category, by the index.
pub(crate) fn by_index(store: &Store) -> Result<BTreeMap<String, Vec<u64>>> {
    let mut found = BTreeMap::new();
    for stream in 0..STREAMS {
        let name = format!("s-{stream}");
        found.insert(name.clone(), positions(store.stream(&name).events()?)?);
    }
    found.insert("category".into(), positions(store.category("s").events()?)?);
    let names: Result<Vec<String>> = store.streams("s-")?.collect();
    found.insert("names".into(), (0..names?.len() as u64).collect());
    Ok(found)
}

fn positions(mut events: quipu::Events) -> Result<Vec<u64>> {
    let mut positions = Vec::new();
    while let Some(event) = events.next()? {
        positions.push(event.position().0);
    }
    Ok(positions)
}

/// The same by reading everything.
pub(crate) fn by_log(store: &Store) -> BTreeMap<String, Vec<u64>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut events = store.all().events().unwrap();
    while let Some(event) = events.next().unwrap() {
        let position = event.position().0;
        found.entry(event.stream().to_owned()).or_default().push(position);
        found.entry("category".into()).or_default().push(position);
    }
    found.insert("names".into(), (0..STREAMS).collect());
    found
}

/// The index says what the log says.
pub(crate) fn agrees(store: &Store) {
    assert_eq!(by_index(store).unwrap(), by_log(store));
}

/// Every stream takes an event at exactly the version that must follow.
pub(crate) fn goes_on(store: &Store) {
    let before = by_log(store);
    for stream in 0..STREAMS {
        let name = format!("s-{stream}");
        let last = before[&name].len() as u64 - 1;
        store.append(&name, ExpectedVersion::Exact(last), [NewEvent::new("T", vec![1])]).unwrap();
    }
}

pub(crate) fn verified(disk: &FaultDisk) -> VerifyReport {
    verify_on(disk, Path::new(PATH), &mut |_| {}).unwrap()
}

/// Removes all files of a kind.
pub(crate) fn remove(disk: &FaultDisk, kind: &str) {
    files(disk, kind).iter().for_each(|file| disk.remove(file).unwrap());
}
