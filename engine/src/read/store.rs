//! What a store can be asked for.

use quipu_format::{Position, Version};
use quipu_index::StreamHead;

use super::{Selected, Selection, Stream, Streams};
use crate::{Query, Result, Store};

impl Store {
    /// All events, in the order of their positions.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// store.append("a", ExpectedVersion::Any, [NewEvent::new("Noted", b"".as_slice())])?;
    /// let mut events = store.all().from(0).events()?;
    /// while let Some(event) = events.next()? {
    ///     println!("{} {} {}", event.position(), event.stream(), event.event_type());
    /// }
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn all(&self) -> Selection<'_> {
        Selection::new(self.segments(), Selected::All)
    }

    /// The events of a stream, in the order of their versions. A stream that does not exist has none.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let event = || NewEvent::new("Noted", b"".as_slice());
    /// store.append("order-42", ExpectedVersion::NoStream, [event(), event()])?;
    /// let mut events = store.stream("order-42").from(1).events()?;
    /// assert_eq!(events.next()?.map(|event| event.version().0), Some(1));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn stream(&self, name: &str) -> Selection<'_, Version> {
        Selection::new(self.segments(), Selected::Stream(name.into()))
    }

    /// The events of all streams of a category: of those whose names go on with a `-` behind it.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let event = || NewEvent::new("Noted", b"".as_slice());
    /// store.append("order-42", ExpectedVersion::NoStream, [event()])?;
    /// store.append("orders", ExpectedVersion::NoStream, [event()])?;
    /// let mut events = store.category("order").events()?;
    /// assert_eq!(events.next()?.map(|event| event.stream()), Some("order-42"));
    /// assert!(events.next()?.is_none());
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn category(&self, category: &str) -> Selection<'_> {
        Selection::new(self.segments(), Selected::Category(category.into()))
    }

    /// The events of a type.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let events = ["Placed", "Paid"].map(|kind| NewEvent::new(kind, b"".as_slice()));
    /// store.append("order-42", ExpectedVersion::NoStream, events)?;
    /// let mut paid = store.event_type("Paid").events()?;
    /// assert_eq!(paid.next()?.map(|event| event.version().0), Some(1));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn event_type(&self, event_type: &str) -> Selection<'_> {
        Selection::new(self.segments(), Selected::EventType(event_type.into()))
    }

    /// The events that carry a tag.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let placed = NewEvent::new("Placed", b"".as_slice()).tag("customer:7");
    /// store.append("order-42", ExpectedVersion::NoStream, [placed])?;
    /// let mut events = store.tag("customer:7").events()?;
    /// assert_eq!(events.next()?.map(|event| event.stream()), Some("order-42"));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn tag(&self, tag: &str) -> Selection<'_> {
        Selection::new(self.segments(), Selected::Tag(tag.into()))
    }

    /// The events that a query matches.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Query, QueryItem, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let placed = NewEvent::new("Placed", b"".as_slice()).tag("customer:7").tag("express");
    /// store.append("order-42", ExpectedVersion::NoStream, [placed])?;
    /// let express = QueryItem::new().event_type("Placed").tag("express").tag("customer:7");
    /// let mut events = store.query(Query::new().item(express)).events()?;
    /// assert!(events.next()?.is_some());
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn query(&self, query: Query) -> Selection<'_> {
        Selection::new(self.segments(), Selected::Query(query))
    }

    /// The last event of a stream, as far as it is visible: its version and position. None if there is no
    /// such stream.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let done = store.append("a", ExpectedVersion::Any, [NewEvent::new("A", b"".as_slice())])?;
    /// assert_eq!(store.head("a")?.map(|head| head.position), Some(done.position));
    /// assert_eq!(store.head("b")?, None);
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if that event cannot be read, or if events are lost of
    /// which nobody knows any more whether they came behind it in this stream;
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a name that no stream can have; what the
    /// system refuses.
    pub fn head(&self, stream: &str) -> Result<Option<StreamHead>> {
        Stream::find(&self.segments().latest()?, stream)?.head()
    }

    /// The names of all streams that begin so, in the order of their bytes. An empty prefix asks for all. Before
    /// the names come errors, one for each range of lost events that may have begun streams.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// for name in ["order-2", "order-1", "customer-7"] {
    ///     store.append(name, ExpectedVersion::Any, [NewEvent::new("A", b"".as_slice())])?;
    /// }
    /// let names: Vec<String> = store.streams("order-")?.collect::<quipu::Result<_>>()?;
    /// assert_eq!(names, ["order-1", "order-2"]);
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the system refuses.
    pub fn streams(&self, prefix: &str) -> Result<Streams> {
        Streams::new(self.segments().latest()?, prefix)
    }

    /// The position that the next event to become visible will get: the number of events.
    #[must_use]
    pub fn next_position(&self) -> Position {
        // What cannot be looked at now is no news; reading says why.
        let _ = self.segments().refresh();
        self.segments().visible_position()
    }
}
