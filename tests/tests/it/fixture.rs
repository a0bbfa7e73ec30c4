//! A small store of format 1, kept for ever: every version opens it, reads it and appends to it.
//!
//! `tests/fixtures/store-v1` was written once, by the first version that had the format. It holds sealed
//! segments with their index files and a run, a segment that was cut short by a power cut and continued, a clean
//! close and a reopening.
//! A format of a later number gets a fixture of its own (`MAKE_FIXTURE=1 cargo test --test it fixture`
//! writes one where there is none); this one never changes.

#![allow(clippy::disallowed_methods, reason = "fixtures are files of the repository")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{Codec, ExpectedVersion, NewEvent, Options, Store, Timestamp, Uuid, verify_on};
use quipu_disk::{Disk, FaultDisk, PowerCut};

const PATH: &str = "s";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/store-v1")
}

fn options() -> Options {
    Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        ..Options::default()
    }
}

fn open(disk: &FaultDisk) -> Store {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open().unwrap()
}

fn append(store: &Store, from: u64, count: u64) {
    for n in from..from + count {
        let json = format!("{{\"number\":{n},\"text\":\"{}\"}}", "x".repeat(400));
        let noted = NewEvent::new("Noted", json.into_bytes())
            .codec(Codec::Json)
            .metadata(b"{}".as_slice())
            .tag(format!("number:{n}"))
            .tag("kind:fixture")
            .id(Uuid::from_u128(u128::from(n) + 1))
            .occurred(Timestamp(1_000_000 * i64::try_from(n).unwrap() - 5));
        let plain = NewEvent::new("Plain", n.to_le_bytes().to_vec());
        store
            .commit()
            .append(&format!("note-{}", n % 3), ExpectedVersion::Any, [noted])
            .append("plain", ExpectedVersion::Any, [plain])
            .submit()
            .unwrap()
            .wait()
            .unwrap();
    }
}

/// All events of a store, a line each. Recorded times and ids that the store gave are not the test's.
fn lines(store: &Store) -> String {
    let mut lines = String::new();
    let mut events = store.all().events().unwrap();
    while let Some(event) = events.next().unwrap() {
        let tags: Vec<&str> = event.tags().collect();
        writeln!(
            lines,
            "{} {}@{} {} {:?} {:?} {} {:?} {:?}",
            event.position(),
            event.stream(),
            event.version(),
            event.event_type(),
            event.codec(),
            event.occurred(),
            tags.join(","),
            String::from_utf8_lossy(event.metadata()),
            String::from_utf8_lossy(event.payload()),
        )
        .unwrap();
    }
    lines
}

/// Writes the fixture, where there is none.
fn make() {
    let disk = FaultDisk::new(1);
    let store = open(&disk);
    append(&store, 0, 25);
    store.close().unwrap();
    let store = open(&disk);
    append(&store, 25, 5);
    let cut = disk.power_cut(PowerCut::LoseAll);
    drop(store);
    let store = open(&cut);
    append(&store, 30, 20);
    let expected = lines(&store);
    store.close().unwrap();
    std::fs::create_dir_all(fixture()).unwrap();
    for path in cut.files() {
        let name = path.file_name().unwrap();
        std::fs::write(fixture().join(name), cut.contents(&path).unwrap()).unwrap();
    }
    std::fs::write(fixture().with_extension("expected.txt"), expected).unwrap();
}

fn load() -> FaultDisk {
    let disk = FaultDisk::new(2);
    disk.create_directory(Path::new(PATH)).unwrap();
    for entry in std::fs::read_dir(fixture()).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        disk.put(&Path::new(PATH).join(entry.file_name()), &bytes).unwrap();
    }
    disk
}

#[test]
fn a_store_of_format_1_is_opened_read_and_appended_to() {
    if std::env::var_os("MAKE_FIXTURE").is_some() && !fixture().exists() {
        make();
    }
    let expected = std::fs::read_to_string(fixture().with_extension("expected.txt")).unwrap();
    let disk = load();
    let report = verify_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.closed_cleanly && report.segments >= 5, "{report:?}");

    let store = open(&disk);
    assert_eq!(store.opening().recovered, None);
    assert_eq!(lines(&store), expected);
    let done = store.append("plain", ExpectedVersion::Exact(49), [NewEvent::new("T", vec![])]);
    assert_eq!(done.unwrap().position.0, 100);
    append(&store, 50, 20);
    store.close().unwrap();

    let report = verify_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
    assert!(report.findings.is_empty() && report.closed_cleanly, "{:?}", report.findings);
    assert_eq!(report.events, 141);
    assert!(lines(&open(&disk)).starts_with(&expected));
}

/// The test above can fail: it sees a fixture that changed.
#[test]
fn a_fixture_that_changed_is_noticed() {
    let disk = load();
    disk.flip(&Path::new(PATH).join("0000000001.seg"), 4200, 1).unwrap();
    let report = verify_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
    assert!(!report.is_sound());
}
