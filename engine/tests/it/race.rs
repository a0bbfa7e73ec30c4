//! A data race that is put in, for ThreadSanitizer to find. Nothing else sees it on most machines.

use std::sync::Arc;

use quipu::plant::{Bug, put_in};
use quipu::{ExpectedVersion, NewEvent, Store};

#[test]
fn bytes_are_handed_to_the_committer_in_order() {
    // Only whoever looks for races asks for it: other tests of this process do without.
    if std::env::var_os("QUIPU_RACE").is_none() {
        return;
    }
    put_in(Some(Bug::SlotNotReleased));
    let store = Arc::new(Store::builder("s").in_memory().open().unwrap());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let stream = format!("writer-{writer}");
                for _ in 0..500 {
                    let event = NewEvent::new("Counted", vec![writer; 200]);
                    let ticket =
                        store.append_async(&stream, ExpectedVersion::Any, [event]).unwrap();
                    drop(ticket);
                }
            });
        }
    });
    put_in(None);
}
