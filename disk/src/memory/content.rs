//! The bytes of one file in memory, at an address that maps can rely on.

#![allow(unsafe_code, reason = "maps need bytes that are written while others of them are lent")]

use std::alloc::{Layout, alloc, dealloc};
use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use crate::page::{Cells, PAGE_FILE_BYTES};
use crate::threads::RwLock;
use crate::{Access, Map, Page};

/// Regions are aligned as a mapping of the operating system is, and are no smaller than that.
const PAGE_BYTES: usize = 4096;

/// The bytes of one file. Growing doubles the room for them, so appending is cheap.
///
/// All writing and all reading by copy happens under the lock. Maps read without it, which is sound
/// because they read settled bytes only, and those nobody writes: see [`Map::settle`].
pub(crate) struct Content {
    bytes: RwLock<Bytes>,
    /// What the file carries as a page, once somebody has opened it as one.
    cells: OnceLock<Arc<Cells>>,
}

struct Bytes {
    /// Where they are. Maps own a share, and so may other files.
    region: Arc<Region>,
    /// Bytes in the file; never more than the region holds. What lies beyond is zero.
    size: usize,
    /// Other files may own a share of the region, so nobody writes it any more.
    is_shared: bool,
}

impl Content {
    /// An empty file.
    pub(crate) fn new() -> Content {
        Content::with(Bytes { region: Arc::new(Region::empty()), size: 0, is_shared: false })
    }

    /// A file of these bytes.
    ///
    /// # Errors
    /// As [`Content::write_at`].
    pub(crate) fn of(bytes: &[u8]) -> io::Result<Content> {
        let content = Content::new();
        content.write_at(bytes, 0)?;
        Ok(content)
    }

    fn with(bytes: Bytes) -> Content {
        Content { bytes: RwLock::new(bytes), cells: OnceLock::new() }
    }

    /// Another file of the same bytes, and of no page. Each of the two gets bytes of its own before it is
    /// written or mapped, so this costs nothing for files that are not. Maps of before stay with the bytes as
    /// they are now.
    pub(crate) fn share(&self) -> Content {
        self.bytes.write().share()
    }

    /// Bytes in the file.
    pub(crate) fn size(&self) -> usize {
        self.bytes.read().size
    }

    /// Copies bytes from `offset` on and says how many there were.
    pub(crate) fn read_at(&self, into: &mut [u8], offset: usize) -> usize {
        let bytes = self.bytes.read();
        let count = bytes.size.saturating_sub(offset).min(into.len());
        if count > 0 {
            // SAFETY: `offset + count <= size <= capacity`, and the lock keeps writers out.
            unsafe { bytes.region.read(offset, &mut into[..count]) };
        }
        count
    }

    /// Writes all of `from` at `offset`, with zeros in the gap if there is one.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if the bytes would have to move while a map of them lives;
    /// [`io::ErrorKind::StorageFull`] if there is no memory for them;
    /// [`io::ErrorKind::FileTooLarge`] beyond the address space. Nothing is written then.
    pub(crate) fn write_at(&self, from: &[u8], offset: usize) -> io::Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(from.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut bytes = self.bytes.write();
        bytes.reserve(end)?;
        if offset >= bytes.size && is_zero(from) {
            // What lies beyond the size is zero as it is.
            bytes.size = end;
            return Ok(());
        }
        // SAFETY: the region is not shared now, and `end` is within the region's capacity. The exclusive lock keeps readers by copy
        // and other writers out; what maps lend is settled and not written, by their contract.
        unsafe { bytes.region.write(offset, from) };
        bytes.size = bytes.size.max(end);
        Ok(())
    }

    /// Another file of the same bytes, if nobody has a map of them.
    pub(crate) fn share_unmapped(&self) -> Option<Content> {
        let mut bytes = self.bytes.write();
        Arc::get_mut(&mut bytes.region)?;
        Some(bytes.share())
    }

    /// Adds zeros up to this size.
    ///
    /// # Errors
    /// As [`Content::write_at`].
    pub(crate) fn extend(&self, size: usize) -> io::Result<()> {
        let mut bytes = self.bytes.write();
        if size > bytes.size {
            bytes.reserve(size)?;
            bytes.size = size;
        }
        Ok(())
    }

    /// A map of the present bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if there is no memory for bytes of its own.
    pub(crate) fn map(&self) -> io::Result<Map> {
        let mut bytes = self.bytes.write();
        // What is written later must be seen through the map.
        bytes.own(0)?;
        let owner = Arc::clone(&bytes.region);
        // SAFETY: the region is readable for its capacity, which is at least `size`, for as long as
        // its owner lives.
        Ok(unsafe { Map::new(bytes.region.start, bytes.size as u64, owner) })
    }

    /// The page that the file carries.
    pub(crate) fn page(&self, access: Access) -> io::Result<Page> {
        if (self.size() as u64) < PAGE_FILE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Cells::page(self.cells.get_or_init(Arc::default), access == Access::Write))
    }

    /// Whether somebody has opened it as a page.
    pub(crate) fn carries_page(&self) -> bool {
        self.cells.get().is_some()
    }

    /// Gives another file, which carries no page yet, a page in which `fate` has come over each word.
    pub(crate) fn pass_page_to(&self, other: &Content, fate: impl FnMut(u64) -> u64) {
        if let Some(cells) = self.cells.get() {
            let _ = other.cells.set(Arc::new(cells.copy(fate)));
        }
    }

    /// A copy of all bytes.
    pub(crate) fn copy(&self) -> Vec<u8> {
        let mut copy = vec![0; self.size()];
        let count = self.read_at(&mut copy, 0);
        copy.truncate(count);
        copy
    }
}

impl Bytes {
    fn share(&mut self) -> Content {
        self.is_shared = true;
        let region = Arc::clone(&self.region);
        Content::with(Bytes { region, size: self.size, is_shared: true })
    }

    /// Makes room for `end` bytes that may be written.
    fn reserve(&mut self, end: usize) -> io::Result<()> {
        self.own(end)?;
        if end <= self.region.capacity() {
            return Ok(());
        }
        // Shares are taken under the lock only, so a single one means that no map lives. A map of an
        // empty file lends nothing that could move.
        if self.size > 0 && Arc::strong_count(&self.region) > 1 {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        // Many files are written at once and never grow.
        self.move_to(end.max(self.region.capacity().saturating_mul(2)))
    }

    /// Sees to it that no other file shares the bytes. Where they have to be copied, room is made for `end`.
    fn own(&mut self, end: usize) -> io::Result<()> {
        if self.is_shared && Arc::get_mut(&mut self.region).is_none() {
            self.move_to(end.max(self.region.capacity()))?;
        }
        self.is_shared = false;
        Ok(())
    }

    /// Copies the bytes into a region of this capacity.
    fn move_to(&mut self, capacity: usize) -> io::Result<()> {
        let pages = capacity.checked_next_multiple_of(PAGE_BYTES);
        let capacity = pages.ok_or(io::ErrorKind::FileTooLarge)?;
        self.region = Arc::new(Region::copied(&self.region, self.size, capacity)?);
        Ok(())
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<32>();
    words.iter().all(|word| *word == [0; 32]) && rest.iter().all(|&byte| byte == 0)
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size()).finish()
    }
}

/// One allocation at a fixed address.
struct Region {
    /// First byte; valid for `layout.size()` initialised bytes until the region is dropped.
    start: NonNull<u8>,
    /// How it was allocated, and so how it is given back. Size 0 if nothing was.
    layout: Layout,
}

// SAFETY: a region is plain memory without ties to a thread; access to it is governed by the lock of
// its `Content` and the contract of `Map`.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Room for nothing, without an allocation.
    fn empty() -> Region {
        Region { start: NonNull::dangling(), layout: Layout::new::<()>() }
    }

    /// A region, a page at least, that begins with the first `size` bytes of another, of which nobody writes
    /// them meanwhile. The rest is zero.
    fn copied(from: &Region, size: usize, capacity: usize) -> io::Result<Region> {
        debug_assert!(size <= from.capacity() && size <= capacity);
        let layout = Layout::from_size_align(capacity.max(PAGE_BYTES), PAGE_BYTES)
            .map_err(|_| io::ErrorKind::FileTooLarge)?;
        // SAFETY: the layout's size is at least a page, so not 0.
        let start = unsafe { alloc(layout) };
        let start = NonNull::new(start).ok_or(io::ErrorKind::StorageFull)?;
        // SAFETY: both regions hold at least `size` bytes, they are distinct allocations, and nobody writes
        // the old one.
        unsafe { std::ptr::copy_nonoverlapping(from.start.as_ptr(), start.as_ptr(), size) };
        // SAFETY: `size` is at most the capacity.
        let rest = unsafe { start.add(size) };
        // SAFETY: the rest ends with the allocation.
        unsafe { std::ptr::write_bytes(rest.as_ptr(), 0, layout.size() - size) };
        Ok(Region { start, layout })
    }

    fn capacity(&self) -> usize {
        self.layout.size()
    }

    /// Copies bytes out.
    ///
    /// # Safety
    /// `offset + into.len()` is at most the capacity, and nobody writes these bytes meanwhile.
    unsafe fn read(&self, offset: usize, into: &mut [u8]) {
        // SAFETY: the caller keeps the offset inside of the allocation.
        let first = unsafe { self.start.add(offset) };
        // SAFETY: the caller keeps the range inside of the allocation and writers away; `into` is
        // borrowed exclusively, so it is other memory.
        unsafe { std::ptr::copy_nonoverlapping(first.as_ptr(), into.as_mut_ptr(), into.len()) };
    }

    /// Copies bytes in.
    ///
    /// # Safety
    /// `offset + from.len()` is at most the capacity, and nobody reads or writes these bytes
    /// meanwhile. `from` may lie in this very region.
    unsafe fn write(&self, offset: usize, from: &[u8]) {
        // SAFETY: the caller keeps the offset inside of the allocation.
        let first = unsafe { self.start.add(offset) };
        // SAFETY: the caller keeps the range inside of the allocation and everybody else away;
        // `copy` allows for a `from` that a map of this region lends.
        unsafe { std::ptr::copy(from.as_ptr(), first.as_ptr(), from.len()) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.capacity() > 0 {
            // SAFETY: `start` was allocated with this layout and is given back once, here.
            unsafe { dealloc(self.start.as_ptr(), self.layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that a map shows.
    fn shown(map: &Map) -> &[u8] {
        // SAFETY: the tests write nothing of this map's bytes while the slice lives.
        unsafe { map.settle(u64::MAX) };
        map.slice(0..map.size()).unwrap()
    }

    #[test]
    fn files_that_share_their_bytes_do_not_see_each_others_writes() {
        let first = Content::of(b"shared").unwrap();
        let [second, third] = [first.share(), first.share()];
        second.write_at(b"S", 0).unwrap();
        first.write_at(b"!", 6).unwrap();
        drop(first);
        third.extend(8).unwrap();
        assert_eq!(second.copy(), b"Shared");
        assert_eq!(third.copy(), b"shared\0\0");
    }

    #[test]
    fn a_map_of_a_file_that_shared_its_bytes_shows_its_writes_and_no_others() {
        let first = Content::of(b"shared").unwrap();
        let before = first.map().unwrap();
        assert!(first.share_unmapped().is_none(), "it is mapped");
        let second = first.share();
        let map = second.map().unwrap();
        second.write_at(b"2", 0).unwrap();
        first.write_at(b"1", 0).unwrap();
        assert_eq!([shown(&before), shown(&map)], [b"shared", b"2hared"]);
    }

    #[test]
    fn zeros_are_written_wherever_they_go() {
        let content = Content::of(&[1; 100]).unwrap();
        content.write_at(&[0; 50], 75).unwrap();
        content.write_at(&[0; 5000], 200).unwrap();
        let mut wanted = [1; 75].to_vec();
        wanted.resize(5200, 0);
        assert_eq!(content.copy(), wanted);
    }
}
