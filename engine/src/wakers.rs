//! Tasks that wait, of any runtime.

use std::task::Waker;

use crate::panics::{caught, undisturbed};
use crate::plant::{self, Bug};

/// Wakes all of them. A waker is code of somebody else: what it does to itself must not keep the others
/// waiting.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers.into_iter().skip(usize::from(plant::is_in(Bug::FirstTaskNotWoken))) {
        if let Err(panic) = caught(|| waker.wake()) {
            undisturbed(|| tracing::error!(%panic, "a task's waker panicked"));
        }
    }
}
