//! Saying which events to read.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use quipu_format::{Position, Timestamp, Version};
use quipu_index::Way;

use super::events::Source;
use super::times::{end_until, first_since};
use super::versions::Versions;
use super::{Events, Picks, Search, Selected, Stream, Walk};
use crate::follow::{Feed, Next, Wanted};
use crate::segments::{Segments, View};
use crate::{Error, Result, Subscription, Verify};

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
#[must_use = "nothing is read before `events` or `subscribe` is called"]
pub struct Selection<'s, From = Position> {
    segments: &'s Arc<Segments>,
    selected: Selected,
    start: Start,
    way: Way,
    limit: u64,
    verify: Verify,
    recorded: (Option<Timestamp>, Option<Timestamp>),
    occurred: Option<(Timestamp, Timestamp)>,
    counted: PhantomData<From>,
}

/// Where reading begins.
#[derive(Clone, Copy)]
enum Start {
    /// At the first event, or reading backward at the last.
    First,
    /// At this position or version.
    At(u64),
    /// Behind everything.
    End,
}

/// Where reading a stream begins: the positions to be read, and the versions to be met there.
struct Opening {
    range: Range<Position>,
    versions: Versions,
    /// The first version that is asked for.
    from: Version,
}

impl<'s, From> Selection<'s, From> {
    pub(crate) fn new(segments: &'s Arc<Segments>, selected: Selected) -> Selection<'s, From> {
        Selection {
            segments,
            selected,
            start: Start::First,
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

    /// Begins behind everything that is visible when reading begins: a subscription delivers only what comes
    /// after. Takes the place of a position or version to begin at.
    ///
    /// ```
    /// use quipu::{Delivery, ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let event = |kind: &'static str| NewEvent::new(kind, b"".as_slice());
    /// store.append("a", ExpectedVersion::Any, [event("Old")])?;
    /// let mut news = store.all().from_end().subscribe()?;
    /// assert!(matches!(news.next()?, Some(Delivery::CaughtUp)));
    /// store.append("a", ExpectedVersion::Any, [event("New")])?;
    /// assert!(matches!(news.next()?, Some(Delivery::Event(event)) if event.event_type() == "New"));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn from_end(mut self) -> Self {
        self.start = Start::End;
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
        let view = self.segments.latest()?;
        let range = self.times(&view)?;
        let limit = self.limit;
        let wanted = Wanted { since: None, occurred: self.occurred };
        let source = match &self.selected {
            Selected::Stream(name) => {
                let opening = self.begin(&view, name, range)?;
                self.by_version(view, opening)
            }
            _ => self.by_position(view, range),
        };
        Ok(Events::new(source, limit, wanted))
    }

    /// Delivers these events and, from then on, all that are appended, in the same order; none is skipped,
    /// none comes twice. Where to begin is said as for reading; by default it is the first event.
    ///
    /// ```no_run
    /// use quipu::Store;
    ///
    /// let store = Store::open("orders.quipu")?;
    /// for event in store.category("order").subscribe()? {
    ///     let event = event?;
    ///     println!("{} {}", event.stream, event.event_type);
    /// }
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a name or query that no event can match, and for
    /// [`backward`](Selection::backward), [`limit`](Selection::limit) and [`until`](Selection::until), which
    /// have no meaning here; [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) where a stream is followed
    /// [from its end](Selection::from_end) and its last event cannot be read; what the system refuses.
    pub fn subscribe(self) -> Result<Subscription<From>> {
        self.selected.validate()?;
        let refused = match (self.way, self.recorded.1, self.limit) {
            (Way::Backward, ..) => Some("a subscription goes forward"),
            (_, Some(_), _) => Some("a subscription has no end in time"),
            (.., u64::MAX) => None,
            _ => Some("a subscription has no limit"),
        };
        if let Some(refused) = refused {
            return Err(Error::invalid(refused));
        }
        let segments = Arc::clone(self.segments);
        let keys = self.selected.keys(&segments.shelf.keys);
        let view = segments.latest()?;
        let range = self.times(&view)?;
        let wanted = Wanted { since: self.recorded.0, occurred: self.occurred };
        let mut version = Version(0);
        let source = match &self.selected {
            Selected::Stream(name) => {
                let opening = self.begin(&view, name, range)?;
                version = opening.from;
                self.by_version(view, opening)
            }
            _ => self.by_position(view, range),
        };
        let next = Next { position: source.reached(), version };
        let ear = segments.news().join(keys);
        Ok(Subscription::new(Feed::new(segments, source, wanted, next), ear))
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
        match (self.start, self.way) {
            (Start::At(from), Way::Forward) => range.start = range.start.max(Position(from)),
            (Start::At(from), Way::Backward) => range.end = range.end.min(Position(from).plus(1)),
            (Start::End, Way::Forward) => range.start = view.visible_position,
            (Start::First, _) | (Start::End, Way::Backward) => {}
        }
        if self.way == Way::Forward && self.selected.is_everything() {
            let walk = Walk::new(view, range.start, self.verify.check());
            return Source::Walk(Box::new(walk), range.end);
        }
        Source::Picks(Box::new(self.pick(view, range)))
    }

    fn by_version(self, view: View, opening: Opening) -> Source {
        let Opening { range, versions, .. } = opening;
        Source::Picks(Box::new(self.pick(view, range).with_versions(versions)))
    }

    /// Where reading a stream begins.
    fn begin(&self, view: &View, name: &str, range: Range<Position>) -> Result<Opening> {
        let mut stream = Stream::new(view, name);
        let from = match (self.start, self.way) {
            (Start::At(from), _) => Some(Version(from)),
            (Start::First, _) | (Start::End, Way::Backward) => None,
            (Start::End, Way::Forward) => {
                let (from, versions) = stream.end()?;
                return Ok(Opening { range: view.visible_position..range.end, versions, from });
            }
        };
        let (range, versions) = stream.begin(from, self.way, range)?;
        Ok(Opening { range, versions, from: from.unwrap_or(Version(0)) })
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
        self.start = Start::At(position.into().0);
        self
    }
}

impl Selection<'_, Version> {
    /// Begins at this version; reading backward it is the newest that is read.
    pub fn from(mut self, version: impl Into<Version>) -> Self {
        self.start = Start::At(version.into().0);
        self
    }
}

impl<From> fmt::Debug for Selection<'_, From> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection").field("selected", &self.selected).finish_non_exhaustive()
    }
}
