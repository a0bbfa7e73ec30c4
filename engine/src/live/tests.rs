//! What a follower holds on to.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use quipu_disk::{Disk, MemoryDisk};
use quipu_index::Active;

use crate::{ExpectedVersion, Mode, NewEvent, Options, Store};

fn open(disk: &Arc<dyn Disk>, mode: Mode) -> Store {
    let options = Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        mode,
        ..Options::default()
    };
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
