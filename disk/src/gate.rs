//! A level that only rises, and threads that wait until it is high enough.

use std::fmt;
use std::time::Duration;

use crate::bed::{Bed, now};
use crate::threads::{AtomicU32, Ordering::SeqCst, SPINS, spin_loop};

/// A level that only rises, and any number of threads that wait for it.
///
/// One call of the operating system wakes all of them, which is what makes group commit scale: a
/// condition variable hands the same lock from waiter to waiter. Raising a gate at which nobody
/// waits makes no system call.
///
/// # Why no wake-up is lost
/// A waiter first counts itself and then reads the level. Whoever raises first stores the level and
/// then reads the count. All four are sequentially consistent, so at least one side sees the other:
/// either the waiter reads the new level and stays awake, or the raiser reads a count above zero and
/// wakes. In the second case the waiter hands the old level to the kernel, which compares it with
/// the word under the lock of its queue: the word is new already, then the call returns at once, or
/// the waiter is in the queue before the wake-up goes through it.
///
/// A count and not a flag that the raiser clears: a waiter that sets the flag just before the
/// raiser clears it, reads the new level, wants a higher one, and falls asleep just after the
/// wake-up, would sleep with the flag down, and the next raise would pass it by.
///
/// # Examples
/// ```
/// use quipu_disk::Gate;
/// use std::time::Duration;
///
/// let gate = Gate::new();
/// std::thread::scope(|scope| {
///     let waiter = scope.spawn(|| gate.wait(2, None));
///     gate.raise(1);
///     gate.raise(2);
///     assert!(waiter.join().expect("the waiter does not panic"));
/// });
/// assert!(!gate.wait(3, Some(Duration::from_millis(1))));
/// ```
#[derive(Default)]
pub struct Gate {
    /// What has been reached; the word that waiters sleep on. Never falls.
    level: AtomicU32,
    /// Threads between counting themselves in and out of [`Gate::wait`]. Zero means that a raise
    /// need not wake anybody.
    waiters: AtomicU32,
    /// Where they sleep.
    bed: Bed,
}

impl Gate {
    /// A gate at level 0.
    #[must_use]
    pub fn new() -> Gate {
        Gate::default()
    }

    /// The level reached. What was stored before [`raise`](Gate::raise) is seen after this.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.level.load(SeqCst)
    }

    /// Raises the level and wakes everybody who waits. A level not above the present one changes
    /// nothing and wakes nobody.
    pub fn raise(&self, level: u32) {
        if self.level.fetch_max(level, SeqCst) < level && self.waiters.load(SeqCst) > 0 {
            self.bed.wake_all(&self.level);
        }
    }

    /// Waits until the level is at least `level`; without a `timeout`, for ever.
    /// `false` if the time was up first.
    #[must_use]
    pub fn wait(&self, level: u32, timeout: Option<Duration>) -> bool {
        for _ in 0..SPINS {
            if self.level() >= level {
                return true;
            }
            spin_loop();
        }
        // A time-out beyond what the clock can count is none.
        let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
        self.waiters.fetch_add(1, SeqCst);
        let reached = self.sleep_until(level, deadline);
        self.waiters.fetch_sub(1, SeqCst);
        reached
    }

    fn sleep_until(&self, level: u32, deadline: Option<Duration>) -> bool {
        loop {
            let seen = self.level();
            if seen >= level {
                return true;
            }
            let left = deadline.map(|deadline| deadline.saturating_sub(now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            self.bed.sleep(&self.level, seen, left);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("level", &self.level()).finish_non_exhaustive()
    }
}
