//! What followers wait for: that more becomes visible, or that no more will.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use parking_lot::RwLock;
use quipu_index::Key;

use super::desk::Desk;
use crate::Error;
use crate::outline::Posted;

/// Why nothing more will become visible.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The store was closed or dropped.
    Closed,
    /// A write or sync failed.
    Poisoned(Error),
}

/// What all followers of a store share. Whoever tells news has made them visible before.
///
/// Those who follow everything wait at one desk, and one call wakes them all. Those who follow a few keys
/// have a desk each, and are left alone as long as nothing with these keys is appended.
#[derive(Default)]
pub(crate) struct News {
    everything: Arc<Desk>,
    /// Number of keys that are followed: zero means that nobody need be looked for.
    keys: AtomicUsize,
    by_key: RwLock<HashMap<Key, Vec<Arc<Desk>>>>,
    ending: OnceLock<Ending>,
}

/// A follower's place among those who are told.
pub(crate) struct Ear {
    desk: Arc<Desk>,
    /// What it follows; nothing if that is everything.
    keys: Vec<Key>,
    /// Where its task waits, once there was one.
    seat: Option<u64>,
}

/// Those whom some news are for. They are told without any lock held.
pub(crate) struct Audience<'n> {
    everything: &'n Desk,
    desks: Vec<Arc<Desk>>,
}

impl News {
    /// A place for a follower to whom an event can matter only if it has one of these keys; without keys,
    /// any event can. What becomes visible from now on is told.
    pub(crate) fn join(&self, keys: Option<Vec<Key>>) -> Ear {
        let mut keys = keys.unwrap_or_default();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ear { desk: Arc::clone(&self.everything), keys, seat: None };
        }
        let desk = Arc::new(Desk::default());
        let mut by_key = self.by_key.write();
        for &key in &keys {
            by_key.entry(key).or_default().push(Arc::clone(&desk));
        }
        self.keys.store(by_key.len(), Ordering::SeqCst);
        drop(by_key);
        fence(Ordering::SeqCst);
        Ear { desk, keys, seat: None }
    }

    /// The follower is gone.
    pub(crate) fn leave(&self, ear: &Ear) {
        if let Some(seat) = ear.seat {
            ear.desk.leave(seat);
        }
        if ear.keys.is_empty() {
            return;
        }
        let mut by_key = self.by_key.write();
        for key in &ear.keys {
            if let Some(desks) = by_key.get_mut(key) {
                desks.retain(|desk| !Arc::ptr_eq(desk, &ear.desk));
                if desks.is_empty() {
                    by_key.remove(key);
                }
            }
        }
        self.keys.store(by_key.len(), Ordering::SeqCst);
    }

    /// Those to whom these commits matter, which are visible by now.
    pub(crate) fn audience(&self, posts: impl Iterator<Item = Arc<Posted>>) -> Audience<'_> {
        fence(Ordering::SeqCst);
        let mut desks = Vec::new();
        if self.keys.load(Ordering::SeqCst) == 0 {
            posts.for_each(drop);
            return Audience::new(&self.everything, desks);
        }
        let by_key = self.by_key.read();
        for posted in posts {
            let followed = posted.outline.all_keys().iter().filter_map(|key| by_key.get(key));
            desks.extend(followed.flatten().cloned());
        }
        drop(by_key);
        Audience::new(&self.everything, desks)
    }

    /// All followers.
    pub(crate) fn everybody(&self) -> Audience<'_> {
        let desks = self.by_key.read().values().flatten().cloned().collect();
        Audience::new(&self.everything, desks)
    }

    /// Says that nothing more will become visible; only the first reason counts. Everybody is still to be
    /// told.
    pub(crate) fn end(&self, ending: Ending) {
        let _ = self.ending.set(ending);
    }

    /// Why nothing more will become visible, if that is so.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }
}

impl Ear {
    /// Waits in this thread until a look finds something, or for so long. Looks again at all news.
    pub(crate) fn wait<T>(
        &self,
        most: Option<Duration>,
        look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.desk.wait(most, look)
    }

    /// Has a task woken at the next news: it looks once more after this, and only then rests.
    pub(crate) fn register(&mut self, waker: &Waker) {
        self.desk.register(&mut self.seat, waker);
    }
}

impl<'n> Audience<'n> {
    fn new(everything: &'n Desk, mut desks: Vec<Arc<Desk>>) -> Audience<'n> {
        desks.sort_unstable_by_key(|desk| Arc::as_ptr(desk).addr());
        desks.dedup_by(|one, other| Arc::ptr_eq(one, other));
        Audience { everything, desks }
    }

    fn desks(&self) -> impl Iterator<Item = &Desk> {
        std::iter::once(self.everything).chain(self.desks.iter().map(|desk| &**desk))
    }

    /// Has all who wait in a thread look.
    pub(crate) fn ring(&self) {
        self.desks().for_each(Desk::ring);
    }

    /// Wakes all tasks that wait.
    pub(crate) fn wake(&self) {
        self.desks().for_each(Desk::wake);
    }
}
