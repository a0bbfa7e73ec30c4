//! Readers beside writers: what they see grows, is dense, and is all that was promised.

use std::sync::Arc;

use quipu::Store;
use quipu_disk::FaultDisk;
use shuttle::thread::spawn;

use super::stage::{alone, any_durability, append, join, open, read_all, writers};

const WRITERS: usize = 2;
const COMMITS: u64 = 3;

fn write(store: &Store, writer: usize) {
    for number in 0..COMMITS {
        let position = append(store, writer, number).expect("nothing fails in this scene");
        assert!(read_all(store) > position, "acknowledged and not to be read");
    }
}

fn read(store: &Store) {
    let mut seen = 0;
    while seen < WRITERS as u64 * COMMITS {
        let promised = store.next_position().0;
        assert!(promised >= seen, "the watermark went back");
        let read = read_all(store);
        assert!(read >= promised, "{promised} events are said to be visible, {read} are read");
        assert!(read >= seen, "what was read before is gone");
        seen = read;
        if promised < WRITERS as u64 * COMMITS {
            shuttle::thread::yield_now();
        }
    }
}

/// Two writers, two readers.
pub(super) fn play() {
    let store = Arc::new(open(&FaultDisk::new(4), any_durability()));
    let mut threads = writers(&store, WRITERS, write);
    threads.extend((0..2).map(|_| {
        let store = Arc::clone(&store);
        spawn(move || read(&store))
    }));
    join(threads);
    alone(store).close().expect("nothing fails in this scene");
}
