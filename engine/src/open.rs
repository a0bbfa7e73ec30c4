//! Opening a store: options, the lock, recovery, and what comes out of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::{Disk, Gate, Lock, MemoryDisk, RealDisk};
use quipu_format::Lsn;
use quipu_format::segment::FIRST_FRAME;
use quipu_index::{Active, Part as IndexPart};

use crate::bad_sectors::BadSectors;
use crate::directory::{Directory, Role};
use crate::ids::EventIds;
use crate::index_files::{complete_ids, segment, sweep};
use crate::late::read_unrecovered;
use crate::live::{Follower, Look, Sight, look};
use crate::log::Log;
use crate::manifest::refuse_foreign;
use crate::opened::report;
use crate::pipeline::Tail;
use crate::plant::{self, Bug};
use crate::recovery::{self, Part, Ready, Survey};
use crate::reindex::{Ids, replay};
use crate::segments::{Bounds, Segments};
use crate::threads::Running;
use crate::{Durability, Error, ErrorKind, Mode, Options, ReadMode, Result, Store, ballast};

/// The writing half of a store.
pub(crate) struct Writer {
    pub(crate) running: Running,
    pub(crate) ids: EventIds,
}

/// Opens a store with options of one's own.
///
/// ```
/// use quipu::{Durability, Store};
///
/// let builder = Store::builder("orders.quipu").in_memory().durability(Durability::Os);
/// let store = builder.open()?;
/// # store.close()?;
/// # Ok::<(), quipu::Error>(())
/// ```
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

    /// Keeps the store in memory; it goes with the process. Its options are [`Options::in_memory`], unless others
    /// are set; what [`Builder::mode`] and [`Builder::durability`] say holds all the same.
    #[must_use]
    pub fn in_memory(mut self) -> Builder {
        let Options { mode, durability, .. } = self.options;
        if self.options == (Options { mode, durability, ..Options::default() }) {
            self.options = Options { mode, durability, ..Options::in_memory() };
        }
        self.disk(Arc::new(MemoryDisk::new()))
    }

    /// Opens the store.
    ///
    /// ```
    /// use quipu::{ErrorKind, Options, Store};
    ///
    /// let store = Store::builder("orders.quipu").in_memory().open()?;
    /// assert!(store.opening().created);
    /// # store.close()?;
    ///
    /// let wrong = Options { buffers: 1, ..Options::in_memory() };
    /// let refused = Store::builder("orders.quipu").in_memory().options(wrong).open().unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Invalid);
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for options out of bounds, [`ErrorKind::InUse`], [`ErrorKind::NoStore`],
    /// [`ErrorKind::Damaged`] (a damaged store still opens read-only), [`ErrorKind::Unsupported`],
    /// [`ErrorKind::ReadOnly`], and what the system refuses.
    pub fn open(self) -> Result<Store> {
        self.options.validate()?;
        let span = tracing::info_span!("open", store = %self.path.display());
        let _entered = span.enter();
        let (disk, mode) = (Arc::clone(&self.disk), self.options.mode);
        let began = disk.elapsed();
        let store = match mode {
            Mode::ReadOnly => self.open_to_read(),
            Mode::Create | Mode::Existing => self.open_to_write(),
        }?;
        report(&store, mode, disk.elapsed().saturating_sub(began));
        Ok(store)
    }

    fn directory(&self) -> Directory {
        Directory::new(&self.path)
    }

    fn open_to_read(mut self) -> Result<Store> {
        let plain = Sight::Plain(Arc::clone(&self.disk));
        let (mut look, sight) = match look(&plain, &self.directory(), &self.options) {
            Err(error) if error.is_of_bad_sector() => self.look_past(&error)?,
            looked => (looked?, plain),
        };
        let opening = std::mem::take(&mut look.opening);
        let segments = Follower::start(look, sight, self.options.clone());
        Ok(Store::assemble(self, segments, opening, None))
    }

    /// A page of a segment cannot be read: the rest can. Never by a map, which would end the process at that page.
    fn look_past(&mut self, unreadable: &Error) -> Result<(Look, Sight)> {
        let around = Arc::new(BadSectors::of_segments(Arc::clone(&self.disk)));
        let sight = Sight::Around(Arc::clone(&around));
        self.options.read_mode = ReadMode::Pread;
        let look = look(&sight, &self.directory(), &self.options)?;
        tracing::warn!(error = %unreadable, "reading around it, and without maps");
        around.settle();
        self.disk = around;
        Ok((look, sight))
    }

    fn open_to_write(self) -> Result<Store> {
        let directory = self.directory();
        let lock = lock_directory(&*self.disk, &directory, &self.options)?;
        match make_ready(&self.disk, &directory, &self.options) {
            Ok(ready) => {
                let segments = segments_of(&self.disk, &ready, &self.options)?;
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
        let (segments, opening) =
            read_unrecovered(&self.disk, &self.directory(), &self.options, full)?;
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
    for _ in 0..LOCK_TRIES {
        match disk.lock(&path) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) => drop(Gate::new().wait(1, Some(LOCK_PAUSE))),
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
    directory.refuse_unfinished(&names)?;
    refuse_foreign(disk, directory, &names)?;
    let own = |name: &String| Directory::role(name) != Role::Stranger;
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
    match Survey::take(&**disk, directory, options.read_mode) {
        Ok(survey) => recovery::open(disk, survey, options),
        Err(error) if error.kind() == ErrorKind::NoStore && options.mode == Mode::Create => {
            recovery::create(disk, directory, options)
        }
        Err(error) => Err(error),
    }
}

/// The segments of a store that is ready for writing. Files that nobody needs are removed, and the ballast is
/// made if it is missing.
pub(crate) fn segments_of(
    disk: &Arc<dyn Disk>,
    ready: &Ready,
    options: &Options,
) -> Result<Arc<Segments>> {
    let Tail { segment, end, .. } = ready.start.tail;
    let segments = Arc::clone(&ready.segments);
    let (end, next_position) = (Lsn::new(segment.id, end), ready.start.next_position);
    let bounds = Bounds { visible: end, durable: end, next_position };
    let lost = complete(&segments, &ready.parts, bounds)?;
    lost.into_iter().for_each(|error| segments.upkeep.note_lost(error));
    complete_ids(&segments.view())?;
    sweep(&segments, &ready.index);
    if !ready.index.ballast {
        ballast::keep(&**disk, &segments.shelf.directory, options.ballast_bytes);
    }
    Ok(segments)
}

/// Adds the segments that are not sealed to those that are, each with its index: as much as a file covers from
/// there, the rest from the log. Gives the first damage met in that rest.
pub(crate) fn complete(
    segments: &Arc<Segments>,
    parts: &[Part],
    bounds: Bounds,
) -> Result<Option<Error>> {
    let known = segments.view().table.segments.len();
    let mut rest = Vec::new();
    let more = parts.iter().enumerate().skip(known).map(|(index, part)| {
        let segment = segment(&segments.shelf, part);
        if part.segment.id != bounds.visible.segment() {
            segment.finish(part.end);
        }
        if let Some(unsealed) = part.unsealed() {
            let file = unsealed.index_below(part.end);
            let covers = file.as_ref().map(|file| *file.covers());
            let active = Arc::new(Active::new(covers.map_or(0, |covers| covers.events)));
            let memory = IndexPart::Memory(Arc::clone(&active));
            let parts = file.map(IndexPart::File).into_iter().chain([memory]);
            segment.set_parts(parts.collect::<Arc<[IndexPart]>>());
            rest.push((index, covers.map_or(FIRST_FRAME, |covers| covers.end), active));
        }
        Arc::new(segment)
    });
    let more: Vec<_> = more.collect();
    segments.complete(more, bounds);
    let view = segments.view();
    let ids = Ids::wanted(&segments.shelf, None);
    let mut lost = None;
    for (index, from, active) in rest.into_iter().filter(|_| !plant::is_in(Bug::HeadsNotFilled)) {
        let damage = replay(&view, index, from, u32::MAX, &active, ids)?;
        lost = lost.or(damage);
    }
    Ok(lost)
}

impl Writer {
    pub(crate) fn start(
        disk: &Arc<dyn Disk>,
        directory: &Directory,
        ready: Ready,
        segments: &Arc<Segments>,
        options: &Options,
    ) -> Result<Writer> {
        let mut seed = [0; 16];
        disk.fill_random(&mut seed)
            .map_err(|error| Error::because(ErrorKind::Io, "drawing random bytes".into(), error))?;
        let disk = Arc::clone(disk);
        let log = Log::new(disk, directory.clone(), ready, Arc::clone(segments), options)?;
        let running = Running::start(Arc::new(log), options)?;
        Ok(Writer { running, ids: EventIds::new(seed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability;

    #[test]
    fn a_store_in_memory_has_options_of_its_own_and_whatever_was_asked_for() {
        let options = |builder: Builder| builder.in_memory().options;
        let own = Options::in_memory();
        assert_ne!(own, Options::default());
        assert_eq!(options(Store::builder("s")), own);
        let asked = Store::builder("s").mode(Mode::ReadOnly).durability(Durability::Os);
        let mode = Mode::ReadOnly;
        let durability = Durability::Os;
        assert_eq!(options(asked), Options { mode, durability, ..own });
        let others = Options { buffers: 7, ..Options::default() };
        assert_eq!(options(Store::builder("s").options(others.clone())), others);
    }
}
