//! Files that live in memory.

mod content;
mod locks;
mod name;
mod tree;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use crate::threads::Mutex;
use crate::{Access, Disk, File, Lock, Map, Page, RealDisk};

pub(crate) use content::Content;
pub(crate) use locks::Locks;
pub(crate) use name::Name;
pub(crate) use tree::{Tree, ancestors};

/// A disk in memory: for tests, and for stores that need not outlive the process.
///
/// Clones share the contents. Clock and randomness are the machine's. A map stays coherent with
/// later writes; a write that would have to move the bytes of a file while a map of it lives fails
/// with [`io::ErrorKind::ResourceBusy`]. The root and the current directory exist from the start.
///
/// # Examples
/// ```
/// use quipu_disk::{Access, Disk, MemoryDisk, read_exact_at, write_all_at};
/// use std::path::Path;
///
/// let disk = MemoryDisk::new();
/// disk.create_directory(Path::new("/store"))?;
/// let file = disk.open(Path::new("/store/log"), Access::Create)?;
/// write_all_at(&*file, b"knot", 4)?;
///
/// let mut bytes = [0; 8];
/// read_exact_at(&*file, &mut bytes, 0)?;
/// assert_eq!(&bytes, b"\0\0\0\0knot");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryDisk {
    tree: Arc<Mutex<Tree<Arc<Content>>>>,
    locks: Locks,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let mut tree = self.tree.lock();
        let content = if access.creates() {
            let content = Arc::new(Content::new());
            tree.create(path, Arc::clone(&content))?;
            content
        } else {
            Arc::clone(tree.file(path)?)
        };
        Ok(Arc::new(MemoryFile { content, access }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.tree.lock().list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.tree.lock().rename(from, to).map(drop)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.tree.lock().remove(path).map(drop)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.tree.lock().create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.tree.lock().directory(path).map(drop)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let mut tree = self.tree.lock();
        match tree.file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tree.create(path, Arc::new(Content::new()))?;
            }
            found => drop(found?),
        }
        Ok(self.locks.take(path))
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        self.tree.lock().file(path)?.page(access)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(self.locks.is_taken(path))
    }

    fn now(&self) -> u64 {
        RealDisk::new().now()
    }

    fn elapsed(&self) -> Duration {
        RealDisk::new().elapsed()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        RealDisk::new().fill_random(bytes)
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            self.tree.lock().files().map(|(name, _)| name.path().to_owned()).collect();
        f.debug_struct("MemoryDisk").field("files", &names).finish()
    }
}

/// A descriptor of a file in memory.
#[derive(Debug)]
struct MemoryFile {
    content: Arc<Content>,
    access: Access,
}

impl File for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.content.size() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        // What lies beyond the address space lies beyond the end of the file.
        Ok(usize::try_from(offset).map_or(0, |offset| self.content.read_at(bytes, offset)))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        writable(self.access)?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.content.write_at(bytes, offset)?;
        Ok(bytes.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<Map> {
        self.content.map()
    }
}

/// The system's error for a write through a descriptor that was opened for reading.
pub(crate) fn writable(access: Access) -> io::Result<()> {
    if access == Access::Read { Err(Errno::BADF.into()) } else { Ok(()) }
}
