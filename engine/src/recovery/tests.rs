//! Stores at the bounds of what an opening does.

use std::path::Path;

use quipu_disk::{Errno, Fault, FaultDisk, FaultKind};

use super::*;
use crate::manifest::load;
use crate::options::tests::small;
use crate::{ExpectedVersion, Mode, NewEvent, ReadMode, Store};

fn open(disk: &FaultDisk) -> Result<Store> {
    let options = Options { mode: Mode::Create, ..small() };
    Store::builder("s").disk(Arc::new(disk.clone())).options(options).open()
}

fn closed(events: u64) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk).unwrap();
    for _ in 0..events {
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 900])]).unwrap();
    }
    store.close().unwrap();
    disk
}

#[test]
fn a_store_is_written_as_long_as_there_are_segment_numbers_for_an_opening() {
    for (more, is_written) in [(0, true), (1, false)] {
        let disk = closed(1);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let directory = Directory::new("s");
        let loaded = load(&disk, &directory).unwrap().unwrap();
        let closed = loaded.listing.closed.unwrap();
        let mut manifest = Manifest::open(&shared, &directory, loaded).unwrap();
        let closed = Edit::Closed { end: closed.0, next_position: closed.1 };
        let last = Edit::Retired { segment: SegmentId(LAST_SEGMENT.0 + more) };
        manifest.add(&[last, closed]).unwrap();
        let opened = open(&disk).map(drop).map_err(|error| error.kind());
        assert_eq!(opened, if is_written { Ok(()) } else { Err(ErrorKind::Unsupported) });
    }
}

#[test]
fn a_strangers_file_does_not_use_up_the_segment_numbers() {
    let disk = closed(1);
    let high = |more| Directory::new("s").segment(SegmentId(LAST_SEGMENT.0 + more));
    disk.put(&high(1), b"somebody else's").unwrap();
    drop(open(&disk).unwrap());
    disk.put(&high(0), b"somebody else's").unwrap();
    drop(open(&disk.kill()).unwrap());
}

/// A recovery takes the number behind it, and is killed at any call; the next one does not write over what it has made.
#[test]
fn a_recovery_beside_a_strangers_file_can_be_killed_and_gone_on_with() {
    const EVENTS: u64 = 3;
    let killed = || {
        let disk = closed(EVENTS - 1);
        let store = open(&disk).unwrap();
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 900])]).unwrap();
        let after = disk.kill();
        drop(store);
        after.put(&Directory::new("s").segment(LAST_SEGMENT), b"somebody else's").unwrap();
        after
    };
    let is_whole = |disk: &FaultDisk, what: &str| {
        let options = Options { mode: Mode::ReadOnly, ..Options::default() };
        let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options);
        let store = builder.open().unwrap();
        assert_eq!(store.opening().lost, [], "{what}");
        assert_eq!(store.next_position(), Position(EVENTS), "{what}");
        let mut events = store.all().events().unwrap();
        for _ in 0..EVENTS {
            assert!(events.next().unwrap().is_some(), "{what}");
        }
    };
    let disk = killed();
    let before = disk.operations();
    drop(open(&disk).unwrap());
    let calls = disk.operations() - before;
    assert!(calls > 20, "{calls}");
    for call in 0..calls {
        let what = format!("killed at call {call} of {calls}");
        let disk = killed();
        let kind = FaultKind::Error(Errno::TimedOut);
        disk.plan(Fault { at: disk.operations() + call, kind, sticky: true });
        drop(open(&disk));
        let disk = disk.kill();
        is_whole(&disk, &what);
        if let Err(error) = open(&disk).map(drop) {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}");
        }
        is_whole(&disk.kill(), &what);
    }
}

#[test]
fn a_sealed_segment_that_cannot_be_read_is_not_passed_over() {
    let disk = closed(40);
    let mut survey = Survey::take(&disk, &Directory::new("s"), ReadMode::Map).unwrap();
    assert!(survey.parts.iter().filter(|part| part.sealed().is_some()).count() > 2);
    survey.look_at_sealed(&disk).unwrap();
    let kind = FaultKind::Error(Errno::TimedOut);
    disk.plan(Fault { at: disk.operations(), kind, sticky: false });
    assert_eq!(survey.look_at_sealed(&disk).unwrap_err().kind(), ErrorKind::Io);
    assert!(disk.contents(Path::new("s/0000000001.seg")).is_ok());
}
