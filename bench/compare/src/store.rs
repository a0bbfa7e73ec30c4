//! What a store must be able to do to take part.

use serde::{Deserialize, Serialize};

use crate::failure::Result;

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// After the disk has it: survives a power cut.
    Sync,
    /// After the operating system has it: survives a killed process.
    Os,
}

/// The last event of a stream that a writer has seen. Stores with versions check the version, those with conditions
/// over queries (DCB) the position: either way an append is refused if the stream has gone on since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its number within the stream, from 0.
    pub(crate) version: u64,
    /// Its number in the whole store, from 0.
    pub(crate) position: u64,
}

/// An event to be appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: &'a str,
    pub(crate) payload: &'a [u8],
    /// With a `:` in it, which names of streams do not have.
    pub(crate) tag: Option<&'a str>,
}

/// An append fails if an event after this position, or any event at all, has this tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition<'a> {
    pub(crate) tag: &'a str,
    pub(crate) after: Option<u64>,
}

/// Events for one stream, all or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Append<'a> {
    pub(crate) stream: &'a str,
    /// Nothing for a stream that the writer expects not to exist.
    pub(crate) seen: Option<Seen>,
    /// In its presence, what was seen of the stream need not be checked: the condition covers it.
    pub(crate) condition: Option<Condition<'a>>,
    /// At least one.
    pub(crate) events: &'a [Entry<'a>],
}

impl Append<'_> {
    /// The version of the first of the events.
    pub(crate) fn first_version(&self) -> u64 {
        self.seen.map_or(0, |seen| seen.version + 1)
    }

    /// The last event, once it is known where the first one lies.
    pub(crate) fn done(&self, first_position: u64) -> Seen {
        let further = self.events.len() as u64 - 1;
        Seen { version: self.first_version() + further, position: first_position + further }
    }
}

/// An event that a store is filled with before a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) stream: &'a str,
    pub(crate) version: u64,
    pub(crate) entry: Entry<'a>,
}

/// An event as it is given back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) position: u64,
    /// Nothing from stores that know no versions.
    pub(crate) version: Option<u64>,
    pub(crate) stream: &'a str,
    pub(crate) payload: &'a [u8],
}

/// Is shown one event after the other.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&Found<'_>);

/// A store that takes part. Appends come from many threads at once.
pub(crate) trait Store: Send + Sync {
    /// Appends to one stream and waits until it is acknowledged; tells the last event.
    fn append(&self, append: &Append<'_>) -> Result<Seen>;

    /// Appends events of many streams at once, in this order: fills a store, and is not measured.
    fn load(&self, events: &[Planned<'_>]) -> Result<()>;

    /// Reads, for one thread.
    fn reader(&self) -> Result<Box<dyn Reader + '_>>;

    /// Appends without waiting, for one thread; nothing where the store has no such call.
    fn flight(&self) -> Option<Box<dyn Flight + '_>> {
        None
    }

    /// Closes the store as its documentation asks for.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Reads, as a careful user would for many reads from one thread.
pub(crate) trait Reader {
    /// A stream, in the order of its versions.
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()>;

    /// The events with a tag, in the order of their positions.
    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()>;

    /// Everything, in the order of the positions.
    fn all(&mut self, visit: Visit<'_>) -> Result<()>;

    /// The same without checksums, where the store offers that; else as it always reads.
    fn all_unverified(&mut self, visit: Visit<'_>) -> Result<()> {
        self.all(visit)
    }
}

/// Appends of one thread that are on their way.
pub(crate) trait Flight {
    fn submit(&mut self, append: &Append<'_>) -> Result<()>;

    /// Waits for the oldest one.
    fn settle(&mut self) -> Result<Seen>;
}
