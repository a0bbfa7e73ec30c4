//! A store: open it, append to it, read it, close it.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use quipu_disk::{Disk, Lock, MemoryDisk, RealDisk};
use quipu_format::{Lsn, Position};
use quipu_index::Keys;

use crate::commit::Commit;
use crate::directory::{Directory, TEMPORARY};
use crate::draft::{Context, Draft};
use crate::ids::EventIds;
use crate::log::Log;
use crate::pipeline::Tail;
use crate::read::All;
use crate::recovery::{self, Opening, Ready, Survey, Tip};
use crate::segments::Segments;
use crate::threads::Running;
use crate::ticket::{Appended, Ticket};
use crate::{Durability, Error, ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Result};

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
    /// The lock, while recovery waits for room.
    postponed: Mutex<Option<Lock>>,
}

struct Writer {
    running: Running,
    keys: Keys,
    ids: EventIds,
    _lock: Lock,
}

/// Opens a store with options of one's own.
#[derive(Debug)]
pub struct Builder {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    options: Options,
}

impl Builder {
    /// Sets all options at once.
    #[must_use]
    pub fn options(mut self, options: Options) -> Builder {
        self.options = options;
        self
    }

    /// Says whether to create, to write or only to read.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Builder {
        self.options.mode = mode;
        self
    }

    /// Says when an append is acknowledged, unless it says so itself.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Builder {
        self.options.durability = durability;
        self
    }

    /// Uses another disk than the machine's own: one in memory, or one that fails on purpose.
    #[must_use]
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Builder {
        self.disk = disk;
        self
    }

    /// Keeps the store in memory; it goes with the process.
    #[must_use]
    pub fn in_memory(self) -> Builder {
        self.disk(Arc::new(MemoryDisk::new()))
    }

    /// Opens the store.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for options out of bounds, [`ErrorKind::InUse`], [`ErrorKind::NoStore`],
    /// [`ErrorKind::Damaged`] (a damaged store still opens read-only), [`ErrorKind::Unsupported`],
    /// [`ErrorKind::ReadOnly`], and what the system refuses.
    pub fn open(self) -> Result<Store> {
        self.options.validate()?;
        let span = tracing::info_span!("open", store = %self.path.display());
        let _entered = span.enter();
        match self.options.mode {
            Mode::ReadOnly => self.open_to_read(),
            Mode::Create | Mode::Existing => self.open_to_write(),
        }
    }

    fn directory(&self) -> Directory {
        Directory::new(&self.path)
    }

    fn open_to_read(self) -> Result<Store> {
        let directory = self.directory();
        let mut survey = Survey::take_beside_writer(&*self.disk, &directory)?;
        let mut end = survey.end().unwrap_or_default();
        let mut next_position = survey.next_position;
        if survey.damage.is_empty() && self.has_writer(&directory)? {
            // The writer has not said yet that what follows is durable.
            if let (Tip::Unclean { durable, .. }, Some(last)) =
                (&survey.tip, survey.parts.last_mut())
            {
                last.end = *durable;
                end = Lsn::new(last.file.id, last.end);
                next_position = last.file.scan(last.end, &mut |_, _| Ok(()))?.next_position;
                next_position = next_position.max(last.base);
            }
        }
        let segments = Arc::new(Segments::new(&survey.parts, end, next_position));
        let opening = Opening { strangers: survey.strangers, ..Opening::default() };
        Ok(self.store(segments, opening, None))
    }

    fn has_writer(&self, directory: &Directory) -> Result<bool> {
        let path = directory.lock();
        match self.disk.open(&path, quipu_disk::Access::Read) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("opening", &path, error)),
        }
        let lock = self.disk.lock(&path).map_err(|error| Error::io("locking", &path, error))?;
        Ok(lock.is_none())
    }

    fn open_to_write(self) -> Result<Store> {
        let directory = self.directory();
        let lock = lock_directory(&*self.disk, &directory, &self.options)?;
        match make_ready(&self.disk, &directory, &self.options) {
            Ok(ready) => {
                let segments = Arc::new(segments_of(&ready));
                let opening = ready.opening.clone();
                let writer =
                    Writer::start(&self.disk, &directory, ready, &segments, &self.options, lock)?;
                let store = self.store(segments, opening, None);
                let _ = store.writer.set(writer);
                Ok(store)
            }
            Err(error) if error.kind() == ErrorKind::Full => self.open_for_later(&error, lock),
            Err(error) => Err(error),
        }
    }

    /// The disk is full: what is there can be read; the rest of the opening is made up for later.
    fn open_for_later(self, full: &Error, lock: Lock) -> Result<Store> {
        let survey = Survey::take(&*self.disk, &self.directory()).map_err(|_| full.clone())?;
        tracing::warn!(error = %full, "no room to recover: reads go on, writes once there is room");
        let end = survey.end().unwrap_or_default();
        let segments = Arc::new(Segments::new(&survey.parts, end, survey.next_position));
        let opening = Opening {
            strangers: survey.strangers,
            postponed: Some(full.to_string()),
            ..Opening::default()
        };
        Ok(self.store(segments, opening, Some(lock)))
    }

    fn store(self, segments: Arc<Segments>, opening: Opening, postponed: Option<Lock>) -> Store {
        let Builder { path, disk, options } = self;
        let postponed = Mutex::new(postponed);
        Store { path, disk, segments, options, opening, writer: OnceLock::new(), postponed }
    }
}

/// Locks the store's directory for writing, making it if that is asked for.
pub(crate) fn lock_directory(
    disk: &dyn Disk,
    directory: &Directory,
    options: &Options,
) -> Result<Lock> {
    let path = directory.path();
    if options.mode == Mode::Create {
        disk.create_directory(path).map_err(|error| Error::io("creating", path, error))?;
    }
    refuse_strangers(disk, directory)?;
    take_lock(disk, directory)
}

fn take_lock(disk: &dyn Disk, directory: &Directory) -> Result<Lock> {
    let path = directory.lock();
    match disk.lock(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => {
            let detail = format!("{} is open for writing elsewhere", directory.path().display());
            Err(Error::new(ErrorKind::InUse, detail))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let detail = format!("there is nothing at {}", directory.path().display());
            Err(Error::new(ErrorKind::NoStore, detail))
        }
        Err(error) => Err(Error::io("locking", &path, error)),
    }
}

/// A directory that holds other things and no store is not made one: it was named by mistake.
fn refuse_strangers(disk: &dyn Disk, directory: &Directory) -> Result<()> {
    let path = directory.path();
    let names = match disk.list(path) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Error::io("listing", path, error)),
    };
    let own = |name: &String| {
        name == "lock"
            || name == "manifest"
            || name.ends_with(TEMPORARY)
            || Directory::segment_of(name).is_some()
    };
    if !names.iter().any(|name| name == "manifest") && !names.iter().all(own) {
        let detail = format!("{} holds other files and no store", path.display());
        return Err(Error::new(ErrorKind::NoStore, detail));
    }
    Ok(())
}

/// Recovers or creates the store.
pub(crate) fn make_ready(
    disk: &Arc<dyn Disk>,
    directory: &Directory,
    options: &Options,
) -> Result<Ready> {
    match Survey::take(&**disk, directory) {
        Ok(survey) => recovery::open(disk, survey, options),
        Err(error) if error.kind() == ErrorKind::NoStore && options.mode == Mode::Create => {
            recovery::create(disk, directory, options)
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn segments_of(ready: &Ready) -> Segments {
    let Tail { segment, end, .. } = ready.start.tail;
    Segments::new(&ready.parts, Lsn::new(segment.id, end), ready.start.next_position)
}

impl Writer {
    fn start(
        disk: &Arc<dyn Disk>,
        directory: &Directory,
        ready: Ready,
        segments: &Arc<Segments>,
        options: &Options,
        lock: Lock,
    ) -> Result<Writer> {
        let keys = Keys::new(ready.manifest.header().secret);
        let mut seed = [0; 16];
        disk.fill_random(&mut seed)
            .map_err(|error| Error::because(ErrorKind::Io, "drawing random bytes".into(), error))?;
        let disk = Arc::clone(disk);
        let log = Log::new(disk, directory.clone(), ready, Arc::clone(segments), options)?;
        let running = Running::start(Arc::new(log), options)?;
        Ok(Writer { running, keys, ids: EventIds::new(seed), _lock: lock })
    }
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
        Builder {
            path: path.as_ref().to_owned(),
            disk: Arc::new(RealDisk::new()),
            options: Options::default(),
        }
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
        writer.running.append(&self.draft(writer, stream, expected, events)?)
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
        writer.running.submit(&self.draft(writer, stream, expected, events)?)
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
        writer.running.try_submit(&self.draft(writer, stream, expected, events)?)
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

    pub(crate) fn submit(&self, draft: &Draft<'_>) -> Result<Ticket> {
        self.writer()?.running.submit(draft)
    }

    pub(crate) fn try_submit(&self, draft: &Draft<'_>) -> Result<Ticket> {
        self.writer()?.running.try_submit(draft)
    }

    pub(crate) fn with_context<T>(&self, act: impl FnOnce(&Context<'_>) -> Result<T>) -> Result<T> {
        let writer = self.writer()?;
        act(&self.context(writer))
    }

    fn context<'w>(&'w self, writer: &'w Writer) -> Context<'w> {
        Context { keys: &writer.keys, ids: &writer.ids, disk: &*self.disk }
    }

    fn writer(&self) -> Result<&Writer> {
        match self.writer.get() {
            Some(writer) => Ok(writer),
            None => self.recover_late(),
        }
    }

    /// Makes up for a recovery that found no room.
    fn recover_late(&self) -> Result<&Writer> {
        let mut postponed = self.postponed.lock();
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let Some(lock) = postponed.take() else {
            return Err(Error::new(ErrorKind::ReadOnly, "the store was opened read-only"));
        };
        let directory = Directory::new(&self.path);
        let ready = match make_ready(&self.disk, &directory, &self.options) {
            Ok(ready) => ready,
            Err(error) => {
                *postponed = Some(lock);
                return Err(error);
            }
        };
        self.segments.adopt(segments_of(&ready));
        let writer =
            Writer::start(&self.disk, &directory, ready, &self.segments, &self.options, lock)?;
        Ok(self.writer.get_or_init(|| writer))
    }

    /// All events, in the order of their positions.
    pub fn all(&self) -> All<'_> {
        All::new(&self.disk, &self.segments)
    }

    /// The position that the next event to become visible will get: the number of events.
    #[must_use]
    pub fn next_position(&self) -> Position {
        self.segments.visible_position()
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
            streams: writer.running.log().pipeline().streams() as u64,
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
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.running.stop();
        writer.running.log().finish()
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
    /// Streams that have an event.
    pub streams: u64,
}
