//! The kinds of failure.

/// The kinds of failure, each with what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A stream was not at the expected version, or an event matches what must not have happened. Nothing
    /// was written. Read again, decide again; [`Error::conflict`](crate::Error::conflict) says what is there, or
    /// [`Error::matched`](crate::Error::matched) where the event is.
    Conflict,
    /// Some events of the commit are stored already, under the same ids, and others are not: it is no
    /// retry of an earlier commit. Nothing was written. Read the stream and send only what is missing.
    Overlap,
    /// The arguments break a bound or contradict each other. Nothing was written. Correct the call.
    Invalid,
    /// The store is working at its limit and [`try_append`](crate::Store::try_append) does not wait, or the thread
    /// that asks is itself at work on it, as a `tracing` subscriber may be. Nothing was written. Try again later.
    Busy,
    /// There is no room on the disk. Nothing was written. Free space and try again: the store goes on
    /// by itself. Or the store has as many segments as its manifest can list, some 3.7 million.
    Full,
    /// The store, or this opening of it, is read-only. Open it for writing.
    ReadOnly,
    /// Another process, or another part of this one, has the store open for writing.
    InUse,
    /// There is no store at this path.
    NoStore,
    /// Bytes on disk are not what was written. What is damaged is never served; [`Error::damage`](crate::Error::damage) says
    /// where. Restore from a backup; without one, open read-only, or take what is left into a new store with
    /// [`salvage`](crate::salvage()).
    Damaged,
    /// Written by a newer version of Quipu. Use that version, or a newer one.
    Unsupported,
    /// An earlier write or sync failed, or a thread panicked at it, so the store refuses writes until it is
    /// opened anew. This write was *not written*. A subscription says so once it has delivered all that is visible.
    Poisoned,
    /// A write or sync failed, or a thread panicked, under this very commit: whether it is on disk is *unknown* until the
    /// store is opened anew. Reopen and look for the event ids.
    Unknown,
    /// The store has been closed. Nothing was written, and a subscription delivers no more.
    Closed,
    /// The operating system refused something else; its own words are the [source](std::error::Error::source).
    Io,
}

impl ErrorKind {
    /// A word for scripts and logs that never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            ErrorKind::Conflict => "conflict",
            ErrorKind::Overlap => "overlap",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Busy => "busy",
            ErrorKind::Full => "full",
            ErrorKind::ReadOnly => "read-only",
            ErrorKind::InUse => "in-use",
            ErrorKind::NoStore => "no-store",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Poisoned => "poisoned",
            ErrorKind::Unknown => "unknown-outcome",
            ErrorKind::Closed => "closed",
            ErrorKind::Io => "io",
        }
    }

    /// What to do next, in a sentence for people.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            ErrorKind::Conflict => "read the stream again and decide on what is there now",
            ErrorKind::Overlap => "read the stream and send only the events that are missing",
            ErrorKind::Invalid => "correct the call; nothing was written",
            ErrorKind::Busy => "try again in a moment, or use an append that waits",
            ErrorKind::Full => "free some space; the store goes on by itself, nothing was written",
            ErrorKind::ReadOnly => "open the store for writing",
            ErrorKind::InUse => "close the other writer, or open the store read-only",
            ErrorKind::NoStore => "check the path; a store is a directory with a file `manifest`",
            ErrorKind::Damaged => {
                "run `quipu verify` to see what is damaged; restore a backup, or take what is left with `quipu salvage`"
            }
            ErrorKind::Unsupported => {
                "use the version of Quipu that wrote the store, or a newer one"
            }
            ErrorKind::Poisoned => {
                "close the store, look at the disk, open it again; nothing was written"
            }
            ErrorKind::Unknown => {
                "close the store, look at the disk, open it again and look whether the events are there"
            }
            ErrorKind::Closed => "open the store again; nothing was written",
            ErrorKind::Io => "see the system's message; the call can be repeated",
        }
    }
}
