//! What tests do to a simulated disk behind its back. None of it counts as an operation.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::FaultDisk;
use super::inode::Inode;
use crate::memory::Content;

impl FaultDisk {
    /// Flips the bits of `mask` in one byte: seen, durable and on its way alike. Nobody may hold a
    /// slice of a map over it meanwhile.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file, [`io::ErrorKind::UnexpectedEof`] if it
    /// ends before `offset`.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        self.damage(path, offset..offset.saturating_add(1), |bytes| {
            bytes.iter_mut().for_each(|byte| *byte ^= mask);
        })
    }

    /// Fills a range with zeros: seen, durable and on its way alike. Nobody may hold a slice of a
    /// map over it meanwhile.
    ///
    /// # Errors
    /// As [`flip`](FaultDisk::flip).
    pub fn zero(&self, path: &Path, range: Range<u64>) -> io::Result<()> {
        self.damage(path, range, |bytes| bytes.fill(0))
    }

    /// All bytes of a file, as they are seen now.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.inode(path)?.content.copy())
    }

    /// All files that are seen now, ordered by name.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.shared.state.lock();
        state.names.seen().files().map(|(name, _)| name.path().to_owned()).collect()
    }

    /// Puts a durable file in place, instead of the one that has the name now, which descriptors
    /// that are open keep. Changed names in its directory become durable before.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if its directory does not exist.
    pub fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        let replaced = state.names.seen().file(path).map_or(0, |inode| inode.content.size());
        let inode = Arc::new(Inode::durable(state.next_inode(), Content::of(bytes)?));
        state.names.put(path, &inode)?;
        state.room.free(replaced);
        state.room.take(bytes.len());
        Ok(())
    }

    fn damage(&self, path: &Path, range: Range<u64>, harm: impl Fn(&mut [u8])) -> io::Result<()> {
        let inode = self.inode(path)?;
        let beyond = |_| io::Error::from(io::ErrorKind::UnexpectedEof);
        let start = usize::try_from(range.start).map_err(beyond)?;
        let end = usize::try_from(range.end).map_err(beyond)?;
        let _calls_wait = self.shared.state.lock();
        inode.damage(start..end, harm)
    }

    fn inode(&self, path: &Path) -> io::Result<Arc<Inode>> {
        self.shared.state.lock().names.seen().file(path).map(Arc::clone)
    }
}
