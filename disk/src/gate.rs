//! A level that only rises, and threads that wait until it is high enough.

use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use crate::{Disk, RealDisk};

/// Looks at the level before a waiter goes to sleep: about a microsecond, less than the two system
/// calls of sleeping and waking, and short enough not to starve the thread that is waited for.
const SPINS: u32 = 64;

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

fn now() -> Duration {
    RealDisk::new().elapsed()
}

#[cfg(not(miri))]
use futex::Bed;

#[cfg(not(miri))]
mod futex {
    use super::{AtomicU32, Duration};
    use rustix::thread::futex::{self, Flags, Timespec};

    /// The kernel's queue for the address of the word.
    #[derive(Default)]
    pub(super) struct Bed;

    impl Bed {
        /// Sleeps unless the word has changed from `seen`. May return early for any reason, such as
        /// a signal: the caller looks again.
        pub(super) fn sleep(&self, word: &AtomicU32, seen: u32, left: Option<Duration>) {
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            // Changed, interrupted and timed out all mean the same: look again.
            let _ = futex::wait(word, Flags::PRIVATE, seen, left.as_ref());
        }

        pub(super) fn wake_all(&self, word: &AtomicU32) {
            // Waking cannot fail on an aligned word of this process.
            let _ = futex::wake(word, Flags::PRIVATE, i32::MAX.cast_unsigned());
        }
    }
}

#[cfg(miri)]
use condition::Bed;

/// The same with the means that Miri knows.
#[cfg(miri)]
mod condition {
    use super::{AtomicU32, Duration, SeqCst};
    use parking_lot::{Condvar, Mutex};

    #[derive(Default)]
    pub(super) struct Bed {
        door: Mutex<()>,
        bell: Condvar,
    }

    impl Bed {
        pub(super) fn sleep(&self, word: &AtomicU32, seen: u32, left: Option<Duration>) {
            let mut door = self.door.lock();
            if word.load(SeqCst) != seen {
                return;
            }
            match left {
                Some(left) => drop(self.bell.wait_for(&mut door, left)),
                None => self.bell.wait(&mut door),
            }
        }

        pub(super) fn wake_all(&self, _word: &AtomicU32) {
            // Whoever compared the word before it changed is asleep once the door is free.
            drop(self.door.lock());
            self.bell.notify_all();
        }
    }
}
