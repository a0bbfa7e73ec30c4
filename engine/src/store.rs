//! A store: open it, append to it, read it, close it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use quipu_disk::{Disk, Lock};

use crate::commit::Commit;
use crate::directory::Directory;
use crate::draft::{Context, Draft};
use crate::follow::Ending;
use crate::late::{Late, Unrecovered};
use crate::open::{Builder, Writer};
use crate::panics::{caught, undisturbed};
use crate::recovery::Opening;
use crate::segments::Segments;
use crate::ticket::{Appended, Ticket};
use crate::{Error, ErrorKind, ExpectedVersion, NewEvent, Options, Result, Stats};

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
    late: Late,
    /// Keeps other writers out; missing in a store that is read-only. Let go last.
    lock: Option<Lock>,
}

impl Store {
    /// Opens the store in this directory for writing; creates it where there is none.
    ///
    /// ```
    /// use quipu::{ExpectedVersion, NewEvent, Store};
    ///
    /// # let folder = std::env::temp_dir().join(format!("quipu-example-{}", std::process::id()));
    /// let path = folder.join("orders.quipu");
    /// let store = Store::open(&path)?;
    /// store.append("order-42", ExpectedVersion::NoStream, [NewEvent::new("Placed", b"".as_slice())])?;
    /// store.close()?;
    ///
    /// let store = Store::open(&path)?;
    /// assert_eq!(store.next_position().0, 1, "it is still there");
    /// # store.close()?;
    /// # std::fs::remove_dir_all(folder).expect("nobody else uses it");
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::builder(path).open()
    }

    /// A store with options of one's own, to be opened.
    ///
    /// ```
    /// use quipu::{Mode, Store};
    ///
    /// let store = Store::builder("orders.quipu").in_memory().mode(Mode::Create).open()?;
    /// # store.close()?;
    /// # Ok::<(), quipu::Error>(())
    /// ```
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
            late: Late::default(),
            lock,
        }
    }

    /// Adds the writing half.
    pub(crate) fn set_writer(&self, writer: Writer) {
        let _ = self.writer.set(writer);
    }

    /// Appends events to one stream, all or nothing, and waits until they are acknowledged: durable, unless the
    /// store was opened with [`Durability::Os`](crate::Durability::Os). [`Commit::durability`] chooses for one
    /// commit.
    ///
    /// ```
    /// use quipu::{ErrorKind, ExpectedVersion, NewEvent, Store};
    ///
    /// let store = Store::builder("orders.quipu").in_memory().open()?;
    /// let event = |kind| NewEvent::new(kind, b"".as_slice());
    /// let done = store.append("order-42", ExpectedVersion::NoStream, [event("Placed"), event("Paid")])?;
    /// assert_eq!((done.version.0, done.position.0), (1, 1));
    ///
    /// let stale = store.append("order-42", ExpectedVersion::Exact(0), [event("Shipped")]).unwrap_err();
    /// assert_eq!(stale.kind(), ErrorKind::Conflict);
    /// assert_eq!(stale.conflict().and_then(|conflict| conflict.actual), Some(done.version));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the stream is not as expected; [`ErrorKind::Invalid`] for arguments
    /// out of bounds; [`ErrorKind::Full`], and [`ErrorKind::Io`] where the process has no descriptor left for another
    /// segment; [`ErrorKind::Busy`] for a thread that is itself recovering the store; [`ErrorKind::ReadOnly`];
    /// [`ErrorKind::Poisoned`] and [`ErrorKind::Unknown`] after a failed write or sync, or a panic on the way there.
    pub fn append<'e>(
        &self,
        stream: &str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> Result<Appended> {
        let writer = self.writer()?;
        writer.running.append(&mut self.draft(writer, stream, expected, events)?)
    }

    /// Appends events to one stream; the ticket says when they are acknowledged. Waits only for room. Commits
    /// of one thread get their places in the order of the calls.
    ///
    /// ```
    /// use quipu::{ExpectedVersion, NewEvent, Store};
    ///
    /// let store = Store::builder("orders.quipu").in_memory().open()?;
    /// let event = || [NewEvent::new("Ticked", b"".as_slice())];
    /// let append = |_| store.append_async("clock", ExpectedVersion::Any, event());
    /// let tickets: Vec<_> = (0..100).map(append).collect::<Result<_, _>>()?;
    /// for (version, ticket) in (0..).zip(tickets) {
    ///     assert_eq!(ticket.wait()?.version.0, version);
    /// }
    /// # Ok::<(), quipu::Error>(())
    /// ```
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
    /// ```
    /// use quipu::{ErrorKind, ExpectedVersion, NewEvent, Store};
    ///
    /// let store = Store::builder("clicks.quipu").in_memory().open()?;
    /// match store.try_append("session-1", ExpectedVersion::Any, [NewEvent::new("Clicked", b"".as_slice())]) {
    ///     Ok(ticket) => drop(ticket.wait()?),
    ///     Err(error) if error.kind() == ErrorKind::Busy => println!("left out: too much is going on"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), quipu::Error>(())
    /// ```
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

    /// A commit over several streams, all or nothing. That the store cannot be written is told by
    /// [`Commit::submit`].
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
        if self.is_inherited() {
            return Err(inherited());
        }
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
        let Store { disk, segments, options, .. } = self;
        let directory = &Directory::new(&self.path);
        let unrecovered = Unrecovered { disk, directory, options, segments };
        let start = |ready| Writer::start(disk, directory, ready, segments, options);
        self.late.recover(&unrecovered, &self.writer, start)
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// What opening found and did.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// What the store did since it was opened for writing. One that was opened to be read does nothing, and shows
    /// zeros.
    ///
    /// ```
    /// use quipu::{ExpectedVersion, NewEvent, Store};
    ///
    /// let store = Store::builder("orders.quipu").in_memory().open()?;
    /// for _ in 0..3 {
    ///     store.append("order-42", ExpectedVersion::Any, [NewEvent::new("Paid", b"".as_slice())])?;
    /// }
    /// let stats = store.stats();
    /// assert_eq!((stats.commits, stats.streams_created, stats.conflicts), (3, 1, 0));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Some(writer) = self.writer.get() else { return Stats::default() };
        let log = writer.running.log();
        let streams_created = log.pipeline().streams_created();
        log.counters.stats(streams_created)
    }

    /// Closes the store: everything is durable, sealed and noted on disk when this returns, so the
    /// next opening has nothing to recover. Subscriptions end. A store that is dropped is closed too, but nobody
    /// learns how that went.
    ///
    /// ```
    /// use quipu::Store;
    ///
    /// let store = Store::builder("orders.quipu").in_memory().open()?;
    /// let mut orders = store.category("order").subscribe()?.into_iter();
    /// store.close()?;
    /// assert!(orders.next().is_none());
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Poisoned`] if a write or sync failed earlier; what fails while closing.
    pub fn close(mut self) -> Result<()> {
        self.shut()
    }

    /// Whether this is the copy of a forked child: its threads never ran, and the log is another process's to write.
    fn is_inherited(&self) -> bool {
        self.lock.as_ref().is_some_and(Lock::is_inherited)
    }

    fn shut(&mut self) -> Result<()> {
        if self.is_inherited() {
            // Nothing of it may run here: it would write what its owner writes, or remove what that needs.
            std::mem::forget(self.writer.take());
            return Err(inherited());
        }
        let finished = match self.writer.take() {
            Some(mut writer) => {
                writer.running.stop();
                let log = writer.running.log();
                let finished = caught(|| log.finish()).unwrap_or_else(|words| {
                    let error = Error::panicked("closing", &words);
                    log.give_up(error.clone());
                    Err(error.not_written())
                });
                undisturbed(|| log.fall_silent());
                finished
            }
            None => Ok(()),
        };
        self.segments.end(Ending::Closed);
        finished
    }
}

fn inherited() -> Error {
    let detail = "it was opened by the process that this one was forked from";
    Error::new(ErrorKind::InUse, detail)
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.shut() {
            // It may be dropped by a thread that panics already.
            undisturbed(|| tracing::warn!(%error, "closing the store"));
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}
