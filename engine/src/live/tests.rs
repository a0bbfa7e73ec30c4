//! What a follower holds on to, and how long it looks at a page.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};

use quipu_disk::{Access, Disk, MemoryDisk, PAGE_FILE_BYTES, PAGE_WORDS, write_all_at};
use quipu_format::{Epoch, Live, Lsn, Position, Standing};
use quipu_index::Active;

use super::look::load_in_time;
use crate::options::tests::small;
use crate::{ExpectedVersion, Mode, NewEvent, Options, Store};

fn open(disk: &Arc<dyn Disk>, mode: Mode) -> Store {
    let options = Options { mode, ..small() };
    Store::builder("s").disk(Arc::clone(disk)).options(options).open().unwrap()
}

#[test]
fn indexes_in_memory_are_let_go_once_their_segments_are_sealed() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let writer = open(&disk, Mode::Create);
    let reader = open(&disk, Mode::ReadOnly);
    let mut seen: BTreeMap<usize, Weak<Active>> = BTreeMap::new();
    for _ in 0..400 {
        let event = NewEvent::new("A", vec![7; 900]);
        writer.append("a", ExpectedVersion::Any, [event]).unwrap();
        assert_eq!(reader.next_position(), writer.next_position());
        let table = reader.segments().view().table;
        for active in table.segments.iter().filter_map(|segment| segment.active()) {
            seen.insert(Arc::as_ptr(&active).addr(), Arc::downgrade(&active));
        }
    }
    writer.close().unwrap();
    let _ = reader.next_position();
    let alive = seen.values().filter(|active| active.strong_count() > 0).count();
    let segments = reader.segments().view().table.segments.len();
    assert!(segments > 40 && alive < 8, "{alive} indexes in memory of {segments} segments");
}

/// A page may be met while it is stored: what was told before that is acknowledged, so it is waited for.
#[test]
fn a_page_that_is_being_stored_is_waited_for_and_one_that_stays_so_is_not() {
    let disk = MemoryDisk::new();
    let file = disk.open(Path::new("live"), Access::Create).unwrap();
    write_all_at(&*file, &[0; PAGE_FILE_BYTES as usize], 0).unwrap();
    let page = disk.page(Path::new("live"), Access::Write).unwrap();
    let (durable, visible, next_position) = (Lsn(1), Lsn(2), Position(3));
    let (epoch, standing) = (Epoch([5; 16]), Standing::Well);
    let live = Live { epoch, durable, visible, next_position, sealed: 4, standing };
    let encoded = live.encode();
    let words = std::array::from_fn(|word| u64::from_le_bytes(encoded.as_chunks().0[word]));
    let pauses = Cell::new(0);
    let load = |whole_after: u32| {
        pauses.set(0);
        load_in_time(&page, &|| {
            pauses.set(pauses.get() + 1);
            if pauses.get() == whole_after {
                page.store(&words).unwrap();
            }
        })
    };
    assert_eq!((load(1), pauses.get()), (None, 0), "the store was closed");
    page.store(&[7; PAGE_WORDS]).unwrap();
    assert_eq!(load(0), None);
    assert!(pauses.get() > 3 && pauses.get() < 100, "{}", pauses.get());
    assert_eq!((load(3), pauses.get()), (Some(live), 3));
    assert_eq!((load(0), pauses.get()), (Some(live), 0));
}
