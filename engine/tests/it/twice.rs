//! A log that is damaged in two places at once, or that a disk reads in two ways.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Store, verify_on};
use quipu_disk::{Disk, FaultDisk};
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameKind};

use crate::attended::{Attendant, Attended};
use crate::frames::frames;
use crate::reading::{count, served_and_lost};
use crate::small::options;

const EVENTS: u64 = 6;

fn open(disk: &(impl Disk + Clone + 'static), mode: Mode) -> quipu::Result<Store> {
    // No mark comes behind the last event, however long a test takes.
    let options = Options { mark_after: Duration::from_secs(3600), ..options() };
    Store::builder("s").disk(Arc::new(disk.clone())).options(options).mode(mode).open()
}

fn segment() -> PathBuf {
    Path::new("s").join("0000000001.seg")
}

/// The segment of a store whose writer was killed, each event in a frame of its own.
fn killed() -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create).unwrap();
    for _ in 0..EVENTS {
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![1; 500])]).unwrap();
    }
    let after = disk.kill();
    drop(store);
    after
}

/// A later frame calls the first of the two durable, so its event is lost. Nothing calls the second durable, which is
/// the last: there the log ends.
#[test]
fn a_damaged_frame_before_a_torn_tail_is_told_and_the_tail_is_not() {
    let disk = killed();
    let mut bytes = disk.contents(&segment()).unwrap();
    let frames = frames(&bytes);
    let events = frames.iter().filter(|(_, header)| header.kind == FrameKind::Events);
    let events: Vec<usize> = events.map(|(at, _)| *at as usize).collect();
    assert_eq!(events.len() as u64, EVENTS);
    for at in [events[2], events[5]] {
        bytes[at + FRAME_HEADER_BYTES + 100] ^= 1;
    }
    disk.put(&segment(), &bytes).unwrap();
    assert_eq!(open(&disk, Mode::Existing).map(drop).unwrap_err().kind(), ErrorKind::Damaged);
    let store = open(&disk, Mode::ReadOnly).unwrap();
    let (served, lost) = served_and_lost(&store);
    assert_eq!(served, EVENTS - 2);
    assert_eq!(lost, 1);
}

/// Reads one byte of a file wrongly, once.
#[derive(Debug, Default)]
struct Misread {
    /// The manifest, and not the segment.
    manifest: AtomicBool,
    at: AtomicU64,
    /// Reads of it until then, and that one.
    reads: AtomicU64,
}

impl Attendant for Misread {
    fn has_read(&self, path: &Path, bytes: &mut [u8], offset: u64) {
        let place = self.at.load(Ordering::Relaxed).checked_sub(offset);
        let byte = place.and_then(|place| bytes.get_mut(place as usize));
        let manifest = self.manifest.load(Ordering::Relaxed);
        let misread = if manifest { Path::new("s").join("manifest") } else { segment() };
        if let Some(byte) = byte.filter(|_| path == misread)
            && self.reads.fetch_sub(1, Ordering::Relaxed) == 1
        {
            *byte ^= 1;
        }
    }
}

/// Whatever is read wrongly while a store is opened, and rightly afterwards, costs nothing: neither what is read nor what
/// is built on it. Nothing calls the last frame durable, so it is read again where it seems to be torn.
#[test]
fn what_is_misread_once_in_a_recovery_is_not_lost() {
    const READS: u64 = 12;
    let killed = killed();
    let frames = frames(&killed.contents(&segment()).unwrap());
    let mut refused = 0;
    for (at, header) in &frames {
        for reads in 1..=READS {
            let disk = Attended::<Misread>::new(&killed.kill());
            disk.attendant.at.store(*at + u64::from(header.len) - 1, Ordering::Relaxed);
            disk.attendant.reads.store(reads, Ordering::Relaxed);
            refused += u64::from(open(&disk, Mode::Existing).is_err());
            let store = open(&disk.disk.kill(), Mode::Existing).unwrap();
            assert_eq!(count(&store), EVENTS, "the frame at {at}, read {reads}");
        }
    }
    assert!(refused >= frames.len() as u64, "{refused} openings were refused");
}

/// Beside a writer two files may be read at two moments, so damage counts that is there a second time.
#[test]
fn who_only_reads_believes_no_damage_that_is_there_once() {
    const FIRST_EDIT: u64 = 4096;
    for reads in 1..=6 {
        let misread = || {
            let disk = Attended::<Misread>::new(&killed().kill());
            disk.attendant.manifest.store(true, Ordering::Relaxed);
            disk.attendant.at.store(FIRST_EDIT + 20, Ordering::Relaxed);
            disk.attendant.reads.store(reads, Ordering::Relaxed);
            disk
        };
        let disk = misread();
        let store = open(&disk, Mode::ReadOnly).unwrap();
        assert_eq!((store.opening().lost.len(), count(&store)), (0, EVENTS), "read {reads}");
        let disk = misread();
        let report = verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
        assert!(report.is_sound() && report.events == EVENTS, "read {reads}: {report:?}");
    }
}

/// Appends to the store as somebody else reads it for the n-th time.
#[derive(Debug, Default)]
struct Intruder {
    reads: AtomicU64,
    disk: Mutex<Option<FaultDisk>>,
}

impl Attendant for Intruder {
    fn has_read(&self, _: &Path, _: &mut [u8], _: u64) {
        if self.reads.fetch_sub(1, Ordering::Relaxed) == 1
            && let Some(disk) = self.disk.lock().unwrap().take()
        {
            let store = open(&disk, Mode::Existing).unwrap();
            store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![2; 500])]).unwrap();
            // It goes on: nothing is closed.
            std::mem::forget(store);
        }
    }
}

#[test]
fn a_store_that_somebody_begins_to_write_while_it_is_verified_is_sound() {
    let mut written_on = 0;
    for reads in 1..=80 {
        let disk = FaultDisk::new(1);
        let store = open(&disk, Mode::Create).unwrap();
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![1; 500])]).unwrap();
        store.close().unwrap();
        let disk = Attended::<Intruder>::new(&disk);
        disk.attendant.reads.store(reads, Ordering::Relaxed);
        *disk.attendant.disk.lock().unwrap() = Some(disk.disk.clone());
        let report = verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
        assert!(report.is_sound(), "read {reads}: {:?}", report.findings);
        written_on += u64::from(disk.attendant.disk.lock().unwrap().is_none());
    }
    assert!(written_on > 5, "{written_on}");
}
