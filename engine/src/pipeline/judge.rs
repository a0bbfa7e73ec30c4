//! Whether a commit may have its place: expectations against heads, guards against the last commits.

use std::sync::Arc;

use quipu_format::{Position, Version};
use quipu_index::{Key, StreamHead, StreamHeads};

use super::recent::{Sighting, Standing, TooOld};
use super::{Guard, Pipeline, Refusal, Until};
use crate::draft::{Draft, DraftStream};
use crate::plant::{self, Bug};
use crate::{Conflict, Durability, Error};

impl Pipeline {
    pub(super) fn check(&self, draft: &Draft<'_>) -> Result<(), Refusal> {
        for stream in &draft.streams {
            let head = self.head(draft, stream)?;
            let actual = head.map(|head| head.version);
            if !stream.expected.holds(actual) {
                let conflict =
                    Conflict { stream: stream.name.to_owned(), expected: stream.expected, actual };
                let pending = head.and_then(|head| self.pending(head.position));
                return Err(Refusal::Conflict(Error::conflicting(conflict), pending));
            }
        }
        Ok(())
    }

    /// Judges a guard by what was sequenced since it was looked at.
    pub(super) fn check_guard(&self, guard: &Guard) -> Result<(), Refusal> {
        if plant::is_in(Bug::ConditionJudgedOutside) {
            let unseen = guard.seen < self.settling.progressed().visible_position;
            return if unseen { Err(Refusal::Stale) } else { Ok(()) };
        }
        let (position, error) =
            match self.recent.judge(guard, self.settling.progressed().visible_position) {
                Ok(None) => return Ok(()),
                Err(TooOld) => return Err(Refusal::Stale),
                Ok(Some(Standing::Matches(position))) => (position, Error::condition(position)),
                // The event is there once it is visible: then the caller finds it where it looks for ids.
                Ok(Some(Standing::Carries(position))) => (position, Error::repeated(position)),
            };
        Err(Refusal::Conflict(error, self.pending(position)))
    }

    /// The events of a stream from this version on that were sequenced lately.
    pub(crate) fn sightings(&self, stream: Key, from: Version) -> Vec<Sighting> {
        self.recent.sightings(stream, from)
    }

    /// An event that was sequenced lately with one of these ids, which are in order.
    pub(crate) fn sighted(&self, ids: &[[u8; 16]]) -> Option<Sighting> {
        self.recent.sighted(ids)
    }

    /// The events from a position on, at most so many, as they were sequenced; nothing if that was too long
    /// ago.
    pub(crate) fn sightings_at(&self, first: Position, events: u64) -> Option<Vec<Sighting>> {
        self.recent.sightings_at(first, events)
    }

    /// The group to wait for until a position is visible, and durable if that is asked for: then it is synced
    /// although its own writers do not wait for that.
    ///
    /// # Errors
    /// After a failure, for what had not come as far before: nobody knows whether it will be there.
    pub(crate) fn until(
        &mut self,
        position: Position,
        durability: Durability,
    ) -> Result<Until, Error> {
        let progressed = self.settling.progressed();
        let settled = match durability {
            Durability::Sync => progressed.durable_position,
            Durability::Os => progressed.visible_position,
        };
        if position < settled {
            return Ok(None);
        }
        if let Some(error) = self.poison() {
            return Err(error.unknown());
        }
        if durability == Durability::Os {
            return Ok(self.pending(position));
        }
        if let Some(group) = self.settling.holding(position).map(Arc::clone) {
            self.settling.sync_owed = true;
            return Ok(Some((group, durability)));
        }
        let mut waiting = self.queue.iter_mut().chain(&mut self.open);
        let filling = waiting.find(|filling| position < filling.next_position);
        Ok(filling.map(|filling| {
            filling.wants_sync = true;
            (Arc::clone(&filling.group), durability)
        }))
    }

    /// The group to wait for until a position is visible, for who is refused because of what stands there.
    ///
    /// # Errors
    /// After a failure, if that was not visible before: nobody will ever read it.
    pub(crate) fn readable(&self, position: Position) -> Result<Until, Error> {
        let is_visible = position < self.settling.progressed().visible_position;
        match self.poison().filter(|_| !is_visible) {
            Some(error) => Err(error.not_written()),
            None => Ok(self.pending(position)),
        }
    }

    /// Lets go of tentative heads, if there are many: the index knows all before this position.
    pub(crate) fn forget_heads(&mut self, indexed: Position) -> Option<StreamHeads> {
        self.heads.forget(indexed, self.next_position)
    }

    /// The head of a stream: tentative, or as it was looked up for this generation.
    fn head(
        &self,
        draft: &Draft<'_>,
        stream: &DraftStream<'_>,
    ) -> Result<Option<StreamHead>, Refusal> {
        let mut tentative = self.heads.get(stream.key);
        if plant::is_in(Bug::ExpectationOfReaders) {
            let visible = self.settling.progressed().visible_position;
            tentative = tentative.filter(|head| head.position < visible);
        }
        match tentative {
            Some(head) => Ok(Some(head)),
            None if draft.resolved == Some(self.heads.generation()) => Ok(stream.known),
            None => Err(Refusal::Unresolved(self.heads.generation())),
        }
    }

    /// The group to wait for until a position is visible.
    pub(super) fn pending(&self, position: Position) -> Until {
        if position < self.settling.progressed().visible_position {
            return None;
        }
        let group = self.settling.holding(position).or_else(|| {
            let filling = self.queue.iter().chain(&self.open);
            filling.into_iter().find(|f| position < f.next_position).map(|f| &f.group)
        })?;
        Some((Arc::clone(group), self.settings.durability))
    }
}
