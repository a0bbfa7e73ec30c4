//! The last commits, kept so that conditions and retries can be judged under the lock.
//!
//! What a commit is guarded by is looked at outside the lock, up to some position. Under the lock only the
//! commits sequenced since are looked at: here they are.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use quipu_format::{Position, Timestamp, Version};
use quipu_index::Key;

use crate::outline::Posted;
use crate::plant::{self, Bug};
use crate::query::Compiled;

/// Events of commits that are visible already and kept for those who looked a while ago.
const KEPT_EVENTS: usize = 4096;

/// Comparisons that are made under the lock although they could be made outside.
const TERMS_MAX: u64 = 1 << 14;

/// What a commit is guarded by, beside the versions of its streams.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Everything before was looked at.
    pub(crate) seen: Position,
    /// No event may match this, as far as it is `after` or later.
    pub(crate) fail_if: Option<(Compiled, Position)>,
    /// Keys of ids that must not be there yet, sorted.
    pub(crate) ids: Vec<Key>,
}

impl Guard {
    /// Comparisons that an event takes, at most.
    fn terms(&self) -> u64 {
        let query = self.fail_if.as_ref().map_or(0, |(query, _)| query.terms());
        query as u64 + u64::from(!self.ids.is_empty())
    }
}

/// An event that stands in a guard's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It matches the condition.
    Matches(Position),
    /// It carries one of the ids.
    Carries(Position),
}

/// An event as it was sequenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) stream: Key,
    pub(crate) version: Version,
    pub(crate) position: Position,
    pub(crate) time: Timestamp,
    pub(crate) id: [u8; 16],
}

/// The last commits, in order.
pub(crate) struct Recent {
    commits: VecDeque<Arc<Posted>>,
    events: usize,
    /// Position of the first event kept.
    start: Position,
}

impl Recent {
    pub(crate) fn new(next_position: Position) -> Recent {
        Recent { commits: VecDeque::new(), events: 0, start: next_position }
    }

    /// Adds a commit, and lets go of old ones that are visible.
    pub(crate) fn push(&mut self, posted: &Arc<Posted>, visible: Position) {
        self.events += posted.outline.len();
        self.commits.push_back(Arc::clone(posted));
        while self.events > KEPT_EVENTS
            && let Some(oldest) = self.commits.front()
            && oldest.next_position() <= visible
        {
            self.start = oldest.next_position();
            self.events -= oldest.outline.len();
            self.commits.pop_front();
        }
    }

    /// The first event that stands in the guard's way; `Err` if the guard was looked at too long ago.
    pub(crate) fn judge(
        &self,
        guard: &Guard,
        visible: Position,
    ) -> Result<Option<Standing>, TooOld> {
        // What can be looked at outside the lock is, if there is much of it.
        let unseen = self.next_position().saturating_sub(guard.seen.0);
        let is_much = unseen.saturating_mul(guard.terms()) > TERMS_MAX;
        if guard.seen < self.start || (is_much && guard.seen < visible) {
            return Err(TooOld);
        }
        let since = self.since(guard.seen);
        for (posted, event, position) in since.flat_map(|posted| events(posted, guard.seen)) {
            if let Some((query, after)) = &guard.fail_if
                && position >= *after
                && query.matches(posted.outline.keys(event))
            {
                return Ok(Some(Standing::Matches(position)));
            }
            let id = posted.outline.id_keys().get(event);
            let is_known = id.is_some_and(|id| guard.ids.binary_search(id).is_ok());
            if is_known && !plant::is_in(Bug::RetryStoredAgain) {
                return Ok(Some(Standing::Carries(position)));
            }
        }
        Ok(None)
    }

    fn next_position(&self) -> u64 {
        self.start.0 + self.events as u64
    }

    /// The events of a stream from this version on, as far as they are kept.
    pub(crate) fn sightings(&self, stream: Key, from: Version) -> Vec<Sighting> {
        let all = self.commits.iter().flat_map(|posted| events(posted, Position(0)));
        let of_stream = all.filter(|(posted, event, _)| {
            posted.outline.keys(*event).first() == Some(&stream) && posted.version(*event) >= from
        });
        of_stream.map(sighting).collect()
    }

    /// The last event that has one of these ids, which are in order, if it is kept.
    pub(crate) fn sighted(&self, ids: &[[u8; 16]]) -> Option<Sighting> {
        let newest_first = self.commits.iter().rev();
        let mut all = newest_first.flat_map(|posted| events(posted, Position(0)));
        all.find(|(posted, event, _)| ids.binary_search(&posted.outline.id(*event)).is_ok())
            .map(sighting)
    }

    /// The events from a position on, at most so many; nothing if that one is not kept any more.
    pub(crate) fn sightings_at(&self, first: Position, events: u64) -> Option<Vec<Sighting>> {
        if first < self.start {
            return None;
        }
        let all = self.since(first).flat_map(|posted| self::events(posted, first));
        Some(all.take(events as usize).map(sighting).collect())
    }

    fn since(&self, position: Position) -> impl Iterator<Item = &Arc<Posted>> {
        let first = self.commits.partition_point(|posted| posted.next_position() <= position);
        self.commits.range(first..)
    }
}

fn sighting((posted, event, position): (&Arc<Posted>, usize, Position)) -> Sighting {
    Sighting {
        stream: posted.outline.keys(event).first().copied().unwrap_or(Key(0)),
        version: posted.version(event),
        position,
        time: posted.time,
        id: posted.outline.id(event),
    }
}

/// Commits that should have been looked at are not kept any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooOld;

fn events(
    posted: &Arc<Posted>,
    from: Position,
) -> impl Iterator<Item = (&Arc<Posted>, usize, Position)> {
    let positions = (0..posted.outline.len())
        .map(move |event| (posted, event, posted.first_position.plus(event as u64)));
    positions.filter(move |(_, _, position)| *position >= from)
}
