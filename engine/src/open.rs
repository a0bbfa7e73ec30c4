//! Opening a store: options, the lock, recovery, and what comes out of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::{Disk, Gate, Lock, MemoryDisk, RealDisk};
use quipu_format::Lsn;
use quipu_index::Keys;

use crate::directory::{Directory, TEMPORARY};
use crate::ids::EventIds;
use crate::log::Log;
use crate::pipeline::Tail;
use crate::recovery::{self, Opening, Ready, Survey, Tip};
use crate::segments::Segments;
use crate::threads::Running;
use crate::{Durability, Error, ErrorKind, Mode, Options, Result, Store};

/// The writing half of a store.
pub(crate) struct Writer {
    pub(crate) running: Running,
    pub(crate) keys: Keys,
    pub(crate) ids: EventIds,
}

/// Opens a store with options of one's own.
#[derive(Debug)]
pub struct Builder {
    pub(crate) path: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
}

impl Builder {
    pub(crate) fn new(path: &Path) -> Builder {
        let disk = Arc::new(RealDisk::new());
        Builder { path: path.to_owned(), disk, options: Options::default() }
    }

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
        let path = directory.lock();
        let has_writer =
            self.disk.is_locked(&path).map_err(|error| Error::io("reading", &path, error))?;
        let mut survey = Survey::take_beside_writer(&*self.disk, &directory)?;
        let mut end = survey.end().unwrap_or_default();
        let mut next_position = survey.next_position;
        if let (true, Tip::Unclean { durable, .. }, Some(last)) =
            (has_writer, &survey.tip, survey.parts.last_mut())
        {
            // The writer has not said yet that what follows is durable.
            last.end = *durable;
            end = Lsn::new(last.file.id, last.end);
            next_position = last.file.scan(last.end, &mut |_, _| Ok(()))?.next_position;
            next_position = next_position.max(last.base);
        }
        let segments = Arc::new(Segments::new(&survey.parts, end, next_position));
        let opening = Opening { strangers: survey.strangers, ..Opening::default() };
        Ok(Store::assemble(self, segments, opening, None))
    }

    fn open_to_write(self) -> Result<Store> {
        let directory = self.directory();
        let lock = lock_directory(&*self.disk, &directory, &self.options)?;
        match make_ready(&self.disk, &directory, &self.options) {
            Ok(ready) => {
                let segments = Arc::new(segments_of(&ready));
                let opening = ready.opening.clone();
                let writer =
                    Writer::start(&self.disk, &directory, ready, &segments, &self.options)?;
                let store = Store::assemble(self, segments, opening, Some(lock));
                store.set_writer(writer);
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
        Ok(Store::assemble(self, segments, opening, Some(lock)))
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

/// How often the lock is tried: who only asks whether it is taken holds it for a moment.
const LOCK_TRIES: usize = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

fn take_lock(disk: &dyn Disk, directory: &Directory) -> Result<Lock> {
    let path = directory.lock();
    for attempt in 1..=LOCK_TRIES {
        match disk.lock(&path) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) if attempt < LOCK_TRIES => {
                let _passed = Gate::new().wait(1, Some(LOCK_PAUSE));
            }
            Ok(None) => break,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let detail = format!("there is nothing at {}", directory.path().display());
                return Err(Error::new(ErrorKind::NoStore, detail));
            }
            Err(error) => return Err(Error::io("locking", &path, error)),
        }
    }
    let detail = format!("{} is open for writing elsewhere", directory.path().display());
    Err(Error::new(ErrorKind::InUse, detail))
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
    pub(crate) fn start(
        disk: &Arc<dyn Disk>,
        directory: &Directory,
        ready: Ready,
        segments: &Arc<Segments>,
        options: &Options,
    ) -> Result<Writer> {
        let keys = Keys::new(ready.manifest.header().secret);
        let mut seed = [0; 16];
        disk.fill_random(&mut seed)
            .map_err(|error| Error::because(ErrorKind::Io, "drawing random bytes".into(), error))?;
        let disk = Arc::clone(disk);
        let log = Log::new(disk, directory.clone(), ready, Arc::clone(segments), options)?;
        let running = Running::start(Arc::new(log), options)?;
        Ok(Writer { running, keys, ids: EventIds::new(seed) })
    }
}
