//! A read-only view of a file's bytes that lends only what has settled.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::{Advice, MmapRaw};

use crate::threads::{AtomicU64, Ordering};

/// A shared, read-only map of a file.
///
/// A file that is still being written can be mapped: the map lends only bytes below a bound, which
/// its owner raises as bytes settle ([`Map::settle`]). Everything above it may still change under
/// the map and is never seen through a reference.
pub struct Map {
    /// First byte of the mapping; valid for `size` bytes for as long as `owner` lives.
    start: NonNull<u8>,
    /// Bytes in the mapping.
    size: u64,
    /// Bytes from the start that nobody writes any more. Only grows.
    settled: AtomicU64,
    /// Keeps the mapping alive.
    owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: `start` points to memory that `owner`, itself Send and Sync, keeps alive; it is read only
// below `settled`, where by the contract of `settle` nobody writes.
#[allow(unsafe_code, reason = "a raw pointer hides that the map may be shared")]
unsafe impl Send for Map {}
// SAFETY: as above: all access through a shared reference is reading of settled bytes.
#[allow(unsafe_code, reason = "a raw pointer hides that the map may be shared")]
unsafe impl Sync for Map {}

impl Map {
    /// A map of `size` bytes from `start`, none of them settled yet.
    ///
    /// # Safety
    /// `start` must be valid for reads of `size` bytes for as long as `owner` lives.
    #[allow(unsafe_code, reason = "the caller vouches for the pointer")]
    pub(crate) unsafe fn new(
        start: NonNull<u8>,
        size: u64,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Map {
        Map { start, size, settled: AtomicU64::new(0), owner }
    }

    /// Says that pages here and there will be read, not one after the other: a page that is not in memory is
    /// then read alone, instead of megabytes around it. A hint; what cannot heed it does not.
    pub fn expect_scattered_reads(&self) {
        if let Some(mapping) = (*self.owner).downcast_ref::<MmapRaw>() {
            // Without it reading is slower, and nothing else is different.
            let _ = mapping.advise(Advice::Random);
        }
    }

    /// Bytes in the mapping, settled or not.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bound below which bytes are lent.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }

    /// Raises the bound below which bytes are lent. A bound past the end of the map means all of it;
    /// one below the present bound changes nothing.
    ///
    /// # Safety
    /// No byte of the file below `bound` may be written from now on, by anybody, for as long as this
    /// map or a slice of it lives, and the file must not shrink. What another process does to the
    /// file cannot be checked here: the store's lock and the rule that sealed and durable bytes are
    /// never written keep it.
    #[allow(unsafe_code, reason = "the caller vouches that the bytes have settled")]
    pub unsafe fn settle(&self, bound: u64) {
        self.settled.fetch_max(bound.min(self.size), Ordering::AcqRel);
    }

    /// The bytes of `range`, if all of it has settled.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.settled() {
            return None;
        }
        let start = usize::try_from(range.start).ok()?;
        let length = usize::try_from(range.end - range.start).ok()?;
        // SAFETY: `range.end <= settled <= size`, so the offset stays inside of the mapping.
        #[allow(unsafe_code, reason = "bounds are checked above")]
        let first = unsafe { self.start.as_ptr().add(start) };
        // SAFETY: the bytes lie inside of the mapping, which lives as long as `self`, and are below
        // `settled`, so nobody writes them while the slice lives.
        #[allow(unsafe_code, reason = "bounds are checked above, and the bytes have settled")]
        Some(unsafe { std::slice::from_raw_parts(first, length) })
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("size", &self.size).field("settled", &self.settled()).finish()
    }
}
