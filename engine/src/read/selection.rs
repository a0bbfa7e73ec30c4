//! Saying which events to read.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use quipu_format::{Position, Timestamp, Version};
use quipu_index::Way;

use super::events::Source;
use super::times::{end_until, first_since};
use super::{Events, Picks, Search, Selected, Stream, Walk};
use crate::segments::{Segments, View};
use crate::{Result, Verify};

/// Some events of a store, to be narrowed down and read: all of them, or those of a stream, a category, a
/// type, a tag or a query.
///
/// The events of a stream are counted by [`Version`], all others by [`Position`]: that is what
/// [`from`](Selection::from) takes.
///
/// ```
/// use quipu::{ExpectedVersion, NewEvent, Store};
///
/// let store = Store::builder("orders.quipu").in_memory().open()?;
/// let events = ["Placed", "Paid", "Shipped"].map(|kind| NewEvent::new(kind, b"".as_slice()));
/// store.append("order-42", ExpectedVersion::NoStream, events)?;
///
/// let mut events = store.stream("order-42").from(1).limit(10).events()?;
/// while let Some(event) = events.next()? {
///     println!("{} {}", event.version(), event.event_type());
/// }
/// let mut newest = store.category("order").backward().limit(1).events()?;
/// assert_eq!(newest.next()?.map(|event| event.position().0), Some(2));
/// # Ok::<(), quipu::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is read before `events` is called"]
pub struct Selection<'s, From = Position> {
    segments: &'s Arc<Segments>,
    selected: Selected,
    from: Option<u64>,
    way: Way,
    limit: u64,
    verify: Verify,
    recorded: (Option<Timestamp>, Option<Timestamp>),
    occurred: Option<(Timestamp, Timestamp)>,
    counted: PhantomData<From>,
}

impl<'s, From> Selection<'s, From> {
    pub(crate) fn new(segments: &'s Arc<Segments>, selected: Selected) -> Selection<'s, From> {
        Selection {
            segments,
            selected,
            from: None,
            way: Way::Forward,
            limit: u64::MAX,
            verify: Verify::Always,
            recorded: (None, None),
            occurred: None,
            counted: PhantomData,
        }
    }

    /// Reads the newest first.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// # let events = ["A", "B"].map(|kind| NewEvent::new(kind, b"".as_slice()));
    /// # store.append("letters", ExpectedVersion::NoStream, events)?;
    /// let mut events = store.all().backward().events()?;
    /// assert_eq!(events.next()?.map(|event| event.event_type()), Some("B"));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn backward(mut self) -> Self {
        self.way = Way::Backward;
        self
    }

    /// Ends after so many events.
    pub fn limit(mut self, events: u64) -> Self {
        self.limit = events;
        self
    }

    /// Says whether each event is summed before it is served.
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Leaves out events that were recorded before this time.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let done = store.append("a", ExpectedVersion::Any, [NewEvent::new("A", b"".as_slice())])?;
    /// let mut events = store.all().since(done.recorded).until(done.recorded).events()?;
    /// assert!(events.next()?.is_some());
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn since(mut self, time: Timestamp) -> Self {
        self.recorded.0 = Some(time);
        self
    }

    /// Leaves out events that were recorded after this time: what is read is the store as of then.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.recorded.1 = Some(time);
        self
    }

    /// Reads only events that say when they happened in the world, and that it was between these two
    /// times, themselves included.
    ///
    /// ```
    /// use quipu::{ExpectedVersion, NewEvent, Store, Timestamp};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let sold = NewEvent::new("Sold", b"".as_slice()).occurred(Timestamp(5));
    /// store.append("a", ExpectedVersion::Any, [sold])?;
    /// let mut events = store.all().occurred_between(Timestamp(5), Timestamp(9)).events()?;
    /// assert!(events.next()?.is_some());
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn occurred_between(mut self, first: Timestamp, last: Timestamp) -> Self {
        self.occurred = Some((first, last));
        self
    }

    /// Opens a cursor over what is visible at this moment.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a name or query that no event can match; what
    /// the system refuses.
    pub fn events(self) -> Result<Events> {
        self.selected.validate()?;
        let view = self.segments.view();
        let range = self.times(&view)?;
        let (limit, occurred) = (self.limit, self.occurred);
        let source = match &self.selected {
            Selected::Stream(_) => self.by_version(view, range)?,
            _ => self.by_position(view, range),
        };
        Ok(Events::new(source, limit, occurred))
    }

    /// The positions that were recorded in the time that is asked for.
    fn times(&self, view: &View) -> Result<Range<Position>> {
        let start = match self.recorded.0 {
            Some(time) => first_since(view, time)?,
            None => Position(0),
        };
        let end = match self.recorded.1 {
            Some(time) => end_until(view, time)?,
            None => view.visible_position,
        };
        Ok(start..end)
    }

    fn by_position(self, view: View, mut range: Range<Position>) -> Source {
        match (self.from, self.way) {
            (Some(from), Way::Forward) => range.start = range.start.max(Position(from)),
            (Some(from), Way::Backward) => range.end = range.end.min(Position(from).plus(1)),
            (None, _) => {}
        }
        if self.way == Way::Forward && self.selected.is_everything() {
            let walk = Walk::new(view, range.start, self.verify.check());
            return Source::Walk(Box::new(walk), range.end);
        }
        Source::Picks(Box::new(self.pick(view, range)))
    }

    fn by_version(self, view: View, range: Range<Position>) -> Result<Source> {
        let Selected::Stream(name) = &self.selected else {
            return Ok(self.by_position(view, range));
        };
        let from = self.from.map(Version);
        let (range, versions) = Stream::new(&view, name).begin(from, self.way, range)?;
        Ok(Source::Picks(Box::new(self.pick(view, range).with_versions(versions))))
    }

    fn pick(self, view: View, range: Range<Position>) -> Picks {
        let plan = self.selected.plan(&view.store.shelf.keys, self.way);
        let search = Search::new(&view, plan, self.way, range, self.verify.check());
        let mut picks = Picks::new(view, self.selected, search);
        picks.expect(self.limit);
        picks
    }
}

impl Selection<'_, Position> {
    /// Begins at this position; reading backward it is the newest that is read.
    pub fn from(mut self, position: impl Into<Position>) -> Self {
        self.from = Some(position.into().0);
        self
    }
}

impl Selection<'_, Version> {
    /// Begins at this version; reading backward it is the newest that is read.
    pub fn from(mut self, version: impl Into<Version>) -> Self {
        self.from = Some(version.into().0);
        self
    }
}

impl<From> fmt::Debug for Selection<'_, From> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection").field("selected", &self.selected).finish_non_exhaustive()
    }
}
