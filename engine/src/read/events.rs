//! The cursor over events.

use quipu_format::Position;

use super::{Found, Picks, Walk};
use crate::find::{Budget, Sight};
use crate::follow::Wanted;
use crate::segments::View;
use crate::{Event, Result};

/// A cursor over events. It lends each event until the next is asked for.
///
/// Damage is reported once, with the positions that cannot be served; the next call goes on behind it.
pub struct Events {
    source: Source,
    left: u64,
    wanted: Wanted,
}

/// Where the events come from.
pub(crate) enum Source {
    /// The log, read in order up to a position.
    Walk(Box<Walk>, Position),
    /// The index.
    Picks(Box<Picks>),
}

impl Events {
    pub(super) fn new(source: Source, left: u64, wanted: Wanted) -> Events {
        Events { source, left, wanted }
    }

    /// The next event; `None` at the end of what was visible when the cursor was opened.
    ///
    /// ```
    /// # use quipu::{ErrorKind, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let mut events = store.all().events()?;
    /// loop {
    ///     match events.next() {
    ///         Ok(Some(event)) => println!("{} {}", event.position(), event.event_type()),
    ///         Ok(None) => break,
    ///         // Reading goes on behind what is damaged.
    ///         Err(error) if error.kind() == ErrorKind::Damaged => eprintln!("{error}"),
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) for events that cannot be served; what the
    /// system refuses.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        if self.left == 0 {
            return Ok(None);
        }
        let found = loop {
            let Some(found) = self.source.next()? else { return Ok(None) };
            if self.wanted.admits(&mut self.source, &found)? {
                break found;
            }
        };
        let event = self.source.event(&found)?;
        self.left -= 1;
        Ok(event)
    }
}

impl Source {
    /// Goes on to the next event.
    pub(crate) fn next(&mut self) -> Result<Option<Found>> {
        match self {
            Source::Walk(walk, end) if walk.reached() >= *end => Ok(None),
            Source::Walk(walk, end) => Ok(walk.next()?.filter(|found| found.position < *end)),
            Source::Picks(picks) => picks.next(),
        }
    }

    /// The same, as far as a budget allows, of which it takes what looking costs beside the events themselves.
    pub(crate) fn next_within(&mut self, budget: &mut Budget) -> Result<Sight<Found>> {
        match self {
            Source::Walk(..) => self.next().map(Sight::from),
            Source::Picks(picks) => picks.next_within(budget),
        }
    }

    /// The event that was found.
    pub(crate) fn event(&mut self, found: &Found) -> Result<Option<Event<'_>>> {
        match self {
            Source::Walk(walk, _) => walk.event(found),
            Source::Picks(picks) => picks.event(found),
        }
    }

    /// Reading forward: all before this position lies behind.
    pub(crate) fn reached(&self) -> Position {
        match self {
            Source::Walk(walk, _) => walk.reached(),
            Source::Picks(picks) => picks.reached(),
        }
    }

    /// Reading forward: nothing at or behind this position is looked at.
    pub(crate) fn end(&self) -> Position {
        match self {
            Source::Walk(_, end) => *end,
            Source::Picks(picks) => picks.end(),
        }
    }

    /// After a rest: goes on to the end of a later view.
    pub(crate) fn renew(&mut self, view: View) {
        match self {
            Source::Walk(walk, end) => {
                *end = view.visible_position;
                walk.renew(view);
            }
            Source::Picks(picks) => picks.renew(view),
        }
    }

    /// Reading forward: has read all it sees, and lets go of files and segments until it is renewed. It
    /// may be long.
    pub(crate) fn rest(&mut self) {
        match self {
            Source::Walk(walk, _) => walk.rest(),
            Source::Picks(picks) => picks.rest(),
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("left", &self.left).finish_non_exhaustive()
    }
}
