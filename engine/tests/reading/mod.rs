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
