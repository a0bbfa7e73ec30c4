//! Where followers that are told the same news wait: in threads, and in tasks.

use std::collections::BTreeMap;
use std::mem;
use std::task::Waker;
use std::time::Duration;

use quipu_disk::Bell;
use quipu_disk::threads::{AtomicUsize, Mutex, Ordering, fence};

use crate::wakers::wake_all;

/// Those who are told the same news.
#[derive(Default)]
pub(super) struct Desk {
    bell: Bell,
    /// How many tasks wait: zero means that none need be woken.
    waiting: AtomicUsize,
    seats: Mutex<Seats>,
}

/// Tasks that wait, at most one of each follower.
#[derive(Default)]
struct Seats {
    /// The number of the next seat to be given out.
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Desk {
    /// Has all who wait in a thread look. Called without any lock held, as is [`Desk::wake`].
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// Wakes all tasks that wait.
    pub(super) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let wakers = {
                let mut seats = self.seats.lock();
                self.waiting.store(0, Ordering::SeqCst);
                mem::take(&mut seats.wakers)
            };
            wake_all(wakers.into_values());
        }
    }

    /// Waits in this thread until a look finds something, or for so long. Looks again at all news.
    pub(super) fn wait<T>(
        &self,
        most: Option<Duration>,
        look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.bell.wait(most, look)
    }

    /// Has a task woken at the next news: it looks once more after this, and only then rests. The seat is
    /// the follower's own, given out when it first needs one.
    pub(super) fn register(&self, seat: &mut Option<u64>, waker: &Waker) {
        let waker = waker.clone();
        let replaced = {
            let mut seats = self.seats.lock();
            let seat = *seat.get_or_insert_with(|| {
                seats.next += 1;
                seats.next
            });
            let replaced = seats.wakers.insert(seat, waker);
            self.waiting.store(seats.wakers.len(), Ordering::SeqCst);
            replaced
        };
        // It is code of somebody else, and goes outside the lock.
        drop(replaced);
        fence(Ordering::SeqCst);
    }

    /// Forgets the task of a follower that is gone.
    pub(super) fn leave(&self, seat: u64) {
        let left = {
            let mut seats = self.seats.lock();
            let left = seats.wakers.remove(&seat);
            self.waiting.store(seats.wakers.len(), Ordering::SeqCst);
            left
        };
        drop(left);
    }
}
