//! A bell wakes whoever waits for what has happened, and loses nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use quipu_disk::{Bell, Disk, RealDisk};

const ROUNDS: u64 = if cfg!(miri) { 20 } else { 20_000 };
const LONG: Option<Duration> = Some(Duration::from_secs(30));

/// Waits until a number is at least `wanted`.
fn reaches(bell: &Bell, number: &AtomicU64, wanted: u64, timeout: Option<Duration>) -> bool {
    bell.wait(timeout, || (number.load(Ordering::Acquire) >= wanted).then_some(())).is_some()
}

#[test]
fn it_looks_at_least_once() {
    let bell = Bell::new();
    assert_eq!(bell.wait(Some(Duration::ZERO), || Some(7)), Some(7));
    assert_eq!(bell.wait(Some(Duration::ZERO), || None::<u8>), None);
}

#[test]
fn a_wait_ends_in_time_however_often_it_rings() {
    let (bell, disk, number) = (Bell::new(), RealDisk::new(), AtomicU64::new(0));
    let start = disk.elapsed();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| reaches(&bell, &number, 1, Some(Duration::from_millis(50))));
        while !waiter.is_finished() {
            bell.ring();
            thread::yield_now();
        }
        assert!(!waiter.join().unwrap());
    });
    assert!(disk.elapsed() - start >= Duration::from_millis(50));
}

#[test]
fn one_ring_wakes_everybody() {
    let (bell, number) = (Bell::new(), AtomicU64::new(0));
    thread::scope(|scope| {
        let waiters: Vec<_> =
            (0..32).map(|_| scope.spawn(|| reaches(&bell, &number, 1, None))).collect();
        thread::sleep(Duration::from_millis(20));
        number.store(1, Ordering::Release);
        bell.ring();
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
    });
}

#[test]
fn a_time_out_beyond_all_clocks_is_none() {
    let (bell, number) = (Bell::new(), AtomicU64::new(0));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| reaches(&bell, &number, 1, Some(Duration::MAX)));
        thread::sleep(Duration::from_millis(5));
        number.store(1, Ordering::Release);
        bell.ring();
        assert!(waiter.join().unwrap());
    });
}

/// Two threads hand a turn to and fro, so each sleeps and is woken again and again. A lost wake-up shows as
/// a wait that times out.
#[test]
fn no_ring_is_lost_between_two() {
    let (bell, turn) = (Bell::new(), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in (1..ROUNDS).step_by(2) {
                assert!(reaches(&bell, &turn, round, LONG), "round {round}");
                turn.store(round + 1, Ordering::Release);
                bell.ring();
            }
        });
        for round in (0..ROUNDS).step_by(2) {
            assert!(reaches(&bell, &turn, round, LONG), "round {round}");
            turn.store(round + 1, Ordering::Release);
            bell.ring();
        }
    });
}

/// Many who wait for different things, and several threads that ring.
#[test]
fn no_ring_is_lost_among_many() {
    let (bell, number) = (Bell::new(), AtomicU64::new(0));
    thread::scope(|scope| {
        for first in 1..=16 {
            let (bell, number) = (&bell, &number);
            scope.spawn(move || {
                for wanted in (first..=ROUNDS).step_by(7) {
                    assert!(reaches(bell, number, wanted, LONG), "number {wanted}");
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while number.fetch_add(1, Ordering::AcqRel) < ROUNDS {
                    bell.ring();
                    thread::yield_now();
                }
                bell.ring();
            });
        }
    });
}
