//! Events: to write, and as read.

use std::borrow::Cow;

use quipu_format::record::{Check, Codec, Record, Tags};
use quipu_format::{Position, Timestamp, Version};
use serde::Serialize;
use serde::de::Deserialize;
use uuid::Uuid;

use crate::plant::{self, Bug};
use crate::{Error, Result};

/// An event to be appended. It borrows what it is given by reference and owns the rest.
///
/// ```
/// use quipu::NewEvent;
///
/// let placed = NewEvent::json("OrderPlaced", &serde_json::json!({ "total": 42 }))?
///     .tag("customer:7")
///     .metadata(b"{}".as_slice());
/// # let _ = placed;
/// # Ok::<(), quipu::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent<'a> {
    pub(crate) kind: Cow<'a, str>,
    pub(crate) payload: Cow<'a, [u8]>,
    pub(crate) codec: Codec,
    pub(crate) metadata: Cow<'a, [u8]>,
    pub(crate) tags: Vec<Cow<'a, str>>,
    pub(crate) id: Option<Uuid>,
    pub(crate) occurred: Option<Timestamp>,
}

impl<'a> NewEvent<'a> {
    /// An event of this type (1 to 255 bytes) whose payload is bytes of the application's own, at most
    /// 16 MiB.
    #[must_use]
    pub fn new(
        event_type: impl Into<Cow<'a, str>>,
        payload: impl Into<Cow<'a, [u8]>>,
    ) -> NewEvent<'a> {
        NewEvent {
            kind: event_type.into(),
            payload: payload.into(),
            codec: Codec::Bytes,
            metadata: Cow::Borrowed(&[]),
            tags: Vec::new(),
            id: None,
            occurred: None,
        }
    }

    /// An event of this type whose payload is `value` as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `value` cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(
        event_type: impl Into<Cow<'a, str>>,
        value: &T,
    ) -> Result<NewEvent<'a>> {
        let payload = serde_json::to_vec(value)
            .map_err(|error| Error::invalid(format!("payload as JSON: {error}")))?;
        Ok(NewEvent::new(event_type, payload).codec(Codec::Json))
    }

    /// Says how the payload is encoded. One without a name has a number from 5 to 15.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> NewEvent<'a> {
        self.codec = codec;
        self
    }

    /// Adds a tag (1 to 255 bytes); an event takes up to 32.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Cow<'a, str>>) -> NewEvent<'a> {
        self.tags.push(tag.into());
        self
    }

    /// Adds tags, as [`tag`](NewEvent::tag) adds one.
    ///
    /// ```
    /// use quipu::NewEvent;
    ///
    /// let event = NewEvent::new("OrderPlaced", b"".as_slice()).tags(["customer:7", "region:EU"]);
    /// assert_eq!(event, NewEvent::new("OrderPlaced", b"".as_slice()).tag("customer:7").tag("region:EU"));
    /// ```
    #[must_use]
    pub fn tags<T: Into<Cow<'a, str>>>(
        mut self,
        tags: impl IntoIterator<Item = T>,
    ) -> NewEvent<'a> {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Sets the metadata: opaque bytes, at most 64 KiB.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<Cow<'a, [u8]>>) -> NewEvent<'a> {
        self.metadata = metadata.into();
        self
    }

    /// Gives the event an id of the writer's own; without one it gets a UUID version 7.
    #[must_use]
    pub fn id(mut self, id: Uuid) -> NewEvent<'a> {
        self.id = Some(id);
        self
    }

    /// Says when it happened in the world.
    #[must_use]
    pub fn occurred(mut self, at: Timestamp) -> NewEvent<'a> {
        self.occurred = Some(at);
        self
    }
}

/// An event of the store, read in place: it borrows from the log.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    record: Record<'a>,
    position: Position,
    recorded: Timestamp,
}

impl<'a> Event<'a> {
    pub(crate) fn new(record: Record<'a>, position: Position, recorded: Timestamp) -> Event<'a> {
        Event { record, position, recorded }
    }

    /// Name of the stream.
    #[must_use]
    pub fn stream(&self) -> &'a str {
        self.record.stream()
    }

    /// The event's number within its stream.
    #[must_use]
    pub fn version(&self) -> Version {
        self.record.version()
    }

    /// The event's number in the whole store.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Type of the event.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.record.kind()
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        self.record.id().map(Uuid::from_bytes)
    }

    /// When the store committed it; never goes backwards along positions.
    #[must_use]
    pub fn recorded(&self) -> Timestamp {
        self.recorded
    }

    /// When it happened in the world, if the writer said so.
    #[must_use]
    pub fn occurred(&self) -> Option<Timestamp> {
        self.record.occurred()
    }

    /// The tags, in the writer's order.
    #[must_use]
    pub fn tags(&self) -> Tags<'a> {
        self.record.tags()
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &'a [u8] {
        self.record.metadata()
    }

    /// The payload, at an address that is a multiple of 16.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.record.payload()
    }

    /// How the payload is encoded.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.record.codec()
    }

    /// Reads the payload as JSON; what `T` borrows is borrowed from the log.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the payload is not JSON of this shape.
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T> {
        serde_json::from_slice(self.payload())
            .map_err(|error| Error::invalid(format!("payload as JSON: {error}")))
    }

    /// A copy that lives on.
    #[must_use]
    pub fn to_owned(&self) -> OwnedEvent {
        OwnedEvent {
            stream: self.stream().to_owned(),
            version: self.version(),
            position: self.position(),
            event_type: self.event_type().to_owned(),
            id: self.id(),
            recorded: self.recorded(),
            occurred: self.occurred(),
            tags: self.tags().map(str::to_owned).collect(),
            metadata: self.metadata().to_vec(),
            payload: self.payload().to_vec(),
            codec: self.codec(),
        }
    }
}

/// An event that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedEvent {
    /// Name of the stream.
    pub stream: String,
    /// The event's number within its stream.
    pub version: Version,
    /// The event's number in the whole store.
    pub position: Position,
    /// Type of the event.
    pub event_type: String,
    /// The event's id.
    pub id: Option<Uuid>,
    /// When the store committed it.
    pub recorded: Timestamp,
    /// When it happened in the world, if the writer said so.
    pub occurred: Option<Timestamp>,
    /// The tags, in the writer's order.
    pub tags: Vec<String>,
    /// The metadata.
    pub metadata: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// How the payload is encoded.
    pub codec: Codec,
}

/// Whether each read sums the bytes it serves.
///
/// ```
/// use quipu::{ExpectedVersion, NewEvent, Store, Verify};
///
/// let store = Store::builder("orders.quipu").in_memory().open()?;
/// store.append("order-42", ExpectedVersion::Any, [NewEvent::new("Paid", b"5".as_slice())])?;
/// // A replay of what was verified as a whole a moment ago.
/// let mut events = store.all().verify(Verify::Never).events()?;
/// assert_eq!(events.next()?.map(|event| event.payload().to_vec()), Some(b"5".to_vec()));
/// # Ok::<(), quipu::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Every record, every time.
    #[default]
    Always,
    /// Never: only for bytes that were verified before.
    Never,
}

impl Verify {
    pub(crate) fn check(self) -> Check {
        match self {
            Verify::Always if plant::is_in(Bug::ChecksumSkipped) => Check::Trust,
            Verify::Always => Check::Sum,
            Verify::Never => Check::Trust,
        }
    }
}
