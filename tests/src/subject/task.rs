//! A task that waits for the store under test: it notes whether it was woken, and does nothing by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// What is left of a task: whether it may sleep.
#[derive(Default)]
pub(super) struct Task {
    alarm: Arc<Alarm>,
    is_pending: bool,
}

#[derive(Default)]
struct Alarm(AtomicBool);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    /// Asks once. Whoever has nothing to say yet must wake the task before it has.
    pub(super) fn poll<T>(&mut self, ask: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.alarm.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.alarm));
        let told = ask(&mut Context::from_waker(&waker));
        self.is_pending = told.is_pending();
        told
    }

    /// Whether it was told to wait, and has not been woken since.
    pub(super) fn sleeps(&self) -> bool {
        self.is_pending && !self.alarm.0.load(Ordering::Relaxed)
    }

    /// Whether it was told to wait, and has been woken since.
    pub(super) fn is_woken(&self) -> bool {
        self.is_pending && self.alarm.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_sleeps_from_when_it_is_told_to_wait_until_it_is_woken() {
        let mut task = Task::default();
        assert!(!task.sleeps());
        let mut waker = None;
        let told: Poll<()> = task.poll(|context| {
            waker = Some(context.waker().clone());
            Poll::Pending
        });
        assert!(told.is_pending() && task.sleeps() && !task.is_woken());
        waker.unwrap().wake();
        assert!(!task.sleeps() && task.is_woken());
        assert_eq!(task.poll(|_| Poll::Ready(1)), Poll::Ready(1));
        assert!(!task.sleeps() && !task.is_woken());
        let again: Poll<()> = task.poll(|context| {
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert!(again.is_pending() && !task.sleeps(), "woken before it slept");
    }
}
