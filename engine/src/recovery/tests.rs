//! Stores at the bounds of what an opening does.

use std::path::Path;

use quipu_disk::{Errno, Fault, FaultDisk, FaultKind};

use super::*;
use crate::manifest::load;
use crate::{ExpectedVersion, Mode, NewEvent, ReadMode, Store};

fn open(disk: &FaultDisk) -> Result<Store> {
    let options = Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        mode: Mode::Create,
        ..Options::default()
    };
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
