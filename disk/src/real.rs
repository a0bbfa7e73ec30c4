//! The machine's own file system.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the one place where the operating system is asked"
)]

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memmap2::MmapOptions;
use rustix::fs::{FlockOperation, OFlags, fcntl_setfl, fdatasync, flock, fstatfs, fsync};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::page::{PAGE_FILE_BYTES, Store};
use crate::{Access, Disk, File, Lock, Map, Page, Process};

/// The machine's own file system, clock and randomness.
///
/// Writes go by `pwrite`, reads by `pread`, syncs by `fdatasync`; a map is a shared `mmap`.
///
/// [`lock`](Disk::lock) is `flock` on a descriptor of its own, closed on exec. It excludes other
/// processes and a second lock in this one. A child forked without exec inherits the descriptor: whatever it does with
/// it, the lock is held for as long as the parent holds it, and no longer. If the parent is killed, it is held until the
/// child has ended too.
///
/// [`list`](Disk::list) leaves out directories, symbolic links and devices. A name that is not
/// UTF-8 is listed with replacement characters, so that it is seen, though it cannot be opened.
///
/// # Examples
/// ```
/// use quipu_disk::{Disk, RealDisk};
///
/// let disk = RealDisk::new();
/// let earlier = disk.elapsed();
/// assert!(disk.elapsed() >= earlier);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl RealDisk {
    /// The one file system there is; nothing is opened yet.
    #[must_use]
    pub const fn new() -> RealDisk {
        RealDisk
    }

    /// Where a path leads to: that of its nearest ancestor that exists, without symbolic links, and what follows.
    ///
    /// # Errors
    /// What the system refuses, but for names that are not there.
    pub fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        for ancestor in path.ancestors() {
            let mut resolved = match fs::canonicalize(or_here(ancestor)) {
                Ok(resolved) => resolved,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            let mut leads_back = false;
            for part in rest.components() {
                match part {
                    // What is made on the way will be no link; where it leads back to may be one.
                    Component::ParentDir => leads_back |= resolved.pop(),
                    part => resolved.push(part),
                }
            }
            return if leads_back { self.resolve(&resolved) } else { Ok(resolved) };
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Whether a directory does not exist, or holds nothing at all: also none of what [`list`](Disk::list) leaves out.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn is_vacant(&self, directory: &Path) -> io::Result<bool> {
        match fs::read_dir(or_here(directory)) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// A file that this process has locked.
struct Locked {
    file: fs::File,
    by: Process,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // A child has the same lock through its copy of the descriptor: closing this one alone would leave it locked, and
        // closing the child's copy must not free it.
        if self.by.is_this() {
            let _ = flock(&self.file, FlockOperation::NonBlockingUnlock);
        }
    }
}

/// How often a lock is tried whose file is removed as it is taken.
const LOCK_TRIES: usize = 16;

/// Whether a path still names this file.
fn is_named(file: &fs::File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a file that holds bytes, and nothing else: Linux opens a directory for reading and, without `O_NONBLOCK`, hangs
/// on a pipe.
fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<fs::File> {
    let file = options.custom_flags(flags(OFlags::NONBLOCK)).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(file)
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(access != Access::Read).create_new(access.creates());
        let file = open_regular(&mut options, path)?;
        // Not every file system can; what is written is the same.
        let direct = access == Access::Fill && fcntl_setfl(&file, OFlags::DIRECT).is_ok();
        Ok(Arc::new(RealFile { file, direct }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(or_here(directory))? {
            let entry = entry?;
            match entry.file_type() {
                Ok(kind) if kind.is_file() => {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
                // Some file systems are asked for it name by name, and one may be gone by then.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if fs::symlink_metadata(from)?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        for missing in missing_directories(path) {
            match fs::create_dir(missing) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Somebody else was faster; a file in the way is an error all the same.
                    if !fs::metadata(missing)?.is_dir() {
                        let is_parent = missing != path;
                        return Err(if is_parent {
                            io::ErrorKind::NotADirectory.into()
                        } else {
                            error
                        });
                    }
                }
                result => result?,
            }
            if let Some(parent) = missing.parent() {
                self.sync_directory(parent)?;
            }
        }
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags(OFlags::DIRECTORY));
        Ok(fsync(options.open(or_here(path))?)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        // The standard library opens with O_CLOEXEC, so no program started later holds the lock.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        for _ in 0..LOCK_TRIES {
            let file = open_regular(&mut options, path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Whoever had it may have removed it meanwhile: then others lock another file of this name.
                Ok(()) if is_named(&file, path)? => {
                    return Ok(Some(Lock::new(Locked { file, by: Process::this() })));
                }
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        // The atomics of a model are larger than the words of the file that a cell stands for.
        if cfg!(any(quipu_shuttle, quipu_loom)) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut options = OpenOptions::new();
        let file = open_regular(options.read(true).write(access != Access::Read), path)?;
        if file.metadata()?.len() < PAGE_FILE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // A map whose page cannot be read ends the process. So it is read before, which brings it into memory, and kept
        // there; where the system does not let it be kept, it may leave under great want of memory.
        file.read_exact_at(&mut [0; PAGE_FILE_BYTES as usize], 0)?;
        let mut options = MmapOptions::new();
        let options = options.len(PAGE_FILE_BYTES as usize);
        let in_place = access != Access::Read && is_written_in_place(&file)?;
        let mapping =
            if in_place { options.map_raw(&file)? } else { options.map_raw_read_only(&file)? };
        let _kept = mapping.lock();
        let cells = NonNull::new(mapping.as_mut_ptr()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let store = match access {
            Access::Read => Store::Never,
            _ if in_place => Store::Cells,
            _ => Store::Call(Box::new(move |bytes| file.write_all_at(bytes, 0))),
        };
        // SAFETY: a mapping is aligned to a page of the system and this one has 4,096 bytes, which are
        // writable if they are stored to, until `mapping`, its owner, is dropped. This process reaches them
        // through pages only. `Disk::page` rules out that the file shrinks meanwhile (that would be a SIGBUS).
        #[allow(unsafe_code, reason = "the owner keeps the mapping alive")]
        Ok(unsafe { Page::new(cells.cast(), Arc::new(mapping), store) })
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let file = match open_regular(OpenOptions::new().read(true), path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                drop(Locked { file, by: Process::this() });
                Ok(false)
            }
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn elapsed(&self) -> Duration {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        ORIGIN.get_or_init(Instant::now).elapsed()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match getrandom(&mut bytes[done..], GetRandomFlags::empty()) {
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// An open file of the machine.
#[derive(Debug)]
struct RealFile {
    file: fs::File,
    /// Writes go past the page cache where they can.
    direct: bool,
}

impl File for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self.file.write_at(bytes, offset) {
            // Places that do not suit the device, or a file system that promised more than it keeps.
            Err(error) if self.direct && error.kind() == io::ErrorKind::InvalidInput => {
                fcntl_setfl(&self.file, OFlags::empty())?;
                self.file.write_at(bytes, offset)
            }
            written => written,
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        // Not the standard library's, which repeats a sync that a signal has interrupted: the first may have said, once
        // and for all, that a write has failed.
        Ok(fdatasync(&self.file)?)
    }

    fn map(&self) -> io::Result<Map> {
        // An empty file becomes a map whose length is 0; memmap2 sees to that.
        let mapping = Arc::new(MmapOptions::new().map_raw_read_only(&self.file)?);
        let start = NonNull::new(mapping.as_mut_ptr()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let size = mapping.len() as u64;
        // SAFETY: the mapping is readable for `len` bytes until `mapping`, its owner, is dropped.
        // `File::map` rules out that the file shrinks meanwhile (that would be a SIGBUS).
        #[allow(unsafe_code, reason = "the owner keeps the mapping alive")]
        Ok(unsafe { Map::new(start, size, mapping) })
    }
}

/// Whether a store into a map of this file, whose blocks have been written, needs no room on the disk. Elsewhere
/// it may need some, and want of it would kill the process: file systems that copy on write, and those that
/// are not known here.
fn is_written_in_place(file: &fs::File) -> io::Result<bool> {
    const EXT4: i64 = 0xEF53;
    const TMPFS: i64 = 0x0102_1994;
    let kind = fstatfs(file)?.f_type;
    Ok(kind == EXT4 || kind == TMPFS)
}

/// Open flags in the type that the standard library takes.
fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// The parent of a bare name is the empty path, by which the system means nothing.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

/// `path` and those of its ancestors that are not directories yet, the outermost first.
fn missing_directories(path: &Path) -> Vec<&Path> {
    let mut missing: Vec<&Path> =
        path.ancestors().take_while(|ancestor| !or_here(ancestor).is_dir()).collect();
    missing.reverse();
    missing
}
