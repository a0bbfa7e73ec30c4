//! What another process tells is a hint, and costs who believes none of it next to nothing.

use std::path::Path;
use std::sync::Arc;

use quipu::{ExpectedVersion, Mode, NewEvent, Position, Store};
use quipu_disk::{Access, Disk, MemoryDisk};
use quipu_format::{LIVE_BYTES, Live, Lsn};

use super::{alone, measured};

const PATH: &str = "s";

fn open(disk: &MemoryDisk, mode: Mode) -> Store {
    Store::builder(PATH).disk(Arc::new(disk.clone())).mode(mode).open().unwrap()
}

/// Has the page say something else, its checksum right.
fn forge(disk: &MemoryDisk, change: impl FnOnce(&mut Live)) {
    let page = disk.page(&Path::new(PATH).join("live"), Access::Write).unwrap();
    let mut bytes = [0; LIVE_BYTES];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(page.load().unwrap()) {
        *place = word.to_le_bytes();
    }
    let mut live = Live::decode(&bytes).unwrap();
    change(&mut live);
    let bytes = live.encode();
    let words = bytes.as_chunks().0;
    page.store(&std::array::from_fn(|word| u64::from_le_bytes(words[word]))).unwrap();
}

/// Bytes that a reader may hold at most to look at a store of one event, whatever its page tells.
const BYTES_MAX: usize = 1 << 20;

#[test]
fn a_far_position_costs_no_memory() {
    let _alone = alone();
    let disk = MemoryDisk::new();
    let writer = open(&disk, Mode::Create);
    let event = NewEvent::new("Noted", b"payload".as_slice());
    writer.append("a", ExpectedVersion::Any, [event]).unwrap();
    let following = open(&disk, Mode::ReadOnly);
    let changes: [fn(&mut Live); 3] = [
        |_| {},
        |live| live.next_position = Position(1 << 40),
        // As far as an offset goes, beyond the end of any file.
        |live| live.visible = Lsn(live.visible.0 | 0xffff_fff0),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        forge(&disk, change);
        let (_, peak) = measured(|| following.next_position());
        assert!(peak < BYTES_MAX, "change {number}: {peak} bytes of who follows");
        let (_, peak) = measured(|| open(&disk, Mode::ReadOnly).next_position());
        assert!(peak < BYTES_MAX, "change {number}: {peak} bytes of who comes");
    }
}
