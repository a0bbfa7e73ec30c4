//! The pipeline, locked by one thread.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::Log;
use crate::Error;
use crate::panics::undisturbed;
use crate::pipeline::{Pipeline, Wakes};
use quipu_disk::threads::{Condvar, MutexGuard, panicking};

/// The pipeline, locked. A panic of whoever holds it may leave it half way through a change, so it is poisoned
/// before anybody else can use it, and then all who wait are told.
pub(crate) struct Locked<'l> {
    /// Let go before the witness, which tells.
    pipeline: MutexGuard<'l, Pipeline>,
    witness: Witness<'l>,
}

/// Sees to it that those who wait are told of a panic, once the lock is gone.
struct Witness<'l> {
    log: &'l Log,
    /// The thread was panicking before it took the lock: what it does here, as a store that is dropped then is
    /// closed, has nothing to do with that.
    was_panicking: bool,
    wakes: Wakes,
}

impl Log {
    pub(crate) fn pipeline(&self) -> Locked<'_> {
        let was_panicking = panicking();
        let witness = Witness { log: self, was_panicking, wakes: Wakes::new() };
        Locked { pipeline: self.pipeline.lock(), witness }
    }
}

impl Locked<'_> {
    /// Waits, without the lock, until this is rung.
    pub(super) fn wait(&mut self, bell: &Condvar) {
        bell.wait(&mut self.pipeline);
    }

    /// As [`Locked::wait`], for so long at most. True if the time was up.
    pub(super) fn wait_for(&mut self, bell: &Condvar, most: Duration) -> bool {
        bell.wait_for(&mut self.pipeline, most).timed_out()
    }
}

impl Witness<'_> {
    fn saw_a_panic(&self) -> bool {
        !self.was_panicking && panicking()
    }
}

impl Deref for Locked<'_> {
    type Target = Pipeline;

    fn deref(&self) -> &Pipeline {
        &self.pipeline
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if self.witness.saw_a_panic() {
            let error = Error::panicked("the log was being changed", "see its own message");
            undisturbed(|| self.witness.wakes = self.pipeline.fail(error));
        }
    }
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if self.saw_a_panic() {
            let wakes = mem::take(&mut self.wakes);
            undisturbed(|| self.log.announce(&wakes));
        }
    }
}
