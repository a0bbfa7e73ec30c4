//! The locks of a model, with the interface of the ordinary ones: they are never poisoned, and a condition is waited for
//! through a borrowed guard.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

#[cfg(quipu_loom)]
use loom::{sync as model, thread::yield_now};
#[cfg(not(quipu_loom))]
use shuttle::{sync as model, thread::yield_now};

use super::{AtomicU32, Ordering::SeqCst};

/// Whether a time is longer than all else that happens.
fn is_long() -> bool {
    #[cfg(not(quipu_loom))]
    let is_long = shuttle::rand::Rng::r#gen(&mut shuttle::rand::thread_rng());
    #[cfg(quipu_loom)]
    let is_long = true;
    is_long
}

/// A panic of whoever held a lock takes nothing from the others.
fn unpoisoned<T>(result: LockResult<T>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// As `parking_lot::Mutex`.
#[derive(Default)]
pub struct Mutex<T>(model::Mutex<T>);

/// As `parking_lot::MutexGuard`.
pub struct MutexGuard<'m, T> {
    mutex: &'m model::Mutex<T>,
    /// Away only while a condition is waited for.
    guard: Option<model::MutexGuard<'m, T>>,
}

/// As `parking_lot::RwLock`.
#[derive(Default)]
pub struct RwLock<T>(model::RwLock<T>);

/// As `parking_lot::Condvar`. A model knows no time: the time of a wait is up at once, or never, as the schedule has it.
/// So whoever relies on it where it should have been told is found waiting for ever.
#[derive(Default)]
pub struct Condvar {
    condition: model::Condvar,
    /// How often it has rung.
    rings: AtomicU32,
}

/// As `parking_lot::WaitTimeoutResult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    timed_out: bool,
}

impl<T> Mutex<T> {
    /// An unlocked one.
    #[must_use]
    pub fn new(value: T) -> Mutex<T> {
        Mutex(model::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: &self.0, guard: Some(unpoisoned(self.0.lock())) }
    }
}

impl<T> RwLock<T> {
    /// An unlocked one.
    #[must_use]
    pub fn new(value: T) -> RwLock<T> {
        RwLock(model::RwLock::new(value))
    }

    /// Waits until nobody writes.
    pub fn read(&self) -> model::RwLockReadGuard<'_, T> {
        unpoisoned(self.0.read())
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> model::RwLockWriteGuard<'_, T> {
        unpoisoned(self.0.write())
    }
}

const HELD: &str = "a guard is whole except inside of a wait, which borrows it";

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect(HELD)
    }
}

impl Condvar {
    /// One at which nobody waits.
    #[must_use]
    pub fn new() -> Condvar {
        Condvar::default()
    }

    /// Lets go of the lock, sleeps until it is rung for, and takes the lock again.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let inner = guard.guard.take().expect(HELD);
        guard.guard = Some(unpoisoned(self.condition.wait(inner)));
    }

    /// As [`Condvar::wait`], or lets go of the lock for a moment only.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _most: Duration) -> Waited {
        if is_long() {
            self.wait(guard);
            return Waited { timed_out: false };
        }
        let before = self.rings.load(SeqCst);
        drop(guard.guard.take());
        yield_now();
        guard.guard = Some(unpoisoned(guard.mutex.lock()));
        Waited { timed_out: self.rings.load(SeqCst) == before }
    }

    /// Whoever waits is told.
    pub fn notify_one(&self) {
        self.rings.fetch_add(1, SeqCst);
        self.condition.notify_one();
    }

    /// All who wait are told.
    pub fn notify_all(&self) {
        self.rings.fetch_add(1, SeqCst);
        self.condition.notify_all();
    }
}

impl Waited {
    /// Whether the time was up first.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RwLock")
    }
}
