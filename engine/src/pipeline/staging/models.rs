//! Slots that are filled while a buffer is closed, played by loom in every interleaving.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;
#[cfg(quipu_plant)]
use quipu_disk::threads::weakened::play;
use quipu_disk::threads::weakened::unnoticed;
use quipu_disk::threads::yield_now;

use super::{ClosedBuffer, Contents, OpenBuffer, Slot};

/// Stands for the bytes of a slot, which loom does not see: it complains of whoever reads what was not yet handed over.
type Bytes = Arc<UnsafeCell<u8>>;

fn fill(slot: Slot, bytes: &Bytes, value: u8) {
    slot.fill(|own| {
        own.fill(value);
        bytes.with_mut(|_| ());
    });
}

/// Waits until all slots are filled, and reads them.
fn read(mut closed: ClosedBuffer, all: &[Bytes; 2], expected: [u8; 2]) -> OpenBuffer {
    loop {
        match closed.contents(0) {
            Contents::Ready(bytes) => {
                all.iter().for_each(|bytes| bytes.with(|_| ()));
                assert_eq!(bytes, expected);
                break;
            }
            Contents::Filling => yield_now(),
            Contents::Abandoned => unreachable!("both slots are filled"),
        }
    }
    closed.reopen().expect("nobody holds a slot")
}

/// Two writers fill a buffer twice, and each time the committer reads it.
fn fill_twice() {
    let all: [Bytes; 2] = Default::default();
    let mut open = OpenBuffer::new(2);
    for round in [1, 3] {
        let slots = [open.reserve(1), open.reserve(1)];
        let writers = slots.into_iter().flatten().zip(&all).zip([round, round + 1]);
        let writers: Vec<_> = writers
            .map(|((slot, bytes), value)| {
                let bytes = Arc::clone(bytes);
                thread::spawn(move || fill(slot, &bytes, value))
            })
            .collect();
        open = read(open.close(), &all, [round, round + 1]);
        writers.into_iter().for_each(|writer| writer.join().expect("it does not panic"));
    }
}

#[test]
fn what_is_read_of_a_closed_buffer_was_filled_before() {
    let unnoticed = unnoticed(fill_twice, "staging.rs", include_str!("../staging.rs"));
    assert_eq!(unnoticed, Ok(Vec::new()));
}

/// The bug is that of the process, so nothing else may be played meanwhile: `.ci/threads` plays one after the other.
#[cfg(quipu_plant)]
#[test]
fn a_slot_that_is_given_back_without_an_order_is_found() {
    use crate::plant::{Bug, put_in};
    put_in(Some(Bug::SlotNotReleased));
    let played = play(fill_twice, None);
    put_in(None);
    let words = played.map(|(_, plays)| plays).expect_err("the bug is found");
    let words = words.lines().next().unwrap_or_default();
    println!("{}: caught by loom: {words}", Bug::SlotNotReleased.name());
}

#[test]
fn a_slot_that_is_let_go_of_is_seen_by_the_committer() {
    fn play() {
        let mut open = OpenBuffer::new(2);
        let slots = [open.reserve(1), open.reserve(1)];
        let mut closed = open.close();
        let writer = thread::spawn(move || drop(slots));
        while let Contents::Filling = closed.contents(0) {
            yield_now();
        }
        assert!(matches!(closed.contents(0), Contents::Abandoned));
        writer.join().expect("it does not panic");
    }
    let unnoticed = unnoticed(play, "staging.rs", include_str!("../staging.rs"));
    assert_eq!(unnoticed, Ok(Vec::new()));
}
