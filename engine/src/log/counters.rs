//! What the log did since it was opened, in numbers.

use std::time::Duration;

use crate::Stats;
use quipu_disk::threads::{AtomicU64, Ordering};

/// Plain counters of what the log did since it was opened.
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) slow_syncs: AtomicU64,
    pub(crate) longest_sync_us: AtomicU64,
    pub(crate) rolls: AtomicU64,
    pub(crate) seals: AtomicU64,
    pub(crate) indexes_remade: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) conditions_failed: AtomicU64,
    pub(crate) waits: AtomicU64,
    /// A sync that takes as long counts as slow.
    slow_sync: Duration,
}

impl Counters {
    pub(super) fn new(slow_sync: Duration) -> Counters {
        Counters {
            commits: AtomicU64::new(0),
            events: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            slow_syncs: AtomicU64::new(0),
            longest_sync_us: AtomicU64::new(0),
            rolls: AtomicU64::new(0),
            seals: AtomicU64::new(0),
            indexes_remade: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            conditions_failed: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            slow_sync,
        }
    }

    /// Counts a sync that took so long. True if that is slow.
    pub(super) fn count_sync(&self, took: Duration) -> bool {
        count(&self.syncs, 1);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.longest_sync_us.fetch_max(took_us, Ordering::Relaxed);
        let slow = took >= self.slow_sync;
        if slow {
            count(&self.slow_syncs, 1);
        }
        slow
    }

    /// All of them at this moment; the pipeline counts the streams.
    pub(crate) fn stats(&self, streams_created: u64) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&self.commits),
            events: read(&self.events),
            streams_created,
            groups: read(&self.groups),
            bytes_written: read(&self.bytes),
            syncs: read(&self.syncs),
            slow_syncs: read(&self.slow_syncs),
            longest_sync: Duration::from_micros(read(&self.longest_sync_us)),
            rolls: read(&self.rolls),
            seals: read(&self.seals),
            indexes_remade: read(&self.indexes_remade),
            conflicts: read(&self.conflicts),
            conditions_failed: read(&self.conditions_failed),
            waits: read(&self.waits),
        }
    }
}

pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_slow_from_the_bound_on_and_the_longest_is_kept() {
        let counters = Counters::new(Duration::from_millis(2));
        let slow = [1_999, 2_000, 2_500, 100].map(Duration::from_micros);
        assert_eq!(slow.map(|took| counters.count_sync(took)), [false, true, true, false]);
        let stats = counters.stats(3);
        assert_eq!((stats.syncs, stats.slow_syncs, stats.streams_created), (4, 2, 3));
        assert_eq!(stats.longest_sync, Duration::from_micros(2_500));
    }

    #[test]
    fn what_is_counted_adds_up() {
        let counters = Counters::new(Duration::ZERO);
        for more in [1, 2, 3] {
            count(&counters.events, more);
        }
        assert_eq!((counters.stats(0).events, counters.stats(0).commits), (6, 0));
    }
}
