//! The commits that one write and one sync make durable together, as seen by those who wait.

use std::collections::BTreeSet;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quipu_disk::Gate;
use quipu_disk::threads::Mutex;

use crate::outline::Posted;
use crate::plant::{self, Bug};
use crate::wakers::wake_all;
use crate::{Durability, Error, Result};

/// Levels of a group's gate: each includes the ones before it.
const WRITTEN: u32 = 1;
const DURABLE: u32 = 2;
const FAILED: u32 = 3;

/// How far a group has come.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// The operating system has it.
    Written,
    /// The disk has it.
    Durable,
    /// It will come no further.
    Failed(Error),
}

/// What all who wait for one group share.
#[derive(Default)]
pub(crate) struct Group {
    gate: Gate,
    /// Set before the gate is raised to `FAILED`.
    failure: OnceLock<Error>,
    /// Tasks to be woken at the next step.
    tasks: Mutex<Tasks>,
    /// Its commits, from when they are written until those who follow them are told.
    posts: Mutex<Vec<Arc<Posted>>>,
}

/// Tasks that wait, each once, in the order in which they came.
#[derive(Default)]
struct Tasks {
    wakers: Vec<Waker>,
    /// What tells them apart. There may be thousands: comparing each with all others would take long.
    known: BTreeSet<(usize, usize)>,
}

impl Tasks {
    /// Adds a task, unless it is there. Gives its waker back then: what dropping it does is no business of a lock.
    fn add(&mut self, waker: Waker) -> Option<Waker> {
        // As `Waker::will_wake` tells them apart.
        let name = (waker.data().addr(), ptr::from_ref(waker.vtable()).addr());
        if !self.known.insert(name) {
            return Some(waker);
        }
        self.wakers.push(waker);
        None
    }
}

impl Group {
    pub(crate) fn new() -> Arc<Group> {
        Arc::new(Group::default())
    }

    /// Lets all who wait in a thread go on. Called without any lock held.
    pub(crate) fn advance(&self, progress: &Progress) {
        let level = match progress {
            Progress::Written => WRITTEN,
            Progress::Durable => DURABLE,
            Progress::Failed(error) => {
                // Only the first failure counts: it is the one that happened.
                let _ = self.failure.set(error.clone());
                // Nobody is told of them any more, and a ticket may be kept for long.
                drop(self.take_posts());
                FAILED
            }
        };
        self.gate.raise(level);
    }

    /// Keeps the commits for those who follow them.
    pub(crate) fn keep(&self, posts: Vec<Arc<Posted>>) {
        *self.posts.lock() = posts;
    }

    /// The commits that were kept.
    pub(crate) fn take_posts(&self) -> Vec<Arc<Posted>> {
        std::mem::take(&mut *self.posts.lock())
    }

    /// Wakes all tasks that wait.
    pub(crate) fn wake(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        wake_all(tasks.wakers);
    }

    /// Whether the group has come as far as this durability asks; the error if it failed.
    pub(crate) fn reached(&self, durability: Durability) -> Option<Result<()>> {
        let level = self.gate.level();
        if level >= FAILED {
            return Some(Err(self.failed()));
        }
        (level >= wanted(durability)).then_some(Ok(()))
    }

    /// Waits until the group has come as far as this durability asks.
    pub(crate) fn wait(&self, durability: Durability) -> Result<()> {
        loop {
            if let Some(result) = self.reached(durability) {
                return result;
            }
            let _reached = self.gate.wait(wanted(durability), None);
        }
    }

    /// The same, for so long at most.
    pub(crate) fn wait_for(&self, durability: Durability, most: Duration) {
        let _reached = self.gate.wait(wanted(durability), Some(most));
    }

    /// As [`Group::reached`], and wakes the task once it has.
    pub(crate) fn poll(
        &self,
        durability: Durability,
        context: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        if let Some(result) = self.reached(durability) {
            return Poll::Ready(result);
        }
        // Outside the lock: a waker is code of somebody else.
        let waker = context.waker().clone();
        let known = self.tasks.lock().add(waker);
        drop(known);
        if plant::is_in(Bug::TicketNotAskedAgain) {
            return Poll::Pending;
        }
        // The group may have advanced between the question and the registration.
        match self.reached(durability) {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }

    fn failed(&self) -> Error {
        match self.failure.get() {
            Some(error) => error.clone(),
            None => Error::new(crate::ErrorKind::Unknown, "the group failed"),
        }
    }
}

fn wanted(durability: Durability) -> u32 {
    match durability {
        Durability::Os => WRITTEN,
        Durability::Sync => DURABLE,
    }
}

#[cfg(test)]
mod tests {
    use quipu_format::{ByteOffset, Position, Timestamp};

    use super::*;

    #[test]
    fn each_durability_waits_for_its_own_step() {
        let group = Group::new();
        assert!(group.reached(Durability::Os).is_none());
        group.advance(&Progress::Written);
        assert!(group.reached(Durability::Os).unwrap().is_ok());
        assert!(group.reached(Durability::Sync).is_none());
        group.advance(&Progress::Durable);
        assert!(group.reached(Durability::Sync).unwrap().is_ok());
    }

    #[test]
    fn what_failed_is_not_kept_for_followers() {
        let group = Group::new();
        let posted = Posted {
            outline: Arc::default(),
            offset: ByteOffset(0),
            first_position: Position(0),
            time: Timestamp(0),
            first_versions: Vec::new(),
            born: Vec::new(),
        };
        group.keep(vec![Arc::new(posted)]);
        group.advance(&Progress::Written);
        assert_eq!(group.posts.lock().len(), 1, "it may become durable");
        let failure = Error::new(crate::ErrorKind::Unknown, "sync failed");
        group.advance(&Progress::Failed(failure));
        assert!(group.posts.lock().is_empty());
    }

    /// How often it was woken.
    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn each_task_that_has_asked_is_woken_however_often_it_asked() {
        let group = Group::new();
        let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        for task in tasks.iter().chain(&tasks) {
            let waker = std::task::Waker::from(Arc::clone(task));
            let asked = group.poll(Durability::Sync, &mut Context::from_waker(&waker));
            assert!(asked.is_pending());
        }
        group.advance(&Progress::Durable);
        group.wake();
        assert_eq!(tasks.map(|task| task.0.load(std::sync::atomic::Ordering::Relaxed)), [1, 1]);
    }

    #[test]
    fn a_failure_reaches_everyone_who_waits() {
        let group = Group::new();
        let failure = Error::new(crate::ErrorKind::Unknown, "sync failed");
        std::thread::scope(|scope| {
            let waiters: Vec<_> =
                (0..8).map(|_| scope.spawn(|| group.wait(Durability::Sync))).collect();
            group.advance(&Progress::Failed(failure.clone()));
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap().unwrap_err().kind(), failure.kind());
            }
        });
    }
}
