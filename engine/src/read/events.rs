//! The cursor over events.

use quipu_format::{Position, Timestamp};

use super::{Found, Picks, Walk};
use crate::{Event, Result};

/// A cursor over events. It lends each event until the next is asked for.
///
/// Damage is reported once, with the positions that cannot be served; the next call goes on behind it.
pub struct Events {
    source: Source,
    left: u64,
    occurred: Option<(Timestamp, Timestamp)>,
}

/// Where the events come from.
pub(super) enum Source {
    /// The log, read in order up to a position.
    Walk(Box<Walk>, Position),
    /// The index.
    Picks(Box<Picks>),
}

impl Events {
    pub(super) fn new(
        source: Source,
        left: u64,
        occurred: Option<(Timestamp, Timestamp)>,
    ) -> Events {
        Events { source, left, occurred }
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
            if self.is_wanted(&found)? {
                break found;
            }
        };
        let event = self.source.event(&found)?;
        self.left -= 1;
        Ok(event)
    }

    fn is_wanted(&mut self, found: &Found) -> Result<bool> {
        let Some((first, last)) = self.occurred else { return Ok(true) };
        let occurred = self.source.event(found)?.and_then(|event| event.occurred());
        Ok(occurred.is_some_and(|at| (first..=last).contains(&at)))
    }
}

impl Source {
    fn next(&mut self) -> Result<Option<Found>> {
        match self {
            Source::Walk(walk, end) if walk.place().1 >= *end => Ok(None),
            Source::Walk(walk, end) => Ok(walk.next()?.filter(|found| found.position < *end)),
            Source::Picks(picks) => picks.next(),
        }
    }

    fn event(&mut self, found: &Found) -> Result<Option<Event<'_>>> {
        match self {
            Source::Walk(walk, _) => walk.event(found),
            Source::Picks(picks) => picks.event(found),
        }
    }
}
