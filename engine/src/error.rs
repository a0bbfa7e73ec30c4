//! What can go wrong, and what to do next.

mod kind;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_format::{ByteOffset, FormatError, Position, Version};
use quipu_index::IndexError;

pub use self::kind::ErrorKind;
use crate::{ExpectedVersion, SalvageReport};

/// The result of a call to the store.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call to the store failed. Cheap to clone: one failed write is reported to all who waited.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    detail: String,
    cause: Option<io::Error>,
    about: About,
}

/// What an error is about, as data.
#[derive(Debug)]
enum About {
    Nothing,
    Stream(Conflict),
    /// An event that stands in the way of a condition or a retry.
    Event(Position),
    Bytes(Damage),
    /// What a newer version wrote, told as damage is.
    Newer(Damage),
    /// An index file, and not the log.
    Index,
    /// A copy that is whole and may lose its name.
    Copy(Box<SalvageReport>),
}

/// A stream was not where the writer expected it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The stream.
    pub stream: String,
    /// What the writer expected.
    pub expected: ExpectedVersion,
    /// The stream's last version; `None` if it does not exist.
    pub actual: Option<Version>,
}

/// Where bytes on disk are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// First damaged byte, as far as it can be told.
    pub offset: ByteOffset,
    /// Bytes that cannot be believed.
    pub bytes: u64,
    /// Positions of the events that cannot be served.
    pub positions: Range<Position>,
    /// What is wrong, in words.
    pub what: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Error {
        Error::build(kind, detail.into(), None, About::Nothing)
    }

    fn build(kind: ErrorKind, detail: String, cause: Option<io::Error>, about: About) -> Error {
        Error { inner: Arc::new(Inner { kind, detail, cause, about }) }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, detail)
    }

    /// An error of the operating system while doing `what` to `path`.
    pub(crate) fn io(what: &str, path: &Path, cause: io::Error) -> Error {
        let kind = if quipu_disk::is_full(&cause) { ErrorKind::Full } else { ErrorKind::Io };
        Error::because(kind, format!("{what} {}", path.display()), cause)
    }

    pub(crate) fn because(kind: ErrorKind, detail: String, cause: io::Error) -> Error {
        Error::build(kind, detail, Some(cause), About::Nothing)
    }

    pub(crate) fn conflicting(conflict: Conflict) -> Error {
        let there = match conflict.actual {
            Some(version) => format!("is at version {version}"),
            None => "does not exist".to_owned(),
        };
        let detail =
            format!("stream {:?} {there}, but {} was expected", conflict.stream, conflict.expected);
        Error::build(ErrorKind::Conflict, detail, None, About::Stream(conflict))
    }

    /// The event at this position matches what must not have happened.
    pub(crate) fn condition(position: Position) -> Error {
        let detail = format!("the event at position {position} matches the condition's query");
        Error::build(ErrorKind::Conflict, detail, None, About::Event(position))
    }

    /// The event at this position carries the id of one of the commit's events.
    pub(crate) fn repeated(position: Position) -> Error {
        let detail = format!(
            "the event at position {position} has the id of one of the commit's events, which is no \
             retry of the commit it came with"
        );
        Error::build(ErrorKind::Overlap, detail, None, About::Event(position))
    }

    pub(crate) fn damaged(damage: Damage) -> Error {
        let Damage { file, offset, bytes, what, .. } = &damage;
        let detail = format!("{} at offset {offset} ({bytes} bytes): {what}", file.display());
        Error::build(ErrorKind::Damaged, detail, None, About::Bytes(damage))
    }

    /// An error in the bytes at `offset` of `file`.
    pub(crate) fn format(file: &Path, offset: ByteOffset, error: &FormatError) -> Error {
        let place = Damage {
            file: file.to_owned(),
            offset,
            bytes: 0,
            positions: Position(0)..Position(0),
            what: error.to_string(),
        };
        if let FormatError::Unsupported { .. } = error {
            let detail = format!("{} at offset {offset}: {error}", file.display());
            return Error::build(ErrorKind::Unsupported, detail, None, About::Newer(place));
        }
        Error::damaged(place)
    }

    /// An index that cannot be used, and cannot be made anew either; `place` is the file, if it is known.
    pub(crate) fn index(place: Option<&Path>, error: IndexError) -> Error {
        let place = place.map_or_else(|| "an index".to_owned(), |path| path.display().to_string());
        let (kind, cause) = match error {
            IndexError::Io(cause) => {
                return Error::because(ErrorKind::Io, format!("reading {place}"), cause);
            }
            IndexError::Unsupported(_) => (ErrorKind::Unsupported, error),
            _ => (ErrorKind::Damaged, error),
        };
        Error::build(kind, format!("{place}: {cause}"), None, About::Index)
    }

    /// The log itself says something else than what an index must know.
    pub(crate) fn of_index(detail: String) -> Error {
        Error::build(ErrorKind::Damaged, detail, None, About::Index)
    }

    /// Where the bytes stand that only a newer version can read, if this is about such.
    pub(crate) fn newer(&self) -> Option<&Damage> {
        match &self.inner.about {
            About::Newer(place) => Some(place),
            _ => None,
        }
    }

    /// Whether this is about what an index holds. The log is not concerned, and no event is the reason.
    pub(crate) fn is_of_index(&self) -> bool {
        matches!(self.inner.about, About::Index)
    }

    /// Whether something is missing that there may be later: room, or a descriptor. What was to be done can be tried again.
    pub(crate) fn is_shortage(&self) -> bool {
        self.kind() == ErrorKind::Full || self.lacks_descriptor()
    }

    /// Whether there was no descriptor to be had.
    pub(crate) fn lacks_descriptor(&self) -> bool {
        self.inner.cause.as_ref().is_some_and(quipu_disk::is_short)
    }

    /// Whether something has failed because of a bad sector.
    pub(crate) fn is_of_bad_sector(&self) -> bool {
        self.inner.cause.as_ref().is_some_and(quipu_disk::is_unreadable)
    }

    /// Whether events cannot be served because of what stands in the log, however often they are asked for.
    pub(crate) fn is_of_events(&self) -> bool {
        matches!(self.kind(), ErrorKind::Damaged | ErrorKind::Unsupported) && !self.is_of_index()
    }

    /// A copy in this directory that is whole and verified, and whose name may not be durable.
    pub(crate) fn unsynced_copy(path: &Path, report: SalvageReport, cause: io::Error) -> Error {
        let detail = format!(
            "the copy in {} is whole and verified, and a power cut may take it back: syncing its directory",
            path.display()
        );
        Error::build(ErrorKind::Unknown, detail, Some(cause), About::Copy(Box::new(report)))
    }

    pub(crate) fn closed() -> Error {
        Error::new(ErrorKind::Closed, "the store is closed")
    }

    /// A thread panicked while this went on, and said so. Where that is to poison the log.
    pub(crate) fn panicked(during: &str, words: &str) -> Error {
        Error::new(ErrorKind::Unknown, format!("a thread panicked while {during}: {words}"))
    }

    /// This failure as it looks to a commit that was begun.
    pub(crate) fn unknown(&self) -> Error {
        self.after(ErrorKind::Unknown, "outcome unknown")
    }

    /// This failure as it looks to a commit that was not begun.
    pub(crate) fn not_written(&self) -> Error {
        self.after(ErrorKind::Poisoned, "not written")
    }

    fn after(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("{what}: {self}"))
    }

    /// What kind of failure it is; each kind says what to do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// A word for scripts and logs that never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind().code()
    }

    /// What to do next, in a sentence for people.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match (&self.inner.about, self.kind()) {
            (About::Index, ErrorKind::Damaged) => {
                "run `quipu rebuild-index`, which makes the indexes anew from the log; no event is concerned"
            }
            (About::Copy(_), _) => {
                "keep the source until the disk has been looked at and synced, and `quipu verify` finds the copy there"
            }
            _ if self.inner.cause.as_ref().is_some_and(quipu_disk::is_system_short) => {
                "let the system have more files open: `sysctl fs.file-max`; or look who has so many"
            }
            _ if self.lacks_descriptor() => {
                "let the process have more files open: `ulimit -n`, or `LimitNOFILE=` of its service"
            }
            (_, kind) => kind.advice(),
        }
    }

    /// What was expected of a stream and what is there, if this is a conflict about a stream.
    #[must_use]
    pub fn conflict(&self) -> Option<&Conflict> {
        match &self.inner.about {
            About::Stream(conflict) => Some(conflict),
            _ => None,
        }
    }

    /// Position of the event that matches a condition, or that carries an id of the commit's.
    #[must_use]
    pub fn matched(&self) -> Option<Position> {
        match &self.inner.about {
            About::Event(position) => Some(*position),
            _ => None,
        }
    }

    /// What was kept and what is lost, if this is about a copy that a salvage has made: it is there, whole and verified,
    /// and a power cut may take it back.
    #[must_use]
    pub fn salvaged(&self) -> Option<&SalvageReport> {
        match &self.inner.about {
            About::Copy(report) => Some(report),
            _ => None,
        }
    }

    /// Where the damage is, if this is about damage.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        match &self.inner.about {
            About::Bytes(damage) => Some(damage),
            _ => None,
        }
    }
}

impl From<IndexError> for Error {
    /// An index that cannot be used, and cannot be made anew either.
    fn from(error: IndexError) -> Error {
        Error::index(None, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.detail)?;
        match &self.inner.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.code())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.cause.as_ref().map(|cause| cause as _)
    }
}
