//! A gate lets through who waits for the level reached, and loses nobody.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use quipu_disk::{Disk, Gate, RealDisk};

const ROUNDS: u32 = if cfg!(miri) { 20 } else { 20_000 };

#[test]
fn it_rises_and_never_falls() {
    let gate = Gate::new();
    assert_eq!(gate.level(), 0);
    gate.raise(5);
    gate.raise(3);
    assert_eq!(gate.level(), 5);
    assert!(gate.wait(0, None));
    assert!(gate.wait(5, Some(Duration::ZERO)));
    gate.raise(u32::MAX);
    assert!(gate.wait(u32::MAX, None));
}

#[test]
fn a_wait_ends_in_time() {
    let (gate, disk) = (Gate::new(), RealDisk::new());
    gate.raise(1);
    let start = disk.elapsed();
    assert!(!gate.wait(2, Some(Duration::from_millis(20))));
    assert!(disk.elapsed() - start >= Duration::from_millis(20));
    assert!(!gate.wait(2, Some(Duration::ZERO)));
}

#[test]
fn a_raise_that_is_not_enough_does_not_end_a_wait() {
    let gate = Gate::new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| gate.wait(1000, Some(Duration::from_secs(60))));
        for level in 1..1000 {
            gate.raise(level);
            assert!(!waiter.is_finished());
        }
        gate.raise(1000);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn one_raise_wakes_everybody() {
    let gate = Gate::new();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..32).map(|_| scope.spawn(|| gate.wait(1, None))).collect();
        thread::sleep(Duration::from_millis(20));
        gate.raise(1);
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
    });
}

#[test]
fn a_time_out_beyond_all_clocks_is_none() {
    let gate = Gate::new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| gate.wait(1, Some(Duration::MAX)));
        thread::sleep(Duration::from_millis(5));
        gate.raise(1);
        assert!(waiter.join().unwrap());
    });
}

/// Two threads hand a turn to and fro, so each sleeps and is woken again and again. A lost wake-up
/// shows as a wait that times out.
#[test]
fn no_wake_up_is_lost_between_two() {
    let (ping, pong) = (Gate::new(), Gate::new());
    let long = Some(Duration::from_secs(30));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                assert!(ping.wait(round, long), "round {round}");
                pong.raise(round);
            }
        });
        for round in 1..=ROUNDS {
            ping.raise(round);
            assert!(pong.wait(round, long), "round {round}");
        }
    });
}

/// Many waiters that want different levels, and several threads that raise.
#[test]
fn no_wake_up_is_lost_among_many() {
    let gate = Gate::new();
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for first in 1..=16 {
            let gate = &gate;
            scope.spawn(move || {
                for level in (first..=ROUNDS).step_by(7) {
                    assert!(gate.wait(level, Some(Duration::from_secs(30))), "level {level}");
                    assert!(gate.level() >= level);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while gate.level() < ROUNDS {
                    gate.raise(next.fetch_add(1, Ordering::Relaxed) + 1);
                    thread::yield_now();
                }
            });
        }
    });
}
