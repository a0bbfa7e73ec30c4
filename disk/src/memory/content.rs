//! The bytes of one file in memory, at an address that maps can rely on.

#![allow(unsafe_code, reason = "maps need bytes that are written while others of them are lent")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::page::{Cells, PAGE_FILE_BYTES};
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
    /// Where they are. Maps own a share.
    region: Arc<Region>,
    /// Bytes in the file; never more than the region holds. What lies beyond is zero.
    size: usize,
}

impl Content {
    /// An empty file.
    pub(crate) fn new() -> Content {
        let bytes = RwLock::new(Bytes { region: Arc::new(Region::empty()), size: 0 });
        Content { bytes, cells: OnceLock::new() }
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
        // SAFETY: `end` is within the region's capacity. The exclusive lock keeps readers by copy
        // and other writers out; what maps lend is settled and not written, by their contract.
        unsafe { bytes.region.write(offset, from) };
        bytes.size = bytes.size.max(end);
        Ok(())
    }

    /// A map of the present bytes.
    pub(crate) fn map(&self) -> Map {
        let bytes = self.bytes.read();
        let owner = Arc::clone(&bytes.region);
        // SAFETY: the region is readable for its capacity, which is at least `size`, for as long as
        // its owner lives.
        unsafe { Map::new(bytes.region.start, bytes.size as u64, owner) }
    }

    /// The page that the file carries.
    pub(crate) fn page(&self, access: Access) -> io::Result<Page> {
        if (self.size() as u64) < PAGE_FILE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Cells::page(self.cells.get_or_init(Arc::default), access == Access::Write))
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
    /// Makes room for `end` bytes.
    fn reserve(&mut self, end: usize) -> io::Result<()> {
        if end <= self.region.capacity() {
            return Ok(());
        }
        // Shares are taken under the lock only, so a single one means that no map lives. A map of an
        // empty file lends nothing that could move.
        if self.size > 0 && Arc::strong_count(&self.region) > 1 {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let capacity = end.checked_next_power_of_two().ok_or(io::ErrorKind::FileTooLarge)?;
        let larger = Region::zeroed(capacity)?;
        let (old, new) = (self.region.start.as_ptr(), larger.start.as_ptr());
        // SAFETY: both regions hold at least `size` bytes, and they are distinct allocations. The
        // caller holds the exclusive lock, so nobody writes the old one.
        unsafe { std::ptr::copy_nonoverlapping(old, new, self.size) };
        self.region = Arc::new(larger);
        Ok(())
    }
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

    /// A region of zeros, a page at least.
    fn zeroed(capacity: usize) -> io::Result<Region> {
        let layout = Layout::from_size_align(capacity.max(PAGE_BYTES), PAGE_BYTES)
            .map_err(|_| io::ErrorKind::FileTooLarge)?;
        // SAFETY: the layout's size is at least a page, so not 0.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).ok_or(io::ErrorKind::StorageFull)?;
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
