//! What tests do to a simulated disk behind its back. None of it counts as an operation.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::FaultDisk;
use super::inode::Inode;
use crate::memory::Content;
use crate::{Access, PAGE_WORDS};

impl FaultDisk {
    /// Flips the bits of `mask` in one byte: seen, durable and on its way alike. Nobody may hold a
    /// slice of a map over it meanwhile.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file, [`io::ErrorKind::UnexpectedEof`] if it
    /// ends before `offset`.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        self.damage(path, offset..offset.saturating_add(1), |_, bytes| {
            bytes.iter_mut().for_each(|byte| *byte ^= mask);
        })
    }

    /// Fills a range with zeros: seen, durable and on its way alike. Nobody may hold a slice of a
    /// map over it meanwhile.
    ///
    /// # Errors
    /// As [`flip`](FaultDisk::flip).
    pub fn zero(&self, path: &Path, range: Range<u64>) -> io::Result<()> {
        self.damage(path, range, |_, bytes| bytes.fill(0))
    }

    /// Writes a part of a file a second time, over what stands at `offset` of `to`, which may be the same file: seen,
    /// durable and on its way alike. Nobody may hold a slice of a map over it meanwhile.
    ///
    /// # Errors
    /// As [`flip`](FaultDisk::flip), of either file.
    pub fn duplicate(
        &self,
        from: &Path,
        range: Range<u64>,
        to: &Path,
        offset: u64,
    ) -> io::Result<()> {
        let bytes = self.part(from, range)?;
        self.overwrite(to, offset, &bytes)
    }

    /// As if a part of a file had been written to another place from the first: it stands at `offset` of `to`, which
    /// may be the same file, and where it belongs there are zeros.
    ///
    /// # Errors
    /// As [`duplicate`](FaultDisk::duplicate). Nothing has changed then.
    pub fn misdirect(
        &self,
        from: &Path,
        range: Range<u64>,
        to: &Path,
        offset: u64,
    ) -> io::Result<()> {
        let bytes = self.part(from, range.clone())?;
        let end = offset.saturating_add(bytes.len() as u64);
        self.damage(to, offset..end, |_, _| {})?;
        self.zero(from, range)?;
        self.overwrite(to, offset, &bytes)
    }

    /// Makes a range of a file unreadable for good, as a bad sector does: reads end before it, and those that begin
    /// in it fail with `EIO`; so does every mapping of the file. A power cut or a kill does not change that, nor does
    /// writing. A file that is [`put`](FaultDisk::put) in its place can be read.
    ///
    /// ```
    /// use quipu_disk::{Access, Disk, FaultDisk, is_unreadable};
    /// use std::path::Path;
    ///
    /// let (disk, path) = (FaultDisk::new(1), Path::new("/log"));
    /// disk.put(path, b"knots")?;
    /// disk.spoil(path, 2..3)?;
    /// let (file, mut bytes) = (disk.open(path, Access::Read)?, [0; 5]);
    /// assert_eq!(file.read_at(&mut bytes, 0)?, 2);
    /// assert!(is_unreadable(&file.read_at(&mut bytes, 2).unwrap_err()));
    /// assert_eq!(file.read_at(&mut bytes, 3)?, 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file, [`io::ErrorKind::UnexpectedEof`] if it ends before the
    /// range does, or the range is empty.
    pub fn spoil(&self, path: &Path, range: Range<u64>) -> io::Result<()> {
        let inode = self.inode(path)?;
        let range = places(range)?;
        let mut state = self.shared.state.lock();
        inode.spoil(range)?;
        state.plan.has_bad_sectors = true;
        Ok(())
    }

    /// Whether some bytes cannot be read since the last [`restore`](FaultDisk::restore).
    #[must_use]
    pub fn has_bad_sectors(&self) -> bool {
        self.shared.state.lock().plan.has_bad_sectors
    }

    /// All files that have a name can be read again everywhere, as when a device comes to itself: what stands where a
    /// sector was bad is what was written there.
    pub fn restore(&self) {
        let mut state = self.shared.state.lock();
        state.names.files().for_each(|inode| inode.restore());
        state.plan.has_bad_sectors = false;
    }

    /// All bytes of a file, as they are seen now.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.inode(path)?.content.copy())
    }

    /// What is stored on the page that a file carries now, none of it while somebody stores it: no call, as all else here.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file; [`io::ErrorKind::InvalidData`] if it is too short for a page.
    pub fn page_words(&self, path: &Path) -> io::Result<Option<[u64; PAGE_WORDS]>> {
        Ok(self.inode(path)?.content.page(Access::Read)?.load())
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

    /// Takes a file away for good. Changed names in its directory become durable before; descriptors that are open
    /// keep the file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file.
    pub fn erase(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.remove(path)?;
        path.parent().map_or(Ok(()), |directory| state.names.sync_directory(directory))
    }

    fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.damage(path, offset..end, |at, part| part.copy_from_slice(&bytes[at..][..part.len()]))
    }

    fn damage(
        &self,
        path: &Path,
        range: Range<u64>,
        harm: impl Fn(usize, &mut [u8]),
    ) -> io::Result<()> {
        let inode = self.inode(path)?;
        let range = places(range)?;
        let _calls_wait = self.shared.state.lock();
        inode.damage(range, harm)
    }

    /// A part of a file, as it is seen now.
    fn part(&self, path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
        let contents = self.contents(path)?;
        let part = contents.get(places(range)?).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(part.to_vec())
    }

    fn inode(&self, path: &Path) -> io::Result<Arc<Inode>> {
        self.shared.state.lock().names.seen().file(path).map(Arc::clone)
    }
}

/// A range of a file as one of memory.
fn places(range: Range<u64>) -> io::Result<Range<usize>> {
    let beyond = |_| io::Error::from(io::ErrorKind::UnexpectedEof);
    let start = usize::try_from(range.start).map_err(beyond)?;
    Ok(start..usize::try_from(range.end).map_err(beyond)?)
}
