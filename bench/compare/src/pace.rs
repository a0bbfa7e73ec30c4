//! Appends at a fixed rate: each has a time at which it should begin, and its latency counts from there.
//!
//! So a stall counts for all who would have come while it lasted, and not for the one alone that was there. A loop that
//! begins the next append when the last one is done asks less of a store just when it is slow, and leaves out what
//! others would have waited (coordinated omission).

use std::time::{Duration, Instant};

use crate::failure::Result;

/// Tells the time since some moment, and waits.
pub(crate) trait Clock {
    fn now(&self) -> Duration;
    fn wait_until(&self, time: Duration);
}

/// The machine's clock.
pub(crate) struct RealClock(Instant);

impl RealClock {
    pub(crate) fn start() -> RealClock {
        RealClock(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait_until(&self, time: Duration) {
        std::thread::sleep(time.saturating_sub(self.now()));
    }
}

/// When the appends of one thread should begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) first: Duration,
    pub(crate) every: Duration,
    /// Nothing begins that should begin from here on.
    pub(crate) end: Duration,
}

impl Schedule {
    /// Of one of several threads, which share a rate and take turns.
    pub(crate) fn of_thread(rate: f64, thread: usize, threads: usize, end: Duration) -> Schedule {
        let every = Duration::from_secs_f64(threads as f64 / rate);
        Schedule { first: every.mul_f64(thread as f64 / threads as f64), every, end }
    }

    /// Carries out what should begin, each at its time or, if that has passed, at once. Tells how many.
    pub(crate) fn run(
        self,
        clock: &dyn Clock,
        mut act: impl FnMut() -> Result<()>,
        mut record: impl FnMut(Duration),
    ) -> Result<u64> {
        let mut intended = self.first;
        let mut count = 0;
        while intended < self.end {
            clock.wait_until(intended);
            act()?;
            record(clock.now().saturating_sub(intended));
            intended += self.every;
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct FakeClock(Cell<Duration>);

    impl Clock for FakeClock {
        fn now(&self) -> Duration {
            self.0.get()
        }

        fn wait_until(&self, time: Duration) {
            self.0.set(self.0.get().max(time));
        }
    }

    const MILLI: Duration = Duration::from_millis(1);

    fn latencies(schedule: Schedule, takes: impl Fn(usize) -> Duration) -> Vec<Duration> {
        let clock = FakeClock(Cell::new(Duration::ZERO));
        let mut latencies = Vec::new();
        let count = Cell::new(0);
        let act = || {
            clock.0.set(clock.now() + takes(count.get()));
            count.set(count.get() + 1);
            Ok(())
        };
        let done = schedule.run(&clock, act, |latency| latencies.push(latency)).unwrap();
        assert_eq!(done as usize, latencies.len());
        latencies
    }

    #[test]
    fn a_stall_counts_for_all_who_would_have_come() {
        let schedule = Schedule { first: MILLI, every: MILLI * 10, end: MILLI * 1_000 };
        let stalled = |append| if append == 20 { MILLI * 105 } else { MILLI };
        let latencies = latencies(schedule, stalled);
        assert_eq!(latencies.len(), 100);
        assert_eq!(latencies[19], MILLI);
        assert_eq!(latencies[20], MILLI * 105);
        // Those behind it come late by what is left of the stall, and catch up by 9 ms each.
        for late in 1..=11 {
            assert_eq!(
                latencies[20 + late as usize],
                MILLI * (106 - 10 * late + late - 1).max(1),
                "{late}"
            );
        }
        assert_eq!(latencies[32], MILLI);
    }

    #[test]
    fn a_store_that_is_too_slow_falls_behind_more_and_more() {
        let schedule = Schedule { first: Duration::ZERO, every: MILLI, end: MILLI * 10 };
        let latencies = latencies(schedule, |_| MILLI * 3);
        let expected: Vec<_> = (0..10).map(|append| MILLI * (3 + 2 * append)).collect();
        assert_eq!(latencies, expected);
    }

    #[test]
    fn threads_take_turns() {
        let end = Duration::from_secs(1);
        let schedules: Vec<_> =
            (0..4).map(|thread| Schedule::of_thread(100.0, thread, 4, end)).collect();
        for (schedule, thread) in schedules.iter().zip(0..) {
            assert_eq!(schedule.every, MILLI * 40);
            assert_eq!(schedule.first, MILLI * 10 * thread);
        }
    }
}
