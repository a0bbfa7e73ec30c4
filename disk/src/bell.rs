//! A bell that says that something has changed, and threads that look again whenever it rings.

use std::fmt;
use std::time::Duration;

use crate::bed::{Bed, now};
use crate::threads::{AtomicU32, Ordering::SeqCst, SPINS, fence, spin_loop};

/// Any number of threads that wait for something to happen, each for something of its own.
///
/// One call of the operating system wakes all of them; each then looks whether what it waits for is there.
/// Ringing a bell that nobody listens to makes no system call.
///
/// # Why no ring is lost
/// A listener counts itself in, then reads how often the bell has rung, then looks, and then sleeps unless
/// it has rung since. Whoever rings first changes what is looked at, and then reads the count of listeners.
/// A fence on each side stands between the two: either the look sees the change, or the ringer sees the
/// listener and rings. A ring that comes after the listener read the number of rings changes the word that
/// the kernel compares under the lock of its queue, so the listener stays awake or is woken. A ring that
/// came before is seen together with the change that it was rung for.
///
/// # Why the number of rings may wrap
/// It counts only the rings that somebody listened to, each of them a system call. A listener would be
/// mistaken only if an exact multiple of 2^32 of them fell between its look and its falling asleep, which
/// is a few instructions on its side and more than an hour on the other; and even then the next ring wakes
/// it. Nothing is computed from the number, and nothing comes to an end where it wraps.
///
/// # Examples
/// ```
/// use quipu_disk::Bell;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// let (bell, events) = (Bell::new(), AtomicU64::new(0));
/// std::thread::scope(|scope| {
///     let waiter = scope.spawn(|| {
///         bell.wait(None, || Some(events.load(Ordering::Acquire)).filter(|&events| events > 0))
///     });
///     events.store(3, Ordering::Release);
///     bell.ring();
///     assert_eq!(waiter.join().expect("the waiter does not panic"), Some(3));
/// });
/// ```
#[derive(Default)]
pub struct Bell {
    /// How often it has rung for somebody; the word that listeners sleep on.
    rings: AtomicU32,
    /// Threads between counting themselves in and out of [`Bell::wait`]. Zero means that a ring need not
    /// wake anybody.
    listeners: AtomicU32,
    /// Where they sleep.
    bed: Bed,
}

impl Bell {
    /// A bell that nobody has rung.
    #[must_use]
    pub fn new() -> Bell {
        Bell::default()
    }

    /// Has everybody who waits look again. What was stored before is seen by their look.
    pub fn ring(&self) {
        fence(SeqCst);
        if self.listeners.load(SeqCst) > 0 {
            self.rings.fetch_add(1, SeqCst);
            self.bed.wake_all(&self.rings);
        }
    }

    /// Looks, and again at each ring, until there is something to return; without a `timeout`, for ever.
    /// `None` if the time was up first. Looks at least once, and may look without a ring.
    pub fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        for _ in 0..SPINS {
            if let Some(seen) = look() {
                return Some(seen);
            }
            if timeout == Some(Duration::ZERO) {
                return None;
            }
            spin_loop();
        }
        // A time-out beyond what the clock can count is none.
        let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
        let _listening = Listening::new(&self.listeners);
        loop {
            let rings = self.rings.load(SeqCst);
            if let Some(seen) = look() {
                return Some(seen);
            }
            let left = deadline.map(|deadline| deadline.saturating_sub(now()));
            if left == Some(Duration::ZERO) {
                return None;
            }
            self.bed.sleep(&self.rings, rings, left);
        }
    }
}

/// A thread that is counted in as long as this lives, also when its look panics.
struct Listening<'b>(&'b AtomicU32);

impl Listening<'_> {
    fn new(listeners: &AtomicU32) -> Listening<'_> {
        listeners.fetch_add(1, SeqCst);
        fence(SeqCst);
        Listening(listeners)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("rings", &self.rings).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Bell {
    /// A bell that is about to have rung as often as can be counted.
    fn worn_out() -> Bell {
        Bell { rings: AtomicU32::new(u32::MAX - 2), ..Bell::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn it_rings_on_when_the_number_of_rings_wraps() {
        let (bell, turn) = (Bell::worn_out(), AtomicU64::new(0));
        let reaches = |wanted: u64| {
            let reached = || (turn.load(SeqCst) >= wanted).then_some(());
            bell.wait(Some(Duration::from_secs(60)), reached)
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in (1..1000).step_by(2) {
                    assert!(reaches(round).is_some(), "round {round}");
                    turn.store(round + 1, SeqCst);
                    bell.ring();
                }
            });
            for round in (0..1000).step_by(2) {
                assert!(reaches(round).is_some(), "round {round}");
                turn.store(round + 1, SeqCst);
                bell.ring();
            }
        });
        assert_eq!(bell.listeners.load(SeqCst), 0);
    }

    #[test]
    fn who_panics_while_looking_listens_no_more() {
        let bell = Bell::new();
        let mut looks = 0;
        let looking = std::panic::AssertUnwindSafe(|| {
            bell.wait(None, || -> Option<()> {
                looks += 1;
                assert!(looks <= SPINS, "as planned");
                None
            })
        });
        assert!(std::panic::catch_unwind(looking).is_err());
        assert_eq!(bell.listeners.load(SeqCst), 0);
    }
}
