//! A process that has as many files open as it may.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Options, ReadMode, Store};
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
