//! What stays open of a store that is written and not read.

use std::sync::Arc;

use quipu_disk::{Disk, MemoryDisk};

use super::*;
use crate::options::tests::small;
use crate::{ExpectedVersion, NewEvent, Options, Store};

#[test]
fn the_indexes_of_segments_that_nobody_reads_are_let_go() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let options = Options { read_mode: ReadMode::Pread, ..small() };
    let store = Store::builder("s").disk(disk).options(options).open().unwrap();
    for _ in 0..600 {
        let event = NewEvent::new("T", vec![7; 3000]);
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
    }
    let table = store.segments().view().table;
    let is_open = |segment: &&Arc<Segment>| segment.known_parts().is_some();
    let (open, all) = (table.segments.iter().filter(is_open).count(), table.segments.len());
    // Those that were rolled lately are not sealed yet.
    assert!(all > 2 * KEPT_READ_MAX && open <= KEPT_READ_MAX + 8, "{open} of {all} are open");
}
