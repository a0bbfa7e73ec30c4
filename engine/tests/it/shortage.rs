//! A process that has as many files open as it may.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{Durability, ErrorKind, ExpectedVersion, Mode, NewEvent, Options, ReadMode, Store};
use quipu_disk::{Access, FaultDisk};

use crate::attended::{Attendant, Attended};
use crate::reading::count;
use crate::small;

/// `EMFILE`.
const TOO_MANY_OPEN_FILES: i32 = 24;

/// Refuses one opening of a segment in so many, to be read or otherwise.
#[derive(Debug, Default)]
struct Short {
    one_in: AtomicU64,
    one_in_made: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
}

impl Attendant for Short {
    fn opens(&self, path: &Path, access: Access) -> io::Result<()> {
        let one_in = if access == Access::Read { &self.one_in } else { &self.one_in_made };
        let one_in = one_in.load(Ordering::Relaxed);
        if one_in > 0 && path.to_string_lossy().contains(".seg") {
            let opened = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
            if opened.is_multiple_of(one_in) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES));
            }
        }
        Ok(())
    }
}

/// Lets only so many files be open at a time.
#[derive(Debug)]
struct Limited {
    most: AtomicU64,
    open: AtomicU64,
    refused: AtomicU64,
}

impl Default for Limited {
    fn default() -> Limited {
        Limited {
            most: AtomicU64::new(u64::MAX),
            open: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

impl Limited {
    /// From now on no more than there are.
    fn no_more(&self) {
        self.most.store(self.open.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn admit(&self) -> io::Result<()> {
        if self.open.load(Ordering::SeqCst) < self.most.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        Err(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES))
    }
}

impl Attendant for Limited {
    fn opens(&self, _path: &Path, _access: Access) -> io::Result<()> {
        self.admit()
    }
    fn has_opened(&self, _path: &Path) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }
    fn closes(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
    fn looks_at_a_lock(&self, _path: &Path) -> io::Result<()> {
        self.admit()
    }
}

/// Lets nobody make the file of an index at the first try.
#[derive(Debug, Default)]
struct OnceShort(Mutex<BTreeSet<PathBuf>>);

impl Attendant for OnceShort {
    fn opens(&self, path: &Path, access: Access) -> io::Result<()> {
        let name = path.to_string_lossy();
        let is_index = name.contains(".idx") || name.contains(".run");
        if access != Access::Read && is_index && self.0.lock().unwrap().insert(path.to_owned()) {
            return Err(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES));
        }
        Ok(())
    }
}

fn append(store: &Store) -> quipu::Result<()> {
    let event = NewEvent::new("T", vec![7; 900]);
    store.append("a", ExpectedVersion::Any, [event]).map(drop)
}

/// What is kept open for readers is given back to who writes.
#[test]
fn a_writer_at_the_limit_of_descriptors_goes_on_with_those_that_are_kept() {
    let disk = Attended::<Limited>::new(&FaultDisk::new(1));
    let options = Options { read_mode: ReadMode::Pread, ..small::options() };
    let builder = || Store::builder("s").disk(Arc::new(disk.clone())).options(options.clone());
    let store = builder().open().unwrap();
    (0..500).for_each(|_| append(&store).unwrap());
    store.close().unwrap();
    let store = builder().open().unwrap();
    assert_eq!(count(&store), 500);
    disk.attendant.no_more();
    for at in 0..200 {
        append(&store).unwrap_or_else(|error| panic!("{at}: {error}"));
    }
    assert!(disk.attendant.refused.load(Ordering::SeqCst) > 0, "there were enough");
    assert_eq!(count(&store), 700);
    store.close().unwrap();
    disk.attendant.most.store(u64::MAX, Ordering::SeqCst);
    let report = quipu::verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
    assert!(report.is_sound() && report.events == 700, "{:?}", report.findings);
}

/// What is kept open for readers is given back to who writes an index.
#[test]
fn an_index_is_written_with_a_descriptor_that_was_kept() {
    let disk = Attended::<OnceShort>::new(&FaultDisk::new(1));
    let store = Stepper::open(Arc::new(disk.clone()), Path::new("s"), &small::options()).unwrap();
    let event = || NewEvent::new("T", vec![7; 900]);
    let work = || {
        while store.take_job() {
            store.finish_job();
        }
        while store.chore() {}
    };
    while store.segments() < 10 {
        let parts = [Part { stream: "a", expected: ExpectedVersion::Any, events: vec![event()] }];
        match store.place(&parts, None, Durability::Sync, &mut Waiting::default()) {
            Ok(Step::Placed(copy)) => drop(copy.finish()),
            Ok(Step::Busy) => {}
            _ => panic!("it is refused"),
        }
        work();
    }
    store.close().unwrap();
    let made = disk.attendant.0.lock().unwrap().len();
    let of = |kind: &str| {
        disk.disk.files().iter().filter(|file| file.extension() == Some(kind.as_ref())).count()
    };
    assert_eq!((of("idx"), of("run")), (of("seg"), 1));
    assert_eq!(made, of("seg") + 1, "none was tried again later");
}

/// What is kept open of a store is given back to who looks for what has become visible in it.
#[test]
fn a_reader_at_the_limit_of_descriptors_goes_on_with_those_that_are_kept() {
    let disk = FaultDisk::new(1);
    let seen = Attended::<Limited>::new(&disk);
    let builder = || Store::builder("s").options(small::options());
    let writer = builder().disk(Arc::new(disk.clone())).open().unwrap();
    (0..500).for_each(|_| append(&writer).unwrap());
    let reader = builder().disk(Arc::new(seen.clone())).mode(Mode::ReadOnly).open().unwrap();
    assert_eq!(count(&reader), 500);
    seen.attendant.no_more();
    for events in 501..550 {
        append(&writer).unwrap();
        disk.advance(Duration::from_secs(2));
        assert_eq!(reader.head("a").unwrap().map(|head| head.position.0 + 1), Some(events));
    }
    assert!(seen.attendant.refused.load(Ordering::SeqCst) > 0, "there were enough");
}

#[test]
fn segments_that_are_kept_open_make_room_for_others() {
    for read_mode in [ReadMode::Map, ReadMode::Pread] {
        let disk = Attended::<Short>::new(&FaultDisk::new(1));
        let options = Options { read_mode, ..small::options() };
        let builder = || Store::builder("s").disk(Arc::new(disk.clone())).options(options.clone());
        let store = builder().open().unwrap();
        for _ in 0..200 {
            store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 900])]).unwrap();
        }
        store.close().unwrap();
        let store = builder().mode(Mode::ReadOnly).open().unwrap();
        disk.attendant.one_in.store(4, Ordering::Relaxed);
        assert_eq!(count(&store), 200, "{read_mode:?}");
        let refused = disk.attendant.refused.load(Ordering::Relaxed);
        assert!(refused > 3, "{refused} in {read_mode:?}");
    }
}

/// A host that serves many others has its descriptors used up now and then.
#[test]
fn a_writer_that_gets_no_descriptor_for_its_next_segment_tries_again() {
    let disk = Attended::<Short>::new(&FaultDisk::new(1));
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(small::options());
    let store = builder.open().unwrap();
    disk.attendant.one_in_made.store(7, Ordering::Relaxed);
    let (mut appended, mut refused) = (0, 0);
    for _ in 0..300 {
        match store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 900])]) {
            Ok(_) => appended += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Io, "{error}");
                assert!(error.to_string().contains("oo many open files"), "{error}");
                refused += 1;
            }
        }
    }
    let short = disk.attendant.refused.load(Ordering::Relaxed);
    assert!(short > 5 && appended > 200, "{short} openings, {refused} commits of 300 refused");
    disk.attendant.one_in_made.store(0, Ordering::Relaxed);
    assert_eq!(count(&store), appended);
    store.close().unwrap();
    let report = quipu::verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
    assert!(report.is_sound() && report.events == appended, "{:?}", report.findings);
}
