//! No page of a segment is written in part before it was written whole: it would have to be read first, inside of a
//! commit, since segments are filled past the memory in which the system keeps what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use quipu::{ExpectedVersion, NewEvent, Options, Store};
use quipu_disk::FaultDisk;

use crate::attended::{Attendant, Attended};

const PAGE_BYTES: u64 = 4096;

/// The pages of each segment that the system has in memory, and those that it would have had to read.
#[derive(Debug, Default)]
struct Pages(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    in_memory: BTreeMap<PathBuf, BTreeSet<u64>>,
    read: BTreeSet<(PathBuf, u64)>,
    writes: u64,
}

impl Attendant for Pages {
    fn has_written(&self, path: &Path, bytes: &[u8], offset: u64) {
        let name = path.to_string_lossy().replace(".tmp", "");
        let filling = bytes.len() as u64 >= PAGE_BYTES && bytes.iter().all(|&byte| byte == 0);
        if filling || !name.ends_with(".seg") || bytes.is_empty() {
            return;
        }
        let mut seen = self.0.lock().unwrap();
        seen.writes += 1;
        let Seen { in_memory, read, .. } = &mut *seen;
        let in_memory = in_memory.entry(PathBuf::from(&name)).or_default();
        let end = offset + bytes.len() as u64;
        for page in offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            let whole = offset <= page * PAGE_BYTES && end >= (page + 1) * PAGE_BYTES;
            // The first page holds the header, which is written once.
            if in_memory.insert(page) && !whole && page > 0 {
                read.insert((PathBuf::from(&name), page));
            }
        }
    }
}

#[test]
fn no_page_is_written_in_part_before_it_was_written_whole() {
    let disk = Attended::<Pages>::new(&FaultDisk::new(1));
    let options = Options {
        segment_bytes_min: 256 << 10,
        segment_bytes_max: 256 << 10,
        buffer_bytes: 64 << 10,
        ballast_bytes: 0,
        ..Options::default()
    };
    let store = Store::builder("s").disk(Arc::new(disk.clone())).options(options).open().unwrap();
    for size in (0..400).map(|number| number * 37 % 9_000) {
        let event = NewEvent::new("T", vec![7; size]);
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
    }
    let seen = disk.attendant.0.lock().unwrap();
    assert!(seen.in_memory.len() > 5 && seen.writes > 400, "{} segments", seen.in_memory.len());
    assert!(seen.read.is_empty(), "{:?}", seen.read);
}
