//! Admission: a commit is judged by what is there, outside the lock as far as that goes, and either gets its
//! place or an answer.

use quipu_format::Position;

use super::{Log, Placed, Unplaced, count};
use crate::draft::Draft;
use crate::find;
use crate::pipeline::{Guard, Until};
use crate::plant::{self, Bug};
use crate::query::Compiled;
use crate::ticket::Ticket;
use crate::{Error, ErrorKind, Result};

/// What became of a commit.
pub(crate) enum Admitted {
    /// It has its place; the bytes are still to be copied.
    Placed(Placed),
    /// It is not taken; whoever is told waits first until what the answer refers to is visible.
    Refused(Error, Until),
    /// It was taken before.
    Repeated(Ticket),
}

impl Admitted {
    /// The ticket of a commit, whose bytes are copied now if it has its place.
    ///
    /// # Errors
    /// A refusal that may be told at once.
    pub(crate) fn ticket(self, draft: &Draft<'_>) -> Result<Ticket> {
        match self {
            Admitted::Placed(placed) => Ok(placed.copy(draft)),
            Admitted::Repeated(ticket) => Ok(ticket),
            Admitted::Refused(error, None) => Err(error),
            Admitted::Refused(error, Some((group, durability))) => {
                Ok(Ticket::refused(error, group, durability))
            }
        }
    }
}

/// Tries to give a commit its place.
pub(crate) type Place<'p> =
    dyn FnMut(&mut Draft<'_>, Option<&Guard>) -> std::result::Result<Placed, Unplaced> + 'p;

impl Log {
    /// Gives a commit its place, or the answer why it gets none. A store that has failed says that before all else: it is to
    /// be opened anew, whatever is wrong with it besides. What cannot be compared may be a retry of what is there.
    pub(crate) fn admit(&self, draft: &mut Draft<'_>, place: &mut Place<'_>) -> Result<Admitted> {
        self.judge(draft, place).map_err(|error| match (self.pipeline().poison(), error.kind()) {
            (None, _) | (_, ErrorKind::Unknown) => error,
            (Some(poison), ErrorKind::Damaged | ErrorKind::Unsupported | ErrorKind::Io)
                if !draft.outline.anonymous =>
            {
                poison.unknown()
            }
            (Some(poison), _) => poison.not_written(),
        })
    }

    fn judge(&self, draft: &mut Draft<'_>, place: &mut Place<'_>) -> Result<Admitted> {
        let mut guard = self.guard(draft)?;
        if let Some(guard) = guard.as_mut().filter(|guard| !guard.ids.is_empty())
            && let Some(answer) = self.known_ids(draft, guard, Position(0))?
        {
            return Ok(answer);
        }
        loop {
            match place(draft, guard.as_ref()) {
                Ok(placed) => return Ok(Admitted::Placed(placed)),
                Err(Unplaced::Refused(error, until)) => return self.answer(draft, error, until),
                Err(Unplaced::Unresolved(_)) => {}
                Err(Unplaced::Stale) => {
                    if let Some(answer) = self.look_again(draft, &mut guard)? {
                        return Ok(answer);
                    }
                }
                Err(Unplaced::Busy) => {
                    return Err(Error::new(ErrorKind::Busy, "the pipeline is full"));
                }
            }
        }
    }

    /// What the commit is guarded by. Nothing has been looked at yet: most conditions are about the last
    /// events, and those are judged under the lock.
    fn guard(&self, draft: &Draft<'_>) -> Result<Option<Guard>> {
        let ids = if draft.outline.anonymous { &[] } else { draft.outline.id_keys() };
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        let Some(condition) = &draft.condition else {
            let guard = Guard { seen: Position(0), fail_if: None, ids };
            return Ok((!guard.ids.is_empty()).then_some(guard));
        };
        condition.fail_if.validate()?;
        let query = Compiled::new(&condition.fail_if, &self.segments.shelf.keys);
        let from = condition.after.map_or(Position(0), |after| after.plus(1));
        Ok(Some(Guard { seen: from, fail_if: Some((query, from)), ids }))
    }

    /// Looks at what was committed since the guard was looked at, as far as it is visible.
    fn look_again(&self, draft: &Draft<'_>, guard: &mut Option<Guard>) -> Result<Option<Admitted>> {
        let Some(guard) = guard else { return Ok(None) };
        let view = self.segments.view();
        // First of all: what a commit itself has brought is not in its way.
        let from = guard.seen;
        if !guard.ids.is_empty()
            && let Some(answer) = self.known_ids(draft, guard, from)?
        {
            return Ok(Some(answer));
        }
        if let (Some((query, from)), Some(condition)) = (&guard.fail_if, &draft.condition) {
            let from = guard.seen.max(*from);
            if let Some(position) = find::first_match(&view, &condition.fail_if, query, from)? {
                return self.answer(draft, Error::condition(position), None).map(Some);
            }
        }
        guard.seen = guard.seen.max(view.visible_position);
        Ok(None)
    }

    /// The answer to a commit that is refused, unless it is a retry of one that was taken.
    pub(super) fn answer(&self, draft: &Draft<'_>, error: Error, until: Until) -> Result<Admitted> {
        let is_hidden =
            plant::is_in(Bug::RetryAfterFailureRefused) && error.kind() == ErrorKind::Poisoned;
        let repeated = if is_hidden { Ok(None) } else { self.repeated(draft, &error) };
        if let Some(repeated) = repeated? {
            return Ok(repeated);
        }
        if error.conflict().is_some() {
            count(&self.counters.conflicts, 1);
        } else if error.kind() == ErrorKind::Conflict {
            count(&self.counters.conditions_failed, 1);
        }
        Ok(Admitted::Refused(error, until))
    }
}
