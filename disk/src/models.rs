//! What sleeps and what is read without a lock, played by loom in every interleaving; and each ordering in them
//! weakened, to show which of them the plays would miss.

use std::sync::Arc;

use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::threads::Ordering::Relaxed;
use crate::threads::weakened::unnoticed;
use crate::{Access, Bell, Disk, Gate, MemoryDisk, PAGE_FILE_BYTES, PAGE_WORDS, write_all_at};

/// Asserts that of the orderings in this file exactly those on these lines, as they stand there, go unnoticed.
fn assert_unnoticed(model: fn(), file: &str, source: &str, expected: &[&str]) {
    let found = unnoticed(model, file, source).expect("the model holds as it is");
    assert_eq!(found, expected);
}

#[test]
fn whoever_waits_at_a_gate_is_woken_and_sees_what_was_stored_before() {
    fn play() {
        let shared = Arc::new((Gate::new(), AtomicU32::new(0)));
        let raiser = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.0.raise(1);
                shared.1.store(7, Relaxed);
                shared.0.raise(2);
            })
        };
        assert!(shared.0.wait(2, None));
        assert_eq!(shared.1.load(Relaxed), 7);
        raiser.join().expect("it does not panic");
    }
    // The model puts the fence that the load stands for behind the change before it; who counts itself out need not
    // be seen in time.
    let expected = [
        "if self.level.fetch_max(level, SeqCst) < level && self.waiters.load(SeqCst) > 0 {",
        "self.waiters.fetch_sub(1, SeqCst);",
    ];
    assert_unnoticed(play, "gate.rs", include_str!("gate.rs"), &expected);
}

#[test]
fn whoever_waits_at_a_bell_hears_it() {
    fn play() {
        let shared = Arc::new((Bell::new(), AtomicU32::new(0)));
        let ringer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for number in 1..=2 {
                    shared.1.store(number, Relaxed);
                    shared.0.ring();
                }
            })
        };
        let seen = shared.0.wait(None, || (shared.1.load(Relaxed) == 2).then_some(()));
        assert!(seen.is_some());
        ringer.join().expect("it does not panic");
    }
    // Of the listener's fence and its count, which the model takes for a fence too, either will do; the ringer's fence
    // and the lock of the bed stand in for the others.
    let expected = [
        "fence(SeqCst);",
        "if self.listeners.load(SeqCst) > 0 {",
        "listeners.fetch_add(1, SeqCst);",
        "self.0.fetch_sub(1, SeqCst);",
        "self.rings.fetch_add(1, SeqCst);",
    ];
    assert_unnoticed(play, "bell.rs", include_str!("bell.rs"), &expected);
}

#[test]
fn a_page_is_read_as_one_store_left_it() {
    fn play() {
        let disk = MemoryDisk::new();
        let path = std::path::Path::new("/page");
        let file = disk.open(path, Access::Create).expect("nothing is there");
        write_all_at(&*file, &[1; PAGE_FILE_BYTES as usize], 0).expect("there is room");
        let page = disk.page(path, Access::Write).expect("it is large enough");
        let reader = disk.page(path, Access::Read).expect("it is large enough");
        let writer = thread::spawn(move || {
            for number in 1..=2 {
                page.store(&[number; PAGE_WORDS]).expect("it is stored in memory");
            }
        });
        if let Some(words) = reader.load() {
            assert_eq!(words, [words[0]; PAGE_WORDS]);
        }
        writer.join().expect("it does not panic");
    }
    assert_unnoticed(play, "page.rs", include_str!("page.rs"), &[]);
}
