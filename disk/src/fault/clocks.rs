//! The clocks of a simulated machine.

use std::time::Duration;

use crate::threads::{AtomicU64, Ordering};

/// What the wall clock shows first: 2025-01-01T00:00:00Z, in microseconds.
const START_US: u64 = 1_735_689_600_000_000;

/// One clock that people set, and one that only goes forward. Each goes on by a microsecond with every look at it.
pub(super) struct Clocks {
    /// Microseconds since 1970.
    wall: AtomicU64,
    /// Microseconds since the machine was made.
    passed: AtomicU64,
}

impl Clocks {
    pub(super) fn new() -> Clocks {
        Clocks { wall: AtomicU64::new(START_US), passed: AtomicU64::new(0) }
    }

    /// Those of another machine, which show the same.
    pub(super) fn copy(&self) -> Clocks {
        let same = |clock: &AtomicU64| AtomicU64::new(clock.load(Ordering::Relaxed));
        Clocks { wall: same(&self.wall), passed: same(&self.passed) }
    }

    /// Microseconds since 1970, as far as anybody knows.
    pub(super) fn now(&self) -> u64 {
        self.wall.fetch_add(1, Ordering::Relaxed)
    }

    /// Time that has passed.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_micros(self.passed.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets time pass.
    pub(super) fn advance(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.wall.fetch_add(us, Ordering::Relaxed);
        self.passed.fetch_add(us, Ordering::Relaxed);
    }

    /// Sets the wall clock.
    pub(super) fn set(&self, by_us: i64) {
        self.wall.fetch_add(by_us.cast_unsigned(), Ordering::Relaxed);
    }
}
