//! Following a store of which something cannot be read for a while.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use quipu::{
    Delivery, Durability, ErrorKind, Mode, Options, Position, ReadMode, Store, Subscription,
};
use quipu_disk::{Access, Disk, FaultDisk};

use super::follower::{ABOUT, About, PATH, append, open, open_with, options, pause};
use super::succession::A_WHILE;
use crate::attended::{Attendant, Attended};
use crate::reading::served_and_lost;

fn reader(disk: &FaultDisk) -> Store {
    let options = Options { mode: Mode::ReadOnly, ..options(ReadMode::Pread, Durability::Sync) };
    open_with(disk, options)
}

/// A store of some segments, the last one that holds events, and how many there are in all.
fn closed(disk: &FaultDisk) -> (PathBuf, u64) {
    let store = open(disk);
    (0..100).for_each(|at| append(&store, ["a", "b-1"][at % 2]));
    let events = store.next_position().0;
    store.close().unwrap();
    let holds = |file: &PathBuf| {
        file.extension().is_some_and(|kind| kind == "seg")
            && disk.contents(file).is_ok_and(|bytes| bytes[4096] != 0)
    };
    (disk.files().into_iter().rfind(holds).unwrap(), events)
}

fn manifest() -> PathBuf {
    Path::new(PATH).join("manifest")
}

/// Without the secret of the manifest nothing that was indexed is found.
#[test]
fn without_a_manifest_all_is_found_that_was_found_before() {
    for is_removed in [true, false] {
        let disk = FaultDisk::new(29);
        let (_, events) = closed(&disk);
        let reader = reader(&disk);
        let before = ABOUT.map(|about| about.read_sound(&reader));
        if is_removed {
            disk.remove(&manifest()).unwrap();
        } else {
            disk.zero(&manifest(), 0..4096).unwrap();
        }
        for _ in 0..3 {
            disk.advance(A_WHILE);
            assert_eq!(reader.next_position().0, events);
            assert_eq!(ABOUT.map(|about| about.read_sound(&reader)), before);
        }
    }
}

#[test]
fn who_reads_a_store_is_told_where_another_has_its_place() {
    let (disk, other) = (FaultDisk::new(29), FaultDisk::new(31));
    let (_, events) = closed(&disk);
    closed(&other);
    let reader = reader(&disk);
    assert_eq!(About::All.read(&reader).len() as u64, events);
    for file in other.files() {
        disk.put(&file, &other.contents(&file).unwrap()).unwrap();
    }
    disk.advance(A_WHILE);
    assert_eq!(reader.all().events().unwrap_err().kind(), ErrorKind::Poisoned);
}

/// What is readable now and was not before has not been lost.
#[test]
fn a_segment_that_can_be_read_again_was_not_lost() {
    let disk = FaultDisk::new(29);
    let (last, events) = closed(&disk);
    let bytes = disk.contents(&last).unwrap().len() as u64;
    disk.spoil(&last, 0..bytes).unwrap();
    let reader = reader(&disk);
    assert_eq!(reader.next_position().0, events);
    assert!(!reader.opening().lost.is_empty());
    disk.restore();
    let writer = open(&disk);
    disk.advance(A_WHILE);
    append(&writer, "a");
    assert_eq!(About::All.read(&reader).len() as u64, events + 1);
}

/// While somebody keeps writers out, nobody knows what of the last segment is durable.
#[test]
fn what_a_close_has_noted_is_not_called_lost_while_somebody_has_the_lock() {
    let disk = FaultDisk::new(29);
    let options = Options {
        segment_bytes_min: 32 << 10,
        segment_bytes_max: 32 << 10,
        ..options(ReadMode::Pread, Durability::Sync)
    };
    let store = open_with(&disk, options.clone());
    (0..150).for_each(|_| append(&store, "a"));
    let events = store.next_position().0;
    store.close().unwrap();
    disk.spoil(&Path::new(PATH).join("0000000001.seg"), 4096..8192).unwrap();
    let lock = disk.lock(&Path::new(PATH).join("lock")).unwrap().unwrap();
    let reader = open_with(&disk, Options { mode: Mode::ReadOnly, ..options });
    assert!(reader.next_position().0 <= events);
    drop(lock);
    disk.advance(A_WHILE);
    let (served, _) = served_and_lost(&reader);
    assert!(served > 80 && reader.next_position().0 == events, "{served} of {events}");
}

/// Neither opens a file nor looks at a lock while this is so.
#[derive(Debug, Default)]
struct Gone(AtomicBool);

impl Gone {
    fn admit(&self) -> io::Result<()> {
        // `EIO`.
        if self.0.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

impl Attendant for Gone {
    fn opens(&self, _path: &Path, _access: Access) -> io::Result<()> {
        self.admit()
    }
    fn looks_at_a_lock(&self, _path: &Path) -> io::Result<()> {
        self.admit()
    }
}

/// Who reads a store, and who follows it and has caught up with so many events.
fn caught_up(disk: &Attended<impl Attendant>, events: u64) -> (Store, Subscription<Position>) {
    let options = Options { mode: Mode::ReadOnly, ..options(ReadMode::Pread, Durability::Sync) };
    let reader = open_with(disk, options);
    let mut following = reader.all().from(events).subscribe().unwrap();
    assert!(matches!(following.next().unwrap(), Some(Delivery::CaughtUp)));
    (reader, following)
}

/// Who waits asks for nothing, and hears of it all the same; once the store is back, it goes on.
#[test]
fn who_waits_is_told_that_the_store_cannot_be_read_any_more() {
    let disk = FaultDisk::new(29);
    let (_, events) = closed(&disk);
    let seen = Attended::<Gone>::new(&disk);
    let (_reader, mut waiting) = caught_up(&seen, events);
    let (tell, told) = channel();
    let thread = std::thread::spawn(move || {
        tell.send(waiting.next().map(drop).map_err(|error| error.kind())).unwrap();
        waiting
    });
    // Long enough for it to wait, which nobody can see.
    pause(50);
    seen.attendant.0.store(true, Ordering::SeqCst);
    let heard = (0..1000).find_map(|_| {
        // By the disk's own clock.
        disk.advance(A_WHILE);
        told.recv_timeout(Duration::from_millis(20)).ok()
    });
    assert_eq!(heard, Some(Err(ErrorKind::Io)));
    let mut waiting = thread.join().unwrap();
    seen.attendant.0.store(false, Ordering::SeqCst);
    disk.advance(A_WHILE);
    let writer = open(&disk);
    append(&writer, "a");
    let next = (0..1000).find_map(|_| {
        disk.advance(A_WHILE);
        match waiting.next_within(Duration::from_millis(20)) {
            Ok(Some(Delivery::Event(event))) => Some(event.position().0),
            _ => None,
        }
    });
    assert_eq!(next, Some(events));
}

#[test]
fn what_a_follower_was_told_as_it_looked_itself_is_not_told_it_again() {
    let disk = FaultDisk::new(29);
    let (_, events) = closed(&disk);
    let seen = Attended::<Gone>::new(&disk);
    let (_reader, mut following) = caught_up(&seen, events);
    seen.attendant.0.store(true, Ordering::SeqCst);
    let mut heard = || following.next_within(Duration::ZERO).map(|it| it.is_some());
    for _ in 0..3 {
        disk.advance(A_WHILE);
        assert_eq!(heard().map_err(|error| error.kind()), Err(ErrorKind::Io));
    }
    // It is not looked again so soon.
    assert_eq!(heard().map_err(|error| error.kind()), Ok(false));
}

/// Lists no directory while this is so.
#[derive(Debug, Default)]
struct Unlisted(AtomicBool);

impl Attendant for Unlisted {
    fn lists(&self, _directory: &Path) -> io::Result<()> {
        // `EIO`.
        if self.0.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

/// All of the store is looked at once a second only. That it was found there in between, many times, is no look that went
/// well.
#[test]
fn who_waits_beside_a_writer_that_tells_nothing_is_told_that_the_store_cannot_be_looked_at() {
    let disk = FaultDisk::new(29);
    let (_, events) = closed(&disk);
    let lock = disk.lock(&Path::new(PATH).join("lock")).unwrap().unwrap();
    let seen = Attended::<Unlisted>::new(&disk);
    let (reader, mut waiting) = caught_up(&seen, events);
    // It never is the first to look after a while.
    let mut hears = || {
        (0..40).find_map(|_| {
            disk.advance(A_WHILE);
            drop(reader.all().events());
            waiting.next_within(Duration::ZERO).map(drop).err()
        })
    };
    assert!(hears().is_none(), "nothing is wrong");
    seen.attendant.0.store(true, Ordering::SeqCst);
    assert_eq!(hears().map(|error| error.kind()), Some(ErrorKind::Io));
    seen.attendant.0.store(false, Ordering::SeqCst);
    // The last failure may not have been told yet.
    drop(hears());
    assert!(hears().is_none(), "it is over");
    drop(lock);
}
