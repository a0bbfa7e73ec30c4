//! What a store was asked and what it answered, as data: the input of the checker.

use quipu::{Durability, ExpectedVersion};

/// A stream, by its place among [`STREAMS`](crate::content::STREAMS).
pub type Stream = u16;

/// The number of a submitted commit, given out from 0 on.
pub type Commit = u32;

/// The number of a follower, given out from 0 on.
pub type Follower = u32;

/// An event of a submitted commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its id, which no other event has; of one that is sent without an id its number.
    pub id: u64,
    /// A digest of all that the writer said of it.
    pub digest: u64,
}

/// What a commit does to one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The stream.
    pub stream: Stream,
    /// What is expected of it before the commit.
    pub expected: ExpectedVersion,
    /// What is appended; nothing to a stream that is only checked.
    pub events: Vec<Written>,
}

/// An event as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its position in the store.
    pub position: u64,
    /// Its stream.
    pub stream: Stream,
    /// Its version in the stream.
    pub version: u64,
    /// Its id; 0 if that is none that a test gave.
    pub id: u64,
    /// A digest of its bytes.
    pub digest: u64,
    /// When it was recorded, in microseconds.
    pub recorded: i64,
}

/// Which events are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those of a stream.
    Stream(Stream),
    /// Those of the streams of a category.
    Category(&'static str),
    /// Those that any item of a query matches.
    Query(Vec<Item>),
}

/// An item of a query: any of the types, all of the tags, by their places in
/// [`TYPES`](crate::content::TYPES) and [`TAGS`](crate::content::TAGS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Any of these; none means every type.
    pub types: Vec<usize>,
    /// All of these.
    pub tags: Vec<usize>,
}

/// In which order events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they were committed.
    Forward,
    /// The newest first.
    Backward,
}

/// A read by what events are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which events.
    pub selection: Selection,
    /// In which order.
    pub order: Order,
    /// The position, or in a stream the version, at which it begins; nothing is the first or the last.
    pub from: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

/// What must not have happened for a commit to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// No event may match any of these.
    pub items: Vec<Item>,
    /// Up to this position they may.
    pub after: Option<u64>,
}

/// What a commit became, by the store's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Position of its first event.
    pub first_position: u64,
    /// Position of its last event.
    pub position: u64,
    /// Version of its last event.
    pub version: u64,
    /// When it was recorded, in microseconds.
    pub recorded: i64,
}

/// How a commit failed after it had its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is not on disk and never will be.
    NotWritten,
    /// Nobody knows before the store is opened anew.
    Unknown,
}

/// How a life of the store ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process died: what it had written is there.
    Killed,
    /// The power went off: what it had not synced may be gone.
    PowerCut,
}

/// How the last writer of a store has ended that nobody has recovered since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWriter {
    /// Well, or with the power.
    Sound,
    /// A write or sync of its had failed: no more is shown than it has told.
    Failed,
    /// In whichever way, and what it has left could not be synced: it may be that no more is shown than later frames call
    /// durable.
    Unproven,
}

/// One thing that happened. `visible` is always the position that the next event to become visible
/// will get, as the store says it at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The store was opened; these are all its events.
    Opened {
        /// Whether the store says that it is new.
        created: bool,
        /// The position after the last event.
        visible: u64,
        /// What was read.
        events: Vec<Seen>,
    },
    /// The store was opened, and there was no room to recover it; these are the events that it shows meanwhile.
    Postponed {
        /// The position after the last event.
        visible: u64,
        /// What was read.
        events: Vec<Seen>,
        /// How its last writer ended.
        writer: LastWriter,
    },
    /// There was room to recover the store, which was open.
    Recovered {
        /// The position after the last event.
        visible: u64,
    },
    /// A commit got its place, after all that got theirs before.
    Placed {
        /// Its number.
        commit: Commit,
        /// What it does.
        parts: Vec<Part>,
        /// What must not have happened before.
        condition: Option<Condition>,
    },
    /// A commit was not taken because it had been before; this is the answer.
    Repeated {
        /// What it would have done.
        parts: Vec<Part>,
        /// What was promised.
        durability: Durability,
        /// What was said.
        receipt: Receipt,
        /// The bound of readers.
        visible: u64,
    },
    /// A commit was refused because some of its events are there, in another commit.
    Overlaps {
        /// Its number.
        commit: Commit,
        /// What it would have done.
        parts: Vec<Part>,
        /// Position of one of these events, as the answer names it.
        position: u64,
    },
    /// A commit was refused for a reason that has nothing to do with what it is.
    Declined {
        /// Its number.
        commit: Commit,
        /// What it would have done.
        parts: Vec<Part>,
        /// What it asked to be promised.
        durability: Durability,
    },
    /// A commit was refused because of an event that its condition forbids.
    Barred {
        /// Its number.
        commit: Commit,
        /// What it would have done.
        parts: Vec<Part>,
        /// The condition.
        condition: Condition,
        /// Position of the event, as the answer names it.
        position: u64,
    },
    /// A commit was acknowledged.
    Acknowledged {
        /// Its number.
        commit: Commit,
        /// What was promised.
        durability: Durability,
        /// What was said.
        receipt: Receipt,
        /// The bound of readers.
        visible: u64,
    },
    /// A commit that had its place failed.
    Failed {
        /// Its number.
        commit: Commit,
        /// What was said.
        outcome: Outcome,
    },
    /// A commit was refused because of a stream.
    Conflict {
        /// Its number.
        commit: Commit,
        /// What it would have done.
        parts: Vec<Part>,
        /// The stream, as the answer names it.
        stream: Stream,
        /// What was expected, as the answer names it.
        expected: ExpectedVersion,
        /// Where the stream is, as the answer names it.
        actual: Option<u64>,
    },
    /// The writer was told of the conflict.
    Told {
        /// The refused commit.
        commit: Commit,
        /// The bound of readers.
        visible: u64,
    },
    /// A reader looked how far it may read.
    Looked {
        /// The bound of readers.
        visible: u64,
    },
    /// A reader got these, beginning at `from`, from a cursor that was opened at `visible`.
    Read {
        /// Where it began.
        from: u64,
        /// Where it could not go on.
        visible: u64,
        /// What it got.
        events: Vec<Seen>,
    },
    /// A reader got these, by what they are about, from a cursor that was opened at `visible`.
    Selected {
        /// What it asked.
        question: Question,
        /// The bound of readers.
        visible: u64,
        /// What it got.
        events: Vec<Seen>,
    },
    /// Somebody follows the store from here on, as long as it is open.
    Follows {
        /// Its number.
        follower: Follower,
        /// Which events it is to get.
        selection: Selection,
        /// The position, or of a stream the version, at which it begins; nothing is behind all that is
        /// visible.
        from: Option<u64>,
        /// The bound of readers.
        visible: u64,
    },
    /// A follower got its next event.
    Delivered {
        /// The follower.
        follower: Follower,
        /// The bound of readers.
        visible: u64,
        /// The event.
        event: Seen,
    },
    /// A follower got no event, because there is no more for it.
    CaughtUp {
        /// The follower.
        follower: Follower,
        /// The bound of readers.
        visible: u64,
    },
    /// A reader that came while nobody wrote got these, and would have got no more.
    Shown {
        /// Where it began.
        from: u64,
        /// What it got.
        events: Vec<Seen>,
        /// How the last writer ended.
        writer: LastWriter,
    },
    /// Another process came between two calls of the store to its disk, or could not see all that is visible, and got
    /// these. It would have got no more.
    Glimpsed {
        /// Where it began.
        from: u64,
        /// What it got.
        events: Vec<Seen>,
        /// What it asked then, and was answered.
        asked: Option<(Question, Vec<Seen>)>,
    },
    /// The store was closed in order.
    Closed,
    /// The life of the store ended otherwise.
    Crashed(Crash),
}
