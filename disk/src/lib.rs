//! The one door of Quipu to the operating system.
//!
//! Nothing else in the project opens a file, maps memory, takes a lock, reads a clock or asks for
//! random bytes. Whatever goes through this door can be simulated, and so can be proven:
//!
//! | implementation | for |
//! |---|---|
//! | [`RealDisk`] | the machine's own file system |
//! | [`MemoryDisk`] | tests and stores that need not outlive the process |
//! | [`FaultDisk`] | the simulator: power cuts, lost and torn writes, failing calls, its own clock |
//!
//! The trait is small on purpose and has no optional methods. One conformance suite
//! (`disk/tests/it/conformance`) runs against every implementation.
//!
//! What is absent: this crate knows nothing of events, segments or checksums.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("Quipu supports 64-bit little-endian Linux (x86-64 and aarch64)");

mod bed;
mod bell;
mod descriptors;
mod fault;
mod gate;
mod map;
mod memory;
#[cfg(all(test, quipu_loom))]
mod models;
mod page;
mod process;
mod real;
#[doc(hidden)]
pub mod threads;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use bell::Bell;
pub use descriptors::raise_open_files;
pub use fault::{Errno, Fault, FaultDisk, FaultKind, Lie, PowerCut};
pub use gate::Gate;
pub use map::Map;
pub use memory::MemoryDisk;
pub use page::{PAGE_FILE_BYTES, PAGE_WORDS, Page};
pub use process::Process;
pub use real::RealDisk;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A file that does not exist yet, for reading and writing.
    Create,
    /// A file that does not exist yet, for writing much that nobody reads soon: past the memory in which the
    /// system keeps what was read and written, where that can be. It can where a write begins and ends at
    /// multiples of 4,096 bytes, in the file as in memory; others work too.
    Fill,
}

impl Access {
    /// Whether the file must not exist yet.
    const fn creates(self) -> bool {
        matches!(self, Access::Create | Access::Fill)
    }
}

/// Everything that Quipu asks of the operating system.
///
/// Errors are the system's own ([`io::Error`]); a full disk is
/// [`io::ErrorKind::StorageFull`] or [`io::ErrorKind::QuotaExceeded`].
pub trait Disk: Send + Sync + Debug {
    /// Opens a file; each call gives a descriptor of its own, closed when the last `Arc` goes.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>>;

    /// The names of the files (not the directories) in `directory`, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Renames a file within one file system, replacing `to` if it exists.
    /// Durable only after [`sync_directory`](Disk::sync_directory).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Open descriptors and maps of it stay valid.
    /// Durable only after [`sync_directory`](Disk::sync_directory).
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory and its missing parents, and syncs the parent of each that it created;
    /// one that exists already is no error.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: what was created, renamed and removed in it.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock that the file at `path` stands for, creating the file if need be.
    /// `None` when somebody else holds it, in this process or another.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;

    /// Opens the page that the file at `path` carries, to be read, or with [`Access::Write`] to be stored too.
    /// The file exists and has at least [`PAGE_FILE_BYTES`] bytes; one of zeros carries a page of zeros. What
    /// is stored is seen by all pages of the file, and need not be seen by whoever reads the file. The file must
    /// not change its size while a page of it lives.
    fn page(&self, path: &Path, access: Access) -> io::Result<Page>;

    /// Whether somebody holds the lock that the file at `path` stands for. Needs only to read the file; one
    /// that does not exist is locked by nobody. Taking the lock may fail at the very moment of asking.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;

    /// Wall-clock time in microseconds since 1970-01-01T00:00:00Z. May go backwards.
    fn now(&self) -> u64;

    /// Time since some fixed moment of this disk's life. Never goes backwards.
    fn elapsed(&self) -> Duration;

    /// Fills `bytes` with random ones, fit for identifiers and salts.
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()>;
}

/// An open file. All positions are absolute, so one descriptor can be shared by threads.
pub trait File: Send + Sync + Debug {
    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reads at most `bytes.len()` bytes at `offset`; 0 at the end of the file.
    /// May read less than asked; see [`read_exact_at`].
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at most `bytes.len()` bytes at `offset`, growing the file as needed.
    /// May write less than asked; see [`write_all_at`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes the file's bytes and its size durable.
    ///
    /// After an error, also that of a call that was interrupted, the bytes written since the last success may be gone
    /// although reads still show them, and a second call may succeed without bringing them back. Never retry.
    fn sync_data(&self) -> io::Result<()>;

    /// Maps the whole file at its present size for reading, coherent with later writes through any
    /// descriptor. The file must not change its size while a map of it lives; an implementation may
    /// refuse a write that would.
    fn map(&self) -> io::Result<Map>;
}

/// Holds an exclusive lock until dropped, by the process that took it.
pub struct Lock {
    _guard: Box<dyn std::any::Any + Send + Sync>,
    taken_by: Process,
}

impl Lock {
    fn new(guard: impl std::any::Any + Send + Sync) -> Lock {
        Lock { _guard: Box::new(guard), taken_by: Process::this() }
    }

    /// Whether this is the copy that a forked child has: the lock is its parent's, and dropping it here does not free it.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        !self.taken_by.is_this()
    }
}

impl Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lock")
    }
}

/// Fills `bytes` from `offset`, through interrupted and short reads.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the file ends before `bytes` is full; else the system's.
pub fn read_exact_at(file: &dyn File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `bytes` at `offset`, through interrupted and short writes.
///
/// # Errors
/// The system's; an unknown part of `bytes` has been written then.
pub fn write_all_at(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error says that there is no room: disk full, quota used up, or file size limit reached.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Whether an error says that the process, or the system, has as many files open as it may: nothing is wrong with the
/// file, and later it may be opened. Only what opens files is refused so.
#[must_use]
pub fn is_short(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Whether an error says that the system as a whole has as many files open as it may, whatever the process may.
#[must_use]
pub fn is_system_short(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::NFILE)
}

/// Whether an error says that a part of the medium cannot be read: the rest of the file may be read all the same.
#[must_use]
pub fn is_unreadable(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::IO)
}
