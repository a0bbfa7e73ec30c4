//! A process that has as many files open as it may.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu::{ExpectedVersion, Mode, NewEvent, Options, ReadMode, Store};
use quipu_disk::{Access, FaultDisk};

use crate::attended::{Attendant, Attended};
use crate::reading::count;
use crate::small;

/// `EMFILE`.
const TOO_MANY_OPEN_FILES: i32 = 24;

/// Refuses one opening of a segment in so many.
#[derive(Debug, Default)]
struct Short {
    one_in: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
}

impl Attendant for Short {
    fn opens(&self, path: &Path, access: Access) -> io::Result<()> {
        let one_in = self.one_in.load(Ordering::Relaxed);
        let is_asked = one_in > 0 && access == Access::Read;
        if is_asked && path.extension().is_some_and(|extension| extension == "seg") {
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
