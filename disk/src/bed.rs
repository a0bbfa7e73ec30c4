//! Where threads sleep until a word in memory changes.

use std::time::Duration;

use crate::threads::AtomicU32;
use crate::{Disk, RealDisk};

/// The clock by which sleepers are woken.
pub(crate) fn now() -> Duration {
    RealDisk::new().elapsed()
}

#[cfg(not(any(miri, quipu_shuttle, quipu_loom)))]
pub(crate) use futex::Bed;

#[cfg(not(any(miri, quipu_shuttle, quipu_loom)))]
mod futex {
    use super::{AtomicU32, Duration};
    use rustix::thread::futex::{self, Flags, Timespec};

    /// The kernel's queue for the address of the word.
    #[derive(Default)]
    pub(crate) struct Bed;

    impl Bed {
        /// Sleeps unless the word has changed from `seen`. May return early for any reason, such as
        /// a signal: the caller looks again.
        pub(crate) fn sleep(&self, word: &AtomicU32, seen: u32, left: Option<Duration>) {
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            // Changed, interrupted and timed out all mean the same: look again.
            let _ = futex::wait(word, Flags::PRIVATE, seen, left.as_ref());
        }

        pub(crate) fn wake_all(&self, word: &AtomicU32) {
            // Waking cannot fail on an aligned word of this process.
            let _ = futex::wake(word, Flags::PRIVATE, i32::MAX.cast_unsigned());
        }
    }
}

#[cfg(any(miri, quipu_shuttle, quipu_loom))]
pub(crate) use condition::Bed;

/// The same with the means that Miri and the models know.
#[cfg(any(miri, quipu_shuttle, quipu_loom))]
mod condition {
    use super::{AtomicU32, Duration};
    use crate::threads::{Condvar, Mutex, Ordering::SeqCst};

    #[derive(Default)]
    pub(crate) struct Bed {
        door: Mutex<()>,
        bell: Condvar,
    }

    impl Bed {
        pub(crate) fn sleep(&self, word: &AtomicU32, seen: u32, left: Option<Duration>) {
            let mut door = self.door.lock();
            if word.load(SeqCst) != seen {
                return;
            }
            match left {
                Some(left) => {
                    self.bell.wait_for(&mut door, left);
                }
                None => self.bell.wait(&mut door),
            }
        }

        pub(crate) fn wake_all(&self, _word: &AtomicU32) {
            // Whoever compared the word before it changed is asleep once the door is free.
            drop(self.door.lock());
            self.bell.notify_all();
        }
    }
}
