//! What the bytes of a store are spent on: every one of them is counted once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    Codec, Depth, ErrorKind, ExpectedVersion, FileBytes, Layout, NewEvent, Options, RecordBytes,
    Standing, Store, Timestamp, Uuid, layout_on,
};
use quipu_disk::{
    Access, Disk, Errno, Fault, FaultDisk, FaultKind, MemoryDisk, read_exact_at, write_all_at,
};

use crate::small::options;

const PATH: &str = "s";

fn open(disk: &MemoryDisk) -> Store {
    let options = Options { segment_bytes_max: 16 << 10, ballast_bytes: 12345, ..options() };
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).open().unwrap()
}

/// Appends commits of one and of several events, with and without all that an event may have.
fn fill(store: &Store, commits: usize) {
    for number in 0..commits {
        let event = NewEvent::new("Noted", vec![b'x'; 37 * (number % 9)]);
        let event = match number % 3 {
            0 => event.tag("one").tag("three").metadata(b"meta".as_slice()),
            1 => event.occurred(Timestamp(-7)).codec(Codec::Json),
            _ => event,
        };
        let events = vec![event; 1 + number % 4];
        store.append(&format!("s-{}", number % 5), ExpectedVersion::Any, events).unwrap();
    }
}

fn files(disk: &MemoryDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(PATH)).unwrap();
    names.iter().map(|name| Path::new(PATH).join(name)).collect()
}

/// The sizes of all files, as the disk tells them; asked again where one is renamed meanwhile.
fn bytes_on(disk: &MemoryDisk) -> u64 {
    let size = |path: PathBuf| match disk.open(&path, Access::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        file => Some(file.unwrap().size().unwrap()),
    };
    loop {
        if let Some(bytes) = files(disk).into_iter().map(size).sum() {
            return bytes;
        }
    }
}

fn look(disk: &MemoryDisk, depth: Depth) -> Layout {
    layout_on(disk, Path::new(PATH), depth, &mut |_| {}).unwrap()
}

/// Whether every byte on the disk is counted once.
fn is_balanced(layout: &Layout, bytes: u64) -> bool {
    layout.files.total() == bytes
        && layout.records.is_some_and(|records| records.total() == layout.files.frames)
}

#[test]
fn every_byte_of_a_closed_store_is_counted_once() {
    let disk = MemoryDisk::new();
    for commits in [0, 60] {
        let store = open(&disk);
        fill(&store, commits);
        store.close().unwrap();
        let layout = look(&disk, Depth::Records);
        assert!(is_balanced(&layout, bytes_on(&disk)), "{layout:#?}");
        assert_eq!(layout.standing, Standing::Closed);
        assert_eq!(layout.records.unwrap().unreadable, 0);
        let quick = look(&disk, Depth::Files);
        assert_eq!((quick.files, quick.records), (layout.files, None));
        assert_eq!(layout.files.ballast, 12345);
    }
}

#[test]
fn every_byte_is_counted_once_beside_a_writer() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    for _ in 0..20 {
        fill(&store, 5);
        // Segments are made and sealed in the background: what is counted in between is not compared.
        let (layout, bytes) = loop {
            let before = bytes_on(&disk);
            let layout = look(&disk, Depth::Records);
            if before == bytes_on(&disk) {
                break (layout, before);
            }
        };
        assert_eq!(layout.standing, Standing::InUse);
        assert!(is_balanced(&layout, bytes), "{bytes}: {layout:#?}");
        assert_eq!(layout.records.unwrap().unreadable, 0);
    }
}

#[test]
fn the_parts_of_an_event_are_those_that_were_given() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let event = NewEvent::new("Placed", b"payload".as_slice())
        .tag("a")
        .tag("bcd")
        .metadata(b"metadata".as_slice())
        .id(Uuid::from_u128(7))
        .occurred(Timestamp(5));
    store
        .append("order-1", ExpectedVersion::Any, [event.clone(), event.id(Uuid::from_u128(8))])
        .unwrap();
    store.close().unwrap();
    let layout = look(&disk, Depth::Records);
    let records = layout.records.unwrap();
    let expected = RecordBytes {
        commit_headers: 32,
        event_headers: 64,
        ids_and_times: 2 * (16 + 8),
        names: 2 * (7 + 6),
        tags: 2 * (1 + 1 + 1 + 3),
        metadata: 2 * 8,
        payload: 2 * 7,
        // Up to the payload at 32 + 24 + 13 + 6 + 8 = 83, then behind it.
        padding: 2 * (13 + 9),
        entries: records.entries,
        unreadable: 0,
    };
    assert_eq!(records, expected);
    assert_eq!((layout.segments, layout.next_position.0), (1, 2));
    assert!(records.entries >= 96, "the link at least: {records:?}");
}

#[test]
fn what_is_damaged_is_unreadable_and_nothing_else_is() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    fill(&store, 30);
    store.close().unwrap();
    let bytes = bytes_on(&disk);
    let sound = look(&disk, Depth::Records);
    let segment = files(&disk).into_iter().find(|path| path.extension() == Some("seg".as_ref()));
    let file = disk.open(&segment.unwrap(), Access::Write).unwrap();
    let mut noticed = 0;
    for at in (0..file.size().unwrap()).step_by(61) {
        let mut byte = [0];
        read_exact_at(&*file, &mut byte, at).unwrap();
        write_all_at(&*file, &[byte[0] ^ 0x10], at).unwrap();
        match layout_on(&disk, Path::new(PATH), Depth::Records, &mut |_| {}) {
            Ok(layout) => {
                assert!(is_balanced(&layout, bytes), "byte {at}: {layout:#?}");
                let unreadable = layout.records.unwrap().unreadable;
                noticed += usize::from(unreadable > 0);
                assert!(unreadable < sound.files.frames / 2, "byte {at}: {unreadable}");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "byte {at}: {error}"),
        }
        write_all_at(&*file, &byte, at).unwrap();
    }
    assert!(noticed > 20, "{noticed}");
    assert_eq!(look(&disk, Depth::Records), sound);
}

#[test]
fn files_of_others_and_files_that_are_gone_are_counted_too() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    fill(&store, 60);
    store.close().unwrap();
    let before = look(&disk, Depth::Records);
    for name in ["letter.txt", "0000000099.seg", "0000000099.idx.tmp"] {
        let file = disk.open(&Path::new(PATH).join(name), Access::Create).unwrap();
        write_all_at(&*file, &[1; 100], 0).unwrap();
    }
    let after = look(&disk, Depth::Records);
    assert_eq!(after.files, FileBytes { other: before.files.other + 300, ..before.files });
    for path in files(&disk).iter().filter(|path| path.extension() == Some("idx".as_ref())) {
        disk.remove(path).unwrap();
    }
    let without = look(&disk, Depth::Records);
    assert_eq!(without.files, FileBytes { indexes: 0, ..after.files });
    assert!(is_balanced(&without, bytes_on(&disk)));
}

#[test]
fn the_progress_ends_with_all_of_the_log() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    fill(&store, 60);
    store.close().unwrap();
    let (mut last, mut done) = (0, 0);
    let layout = layout_on(&disk, Path::new(PATH), Depth::Records, &mut |progress| {
        assert!(progress.done_bytes >= last && progress.done_bytes <= progress.total_bytes);
        (last, done) = (progress.done_bytes, progress.total_bytes);
    });
    assert_eq!((last, done), (layout.unwrap().files.frames, last));
}

#[test]
fn a_count_that_misses_a_byte_is_noticed() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    fill(&store, 10);
    store.close().unwrap();
    let bytes = bytes_on(&disk);
    let layout = look(&disk, Depth::Records);
    assert!(is_balanced(&layout, bytes));
    let files = FileBytes { left: layout.files.left + 1, ..layout.files };
    assert!(!is_balanced(&Layout { files, ..layout }, bytes));
    let records = layout.records.map(|records| RecordBytes { tags: records.tags + 1, ..records });
    assert!(!is_balanced(&Layout { records, ..layout }, bytes));
}

/// It may be somebody else's, and nobody else may read it.
#[test]
fn a_file_of_others_that_cannot_be_opened_is_left_out() {
    let disk = FaultDisk::new(11);
    let store =
        Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open().unwrap();
    fill(&store, 3);
    store.close().unwrap();
    disk.put(&Path::new(PATH).join("theirs"), b"whatever").unwrap();
    let look = || layout_on(&disk, Path::new(PATH), Depth::Records, &mut |_| {});
    let before = disk.operations();
    let whole = look().unwrap();
    let calls = disk.operations() - before;
    let without = FileBytes { other: whole.files.other - 8, ..whole.files };
    let refused = |call: u64| {
        let kind = FaultKind::Error(Errno::Denied);
        disk.plan(Fault { at: disk.operations() + call, kind, sticky: false });
        look().is_ok_and(|layout| layout == Layout { files: without, ..whole })
    };
    assert_eq!((0..calls).filter(|call| refused(*call)).count(), 2, "to open it, and its size");
}
