//! A few words that one process stores and others read at any moment.

use std::any::Any;
use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::threads::{AtomicU64, Ordering, fence, spin_loop};

/// Bytes of a file that carries a page: what memory is shared by.
pub const PAGE_FILE_BYTES: u64 = 4096;

/// Words that are stored and read together. Two show a model all that seven would, in a thousandth of the plays.
pub const PAGE_WORDS: usize = if cfg!(quipu_loom) { 2 } else { 7 };

/// The number of the store, then the words.
pub(crate) const CELLS: usize = PAGE_WORDS + 1;

/// How often a reader that meets a store half done looks again before it gives up. A store is a few
/// instructions; one that stays half done belongs to a process that was stopped or killed in it.
const LOOKS: usize = if cfg!(quipu_loom) { 2 } else { 1_000 };

/// Words at the start of a file that one process stores and any number of processes read, without a system
/// call on either side and without waiting for each other.
///
/// It is a *seqlock*: the first cell counts twice for each store, once before the words and once after, so
/// it is odd while a store is half done; a reader that sees an odd or a changed count looks again
/// (H. Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012).
///
/// Nothing here is durable. After a power cut a page may hold anything, and where the file system is written
/// by calls ([`RealDisk`](crate::RealDisk) says where) a reader may see a store in part: whoever stores adds a
/// checksum, and whoever reads checks it.
pub struct Page {
    /// The first of [`CELLS`] cells; valid for as long as `owner` lives.
    cells: NonNull<AtomicU64>,
    /// Keeps them alive.
    _owner: Arc<dyn Any + Send + Sync>,
    store: Store,
}

/// Writes bytes at the start of a page's file.
type Write = dyn Fn(&[u8]) -> io::Result<()> + Send + Sync;

/// How a page is stored.
pub(crate) enum Store {
    /// It is only read.
    Never,
    /// In memory.
    Cells,
    /// By a call that writes these bytes at the start of the file.
    Call(Box<Write>),
}

// SAFETY: `cells` points to atomics that `owner`, itself Send and Sync, keeps alive.
#[allow(unsafe_code, reason = "a raw pointer hides that the cells may be shared")]
unsafe impl Send for Page {}
// SAFETY: as above: all access is by atomic operations.
#[allow(unsafe_code, reason = "a raw pointer hides that the cells may be shared")]
unsafe impl Sync for Page {}

impl Page {
    /// A page of these cells.
    ///
    /// # Safety
    /// `cells` must be aligned and valid for [`CELLS`] cells for as long as `owner` lives: for reads, and
    /// for writes if `store` is [`Store::Cells`]. Everybody else must access them by atomic operations, or
    /// from outside of this process.
    #[allow(unsafe_code, reason = "the caller vouches for the pointer")]
    pub(crate) unsafe fn new(
        cells: NonNull<AtomicU64>,
        owner: Arc<dyn Any + Send + Sync>,
        store: Store,
    ) -> Page {
        Page { cells, _owner: owner, store }
    }

    /// Stores all words together. One thread at a time stores, in one process: the caller sees to that.
    ///
    /// # Errors
    /// What the system refuses, and [`io::ErrorKind::PermissionDenied`] for a page that was opened to be read.
    pub fn store(&self, words: &[u64; PAGE_WORDS]) -> io::Result<()> {
        let cells = self.cells();
        let odd = cells[0].load(Ordering::Relaxed) | 1;
        match &self.store {
            Store::Never => return Err(io::ErrorKind::PermissionDenied.into()),
            Store::Call(write) => {
                let mut bytes = [0; CELLS * 8];
                bytes[..8].copy_from_slice(&odd.wrapping_add(1).to_le_bytes());
                for (place, word) in bytes[8..].chunks_exact_mut(8).zip(words) {
                    place.copy_from_slice(&word.to_le_bytes());
                }
                return write(&bytes);
            }
            Store::Cells => {}
        }
        cells[0].store(odd, Ordering::Relaxed);
        // Who sees one of the words below sees the odd number.
        fence(Ordering::Release);
        for (cell, word) in cells[1..].iter().zip(words) {
            cell.store(*word, Ordering::Relaxed);
        }
        cells[0].store(odd.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// The words as one store left them; nothing if a store was half done for as long as one cared to look.
    #[must_use]
    pub fn load(&self) -> Option<[u64; PAGE_WORDS]> {
        let cells = self.cells();
        for _ in 0..LOOKS {
            // Memory that is only mapped to be read is loaded from without an order, by the rules of atomics.
            let before = cells[0].load(Ordering::Relaxed);
            // The words are read after the number.
            fence(Ordering::Acquire);
            let words = std::array::from_fn(|word| cells[1 + word].load(Ordering::Relaxed));
            // The words are read before the number is read again.
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && cells[0].load(Ordering::Relaxed) == before {
                return Some(words);
            }
            spin_loop();
        }
        None
    }

    fn cells(&self) -> &[AtomicU64; CELLS] {
        // SAFETY: by the contract of `new` the cells are valid and aligned for as long as `self` lives, and
        // atomics may be shared. A page that is only read is never stored to, and all loads are relaxed ones of 8 bytes,
        // which memory that is mapped only to be read allows.
        #[allow(unsafe_code, reason = "the constructor's contract")]
        unsafe {
            self.cells.cast().as_ref()
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("words", &self.load()).finish_non_exhaustive()
    }
}

/// Cells of a page that is no part of a file's bytes.
#[derive(Debug, Default)]
pub(crate) struct Cells([AtomicU64; CELLS]);

impl Cells {
    /// The page of these cells.
    pub(crate) fn page(cells: &Arc<Cells>, writable: bool) -> Page {
        let store = if writable { Store::Cells } else { Store::Never };
        let owner: Arc<Cells> = Arc::clone(cells);
        // SAFETY: the array lies in the allocation that `owner` keeps alive, and is accessed by atomic
        // operations only.
        #[allow(unsafe_code, reason = "the owner keeps the cells alive")]
        unsafe {
            Page::new(NonNull::from(&cells.0).cast(), owner, store)
        }
    }

    /// Other cells, each of which holds what `fate` makes of it.
    pub(crate) fn copy(&self, mut fate: impl FnMut(u64) -> u64) -> Cells {
        let copy = |cell: &AtomicU64| AtomicU64::new(fate(cell.load(Ordering::Relaxed)));
        Cells(self.0.each_ref().map(copy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page whose words are stored as a file system that is written by calls shows them.
    fn by_call(cells: &Arc<Cells>) -> Page {
        let mut page = Cells::page(cells, true);
        let file = Arc::clone(cells);
        page.store = Store::Call(Box::new(move |bytes| {
            for (cell, bytes) in file.0.iter().zip(bytes.chunks_exact(8)) {
                let word = bytes.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
                cell.store(u64::from_le_bytes(word), Ordering::SeqCst);
            }
            Ok(())
        }));
        page
    }

    #[test]
    fn what_is_stored_by_calls_is_read_as_what_is_stored_in_memory() {
        let cells = Arc::new(Cells::default());
        let (calls, memory) = (by_call(&cells), Cells::page(&cells, true));
        for (round, writer) in [&calls, &memory, &calls, &calls, &memory].into_iter().enumerate() {
            let words = std::array::from_fn(|word| (round * 10 + word) as u64);
            writer.store(&words).unwrap();
            assert_eq!(memory.load(), Some(words));
        }
    }

    #[test]
    fn a_store_that_stays_half_done_is_not_read_and_the_next_one_is() {
        let cells = Arc::new(Cells::default());
        let page = Cells::page(&cells, true);
        page.store(&[1; PAGE_WORDS]).unwrap();
        cells.0[0].fetch_add(1, Ordering::SeqCst);
        cells.0[CELLS - 1].store(2, Ordering::SeqCst);
        assert_eq!(page.load(), None);
        page.store(&[3; PAGE_WORDS]).unwrap();
        assert_eq!(page.load(), Some([3; PAGE_WORDS]));
    }
}
