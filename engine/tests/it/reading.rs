//! Reading a whole store, for tests that only count what is in it.

use quipu::Store;

/// Number of events that are served; fails if any is damaged.
pub(crate) fn count(store: &Store) -> u64 {
    let mut events = store.all().events().unwrap();
    let mut count = 0;
    while events.next().unwrap().is_some() {
        count += 1;
    }
    count
}

/// Number of events that are served, and of those that are reported as damaged.
pub(crate) fn served_and_lost(store: &Store) -> (u64, u64) {
    let mut events = store.all().events().unwrap();
    let (mut served, mut lost) = (0, 0);
    loop {
        match events.next() {
            Ok(Some(_)) => served += 1,
            Ok(None) => return (served, lost),
            Err(error) => {
                let positions = &error.damage().unwrap().positions;
                lost += positions.end.0 - positions.start.0;
            }
        }
    }
}
