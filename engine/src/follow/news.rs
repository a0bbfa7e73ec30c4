//! What followers wait for: that more becomes visible, or that no more will.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use quipu_disk::threads::{AtomicUsize, Ordering, RwLock, fence};
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
/// have a desk each, and are left alone as long as nothing with these keys is appended. Nothing that is
/// appended matters to those who follow no key at all: they are told how it ends.
#[derive(Default)]
pub(crate) struct News {
    everything: Arc<Desk>,
    nothing: Arc<Desk>,
    /// Number of keys that are followed: zero means that nobody need be looked for.
    keys: AtomicUsize,
    by_key: RwLock<HashMap<Key, Vec<Arc<Desk>>>>,
    ending: OnceLock<Ending>,
}

/// A follower's place among those who are told.
pub(crate) struct Ear {
    desk: Arc<Desk>,
    /// What it follows; none if that is everything, or nothing.
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
        let Some(mut keys) = keys else {
            return Ear { desk: Arc::clone(&self.everything), keys: Vec::new(), seat: None };
        };
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ear { desk: Arc::clone(&self.nothing), keys, seat: None };
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
        let mut told = HashSet::new();
        for posted in posts {
            find(&by_key, posted.outline.all_keys(), &mut told, &mut desks);
        }
        drop(by_key);
        Audience::new(&self.everything, desks)
    }

    /// All followers.
    pub(crate) fn everybody(&self) -> Audience<'_> {
        let mut desks: Vec<_> = self.by_key.read().values().flatten().cloned().collect();
        desks.push(Arc::clone(&self.nothing));
        Audience::new(&self.everything, desks)
    }

    /// Says that nothing more will become visible; only the first reason counts: true for that. Everybody is
    /// still to be told.
    pub(crate) fn end(&self, ending: Ending) -> bool {
        self.ending.set(ending).is_ok()
    }

    /// Why nothing more will become visible, if that is so.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }
}

/// Looks for those who follow any of these keys, and were not found before. A group may be large and many may
/// follow what is in all of it, so that is done once for each key.
fn find(
    by_key: &HashMap<Key, Vec<Arc<Desk>>>,
    keys: &[Key],
    told: &mut HashSet<Key>,
    desks: &mut Vec<Arc<Desk>>,
) {
    for (key, followers) in keys.iter().filter_map(|key| by_key.get_key_value(key)) {
        if told.insert(*key) {
            desks.extend(followers.iter().cloned());
        }
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

#[cfg(test)]
mod tests {
    use quipu_index::{Keys, Kind};

    use super::*;

    #[test]
    fn followers_are_looked_for_once_however_many_events_they_follow() {
        let news = News::default();
        let [common, other, unknown] =
            ["common", "other", "unknown"].map(|name| Keys::new([1; 16]).key(Kind::Tag, name));
        let ears: Vec<Ear> = (0..100).map(|_| news.join(Some(vec![common, other]))).collect();
        let (mut told, mut desks) = (HashSet::new(), Vec::new());
        for _ in 0..1000 {
            find(&news.by_key.read(), &[common, unknown, other], &mut told, &mut desks);
        }
        assert_eq!(desks.len(), 2 * ears.len(), "once for each key");
        assert_eq!(Audience::new(&news.everything, desks).desks().count(), ears.len() + 1);
    }

    #[test]
    fn who_follows_no_key_is_told_only_how_it_ends() {
        let news = News::default();
        let nobody = news.join(Some(Vec::new()));
        let everybody = news.join(None);
        let is_told = |audience: &Audience<'_>, ear: &Ear| {
            audience.desks().any(|desk| std::ptr::eq(desk, &raw const *ear.desk))
        };
        let commits = news.audience(std::iter::empty());
        assert_eq!((is_told(&commits, &nobody), is_told(&commits, &everybody)), (false, true));
        let end = news.everybody();
        assert_eq!((is_told(&end, &nobody), is_told(&end, &everybody)), (true, true));
    }
}
