//! A store: open it, append to it, read it, close it.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use quipu_disk::{Disk, Lock};

use crate::commit::Commit;
use crate::directory::Directory;
use crate::draft::{Context, Draft};
use crate::follow::Ending;
use crate::open::{Builder, Writer, make_ready, segments_of};
use crate::recovery::Opening;
use crate::segments::Segments;
use crate::ticket::{Appended, Ticket};
use crate::{Error, ErrorKind, ExpectedVersion, NewEvent, Options, Result};

/// An event store.
///
/// ```
/// use quipu::{ExpectedVersion, NewEvent, Options, Store};
///
/// let store = Store::builder("orders.quipu").in_memory().open()?;
/// let placed = NewEvent::json("OrderPlaced", &serde_json::json!({ "total": 42 }))?;
/// let done = store.append("order-42", ExpectedVersion::NoStream, [placed])?;
/// assert_eq!(done.version.0, 0);
///
/// let mut events = store.all().events()?;
/// while let Some(event) = events.next()? {
///     println!("{} {}", event.stream(), event.event_type());
/// }
/// store.close()?;
/// # Ok::<(), quipu::Error>(())
/// ```
pub struct Store {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    segments: Arc<Segments>,
    options: Options,
    opening: Opening,
    /// The writing half; missing in a store that is read-only, or could not be recovered for want of
    /// room.
    writer: OnceLock<Writer>,
    /// Held while a late recovery is under way.
    recovering: Mutex<()>,
    /// Keeps other writers out; missing in a store that is read-only. Let go last.
    lock: Option<Lock>,
}

impl Store {
    /// Opens the store in this directory for writing; creates it where there is none.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::builder(path).open()
    }

    /// A store with options of one's own, to be opened.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(path.as_ref())
    }

    /// A store that can be read, and not yet written.
    pub(crate) fn assemble(
        builder: Builder,
        segments: Arc<Segments>,
        opening: Opening,
        lock: Option<Lock>,
    ) -> Store {
        let Builder { path, disk, options } = builder;
        Store {
            path,
            disk,
            segments,
            options,
            opening,
            writer: OnceLock::new(),
            recovering: Mutex::new(()),
            lock,
        }
    }

    /// Adds the writing half.
    pub(crate) fn set_writer(&self, writer: Writer) {
        let _ = self.writer.set(writer);
    }

    /// Appends events to one stream and waits until they are acknowledged.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the stream is not as expected; [`ErrorKind::Invalid`] for arguments
    /// out of bounds; [`ErrorKind::Full`]; [`ErrorKind::ReadOnly`]; [`ErrorKind::Poisoned`] and
    /// [`ErrorKind::Unknown`] after a failed write or sync.
    pub fn append<'e>(
        &self,
        stream: &str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> Result<Appended> {
        let writer = self.writer()?;
        writer.running.append(&mut self.draft(writer, stream, expected, events)?)
    }

    /// Appends events to one stream; the ticket says when they are acknowledged. Waits only for room.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_async<'e>(
        &self,
        stream: &str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> Result<Ticket> {
        let writer = self.writer()?;
        writer.running.submit(&mut self.draft(writer, stream, expected, events)?)
    }

    /// As [`Store::append_async`], and does not wait for room either.
    ///
    /// # Errors
    /// As [`Store::append`], and [`ErrorKind::Busy`] where it would have to wait.
    pub fn try_append<'e>(
        &self,
        stream: &str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> Result<Ticket> {
        let writer = self.writer()?;
        writer.running.try_submit(&mut self.draft(writer, stream, expected, events)?)
    }

    fn draft<'s, 'e>(
        &self,
        writer: &Writer,
        stream: &'s str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> Result<Draft<'s>> {
        let mut draft = Draft::new(self.options.durability);
        draft.append(&self.context(writer), stream, expected, events)?;
        draft.finish()
    }

    /// A commit over several streams, all or nothing.
    ///
    /// # Errors
    /// [`ErrorKind::ReadOnly`] if the store cannot be written.
    pub fn commit(&self) -> Commit<'_, '_> {
        Commit::new(self, self.options.durability)
    }

    pub(crate) fn submit(&self, draft: &mut Draft<'_>) -> Result<Ticket> {
        self.writer()?.running.submit(draft)
    }

    pub(crate) fn try_submit(&self, draft: &mut Draft<'_>) -> Result<Ticket> {
        self.writer()?.running.try_submit(draft)
    }

    pub(crate) fn with_context<T>(&self, act: impl FnOnce(&Context<'_>) -> Result<T>) -> Result<T> {
        let writer = self.writer()?;
        act(&self.context(writer))
    }

    fn context<'w>(&'w self, writer: &'w Writer) -> Context<'w> {
        Context {
            keys: &self.segments.shelf.keys,
            ids: &writer.ids,
            disk: &*self.disk,
            index_ids: self.options.id_segments > 0,
        }
    }

    fn writer(&self) -> Result<&Writer> {
        match self.writer.get() {
            Some(writer) => Ok(writer),
            None => self.recover_late(),
        }
    }

    /// Makes up for a recovery that found no room.
    fn recover_late(&self) -> Result<&Writer> {
        if self.lock.is_none() {
            return Err(Error::new(ErrorKind::ReadOnly, "the store was opened read-only"));
        }
        let _alone = self.recovering.lock();
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let directory = Directory::new(&self.path);
        let ready = make_ready(&self.disk, &directory, &self.options)?;
        let recovered = segments_of(&self.disk, &ready, &self.options)?;
        self.segments.adopt(&recovered);
        let writer = Writer::start(&self.disk, &directory, ready, &self.segments, &self.options)?;
        Ok(self.writer.get_or_init(|| writer))
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// What opening found and did.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// What the store did since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Some(writer) = self.writer.get() else { return Stats::default() };
        let counters = &writer.running.log().counters;
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&counters.commits),
            events: read(&counters.events),
            groups: read(&counters.groups),
            bytes_written: read(&counters.bytes),
            syncs: read(&counters.syncs),
            conflicts: read(&counters.conflicts),
            waits: read(&counters.waits),
            streams_created: writer.running.log().pipeline().streams_created(),
        }
    }

    /// Closes the store: everything is durable, sealed and noted on disk when this returns, so the
    /// next opening has nothing to recover. A store that is dropped is closed too, but nobody learns
    /// how that went.
    ///
    /// # Errors
    /// [`ErrorKind::Poisoned`] if a write or sync failed earlier; what fails while closing.
    pub fn close(mut self) -> Result<()> {
        self.shut()
    }

    fn shut(&mut self) -> Result<()> {
        let finished = match self.writer.take() {
            Some(mut writer) => {
                writer.running.stop();
                let finished = writer.running.log().finish();
                writer.running.log().fall_silent();
                finished
            }
            None => Ok(()),
        };
        self.segments.end(Ending::Closed);
        finished
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.shut() {
            tracing::warn!(%error, "closing the store");
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits that got their place in the log.
    pub commits: u64,
    /// Their events.
    pub events: u64,
    /// Groups that were written.
    pub groups: u64,
    /// Bytes of those groups.
    pub bytes_written: u64,
    /// Syncs of segments.
    pub syncs: u64,
    /// Commits refused because a stream was not as expected.
    pub conflicts: u64,
    /// How often somebody waited for room.
    pub waits: u64,
    /// Streams that got their first event.
    pub streams_created: u64,
}
