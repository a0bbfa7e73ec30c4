//! Tasks that wait, of any runtime.

use std::panic::AssertUnwindSafe;
use std::task::Waker;

/// Wakes all of them. A waker is code of somebody else: what it does to itself must not keep the others
/// waiting.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        let woken = std::panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
        if woken.is_err() {
            tracing::error!("a task's waker panicked");
        }
    }
}
