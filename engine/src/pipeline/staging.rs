//! Memory that many writers fill at once and one committer writes out.
//!
//! The sequencer hands out [`Slot`]s, one after another and never the same byte twice; each writer
//! fills its own, outside every lock. A closed buffer gives out its bytes only when as many bytes were
//! released as were handed out, so nobody still holds a slot then.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::Arc;

use quipu_disk::threads::{AtomicBool, AtomicUsize, Ordering};

use crate::plant::{self, Bug};

const ALIGNMENT: usize = 4096;

struct Memory {
    /// First of `layout.size()` bytes, owned by this value.
    start: NonNull<u8>,
    layout: Layout,
    /// Bytes whose slots are gone. Equal to the bytes handed out when nobody writes any more.
    released: AtomicUsize,
    /// A slot went without having been filled: what is in it must never reach the disk.
    abandoned: AtomicBool,
}

// SAFETY: the memory is reached only through slots, whose ranges are disjoint, and through the one
// closed buffer once all slots are gone.
#[allow(unsafe_code, reason = "a raw pointer hides that the ranges are disjoint")]
unsafe impl Send for Memory {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "a raw pointer hides that the ranges are disjoint")]
unsafe impl Sync for Memory {}

impl Memory {
    fn new(bytes: usize) -> Memory {
        let size = bytes.max(1).next_multiple_of(ALIGNMENT);
        let Ok(layout) = Layout::from_size_align(size, ALIGNMENT) else {
            handle_alloc_error(Layout::new::<u8>())
        };
        // SAFETY: the size is at least one page, so not zero.
        #[allow(unsafe_code, reason = "page-aligned memory")]
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(memory) else { handle_alloc_error(layout) };
        Memory { start, layout, released: AtomicUsize::new(0), abandoned: AtomicBool::new(false) }
    }

    /// # Safety
    /// `start..start + len` must lie inside of the memory, and nobody else may reach it while the
    /// slice lives.
    #[allow(unsafe_code, reason = "the callers hold disjoint ranges")]
    #[allow(clippy::mut_from_ref, reason = "the callers hold disjoint ranges")]
    unsafe fn range(&self, start: usize, len: usize) -> &mut [u8] {
        // SAFETY: inside of the allocation, by the caller.
        let first = unsafe { self.start.as_ptr().add(start) };
        // SAFETY: initialised by `alloc_zeroed`, and exclusive by the caller.
        unsafe { std::slice::from_raw_parts_mut(first, len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed only here.
        #[allow(unsafe_code, reason = "page-aligned memory")]
        unsafe {
            dealloc(self.start.as_ptr(), self.layout);
        }
    }
}

/// A buffer that still takes frames.
pub(crate) struct OpenBuffer {
    memory: Arc<Memory>,
    joined: usize,
}

/// A part of a buffer that one writer fills.
pub(crate) struct Slot {
    memory: Arc<Memory>,
    start: usize,
    len: usize,
    filled: bool,
}

/// A buffer that takes no more frames.
pub(crate) struct ClosedBuffer {
    memory: Arc<Memory>,
    joined: usize,
}

impl OpenBuffer {
    /// An empty buffer with room for at least `bytes`.
    pub(crate) fn new(bytes: usize) -> OpenBuffer {
        OpenBuffer { memory: Arc::new(Memory::new(bytes)), joined: 0 }
    }

    /// Bytes handed out so far.
    pub(crate) fn joined(&self) -> usize {
        self.joined
    }

    /// Bytes the buffer holds at most.
    pub(crate) fn capacity(&self) -> usize {
        self.memory.layout.size()
    }

    /// Hands out the next `len` bytes, if they fit.
    pub(crate) fn reserve(&mut self, len: usize) -> Option<Slot> {
        if len > self.capacity() - self.joined {
            return None;
        }
        let start = self.joined;
        self.joined += len;
        Some(Slot { memory: Arc::clone(&self.memory), start, len, filled: false })
    }

    /// Takes no more frames.
    pub(crate) fn close(self) -> ClosedBuffer {
        ClosedBuffer { memory: self.memory, joined: self.joined }
    }
}

impl Slot {
    /// Fills the slot and gives it back.
    pub(crate) fn fill(mut self, write: impl FnOnce(&mut [u8])) {
        // SAFETY: `reserve` gave this range to this slot alone, and a closed buffer is not read before
        // the slot is released.
        #[allow(unsafe_code, reason = "the slot's own range")]
        let bytes = unsafe { self.memory.range(self.start, self.len) };
        write(bytes);
        self.filled = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.filled {
            self.memory.abandoned.store(true, Ordering::Relaxed);
        }
        let order =
            if plant::is_in(Bug::SlotNotReleased) { Ordering::Relaxed } else { Ordering::Release };
        self.memory.released.fetch_add(self.len, order);
    }
}

/// What can be said of a closed buffer.
pub(crate) enum Contents<'a> {
    /// Every slot was filled.
    Ready(&'a mut [u8]),
    /// Somebody is still filling a slot.
    Filling,
    /// Somebody let go of a slot without filling it.
    Abandoned,
}

impl ClosedBuffer {
    /// Bytes that were handed out.
    pub(crate) fn joined(&self) -> usize {
        self.joined
    }

    /// The bytes, once all slots are filled, and behind them as many zeros as there is room for, at most
    /// `padding`.
    pub(crate) fn contents(&mut self, padding: usize) -> Contents<'_> {
        if self.memory.released.load(Ordering::Acquire) != self.joined {
            return Contents::Filling;
        }
        if self.memory.abandoned.load(Ordering::Relaxed) {
            return Contents::Abandoned;
        }
        let padding = padding.min(self.memory.layout.size() - self.joined);
        // SAFETY: all slots are gone and no more are handed out, so this value, borrowed mutably, is
        // the only way to the memory. Slots were handed out from its beginning, none beyond its end.
        #[allow(unsafe_code, reason = "nobody else holds a part of the buffer")]
        let bytes = unsafe { self.memory.range(0, self.joined + padding) };
        bytes[self.joined..].fill(0);
        Contents::Ready(bytes)
    }

    /// The same memory as an empty buffer; `None` if somebody still holds a slot of it.
    pub(crate) fn reopen(mut self) -> Option<OpenBuffer> {
        if !matches!(self.contents(0), Contents::Ready(_)) {
            return None;
        }
        self.memory.released.store(0, Ordering::Relaxed);
        Some(OpenBuffer { memory: self.memory, joined: 0 })
    }
}

#[cfg(all(test, quipu_loom))]
mod models;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_buffer_waits_for_every_slot() {
        let mut open = OpenBuffer::new(4096);
        let (first, second) = (open.reserve(16), open.reserve(16));
        let mut closed = open.close();
        assert!(matches!(closed.contents(0), Contents::Filling));
        second.unwrap().fill(|bytes| bytes.fill(2));
        assert!(matches!(closed.contents(0), Contents::Filling));
        first.unwrap().fill(|bytes| bytes.fill(1));
        let Contents::Ready(bytes) = closed.contents(0) else { panic!("both slots are filled") };
        assert_eq!((bytes[15], bytes[16], bytes.len()), (1, 2, 32));
        assert_eq!(closed.reopen().unwrap().joined(), 0);
    }

    #[test]
    fn a_slot_that_was_never_filled_spoils_the_buffer() {
        let mut open = OpenBuffer::new(4096);
        drop(open.reserve(16));
        assert!(open.reserve(4096 - 15).is_none(), "no more than there is room for");
        let mut closed = open.close();
        assert!(matches!(closed.contents(0), Contents::Abandoned));
        assert!(closed.reopen().is_none());
    }

    #[test]
    fn behind_the_slots_come_zeros_as_far_as_there_is_room() {
        let mut open = OpenBuffer::new(4096);
        open.reserve(4096).unwrap().fill(|bytes| bytes.fill(7));
        let mut open = open.close().reopen().unwrap();
        open.reserve(4000).unwrap().fill(|bytes| bytes.fill(9));
        let mut closed = open.close();
        for (padding, len) in [(0, 4000), (16, 4016), (500, 4096)] {
            let Contents::Ready(bytes) = closed.contents(padding) else { panic!("it is filled") };
            assert_eq!(bytes.len(), len);
            assert!(bytes[..4000].iter().all(|&b| b == 9) && bytes[4000..].iter().all(|&b| b == 0));
        }
    }

    #[test]
    fn threads_fill_disjoint_slots() {
        let mut open = OpenBuffer::new(1 << 16);
        let slots: Vec<Slot> = (0..64).map(|_| open.reserve(1024).unwrap()).collect();
        let mut closed = open.close();
        std::thread::scope(|scope| {
            for (number, slot) in slots.into_iter().enumerate() {
                scope.spawn(move || slot.fill(|bytes| bytes.fill(number as u8)));
            }
        });
        let Contents::Ready(bytes) = closed.contents(0) else { panic!("all slots are filled") };
        assert!(bytes.chunks(1024).enumerate().all(|(n, c)| c.iter().all(|&b| b == n as u8)));
    }
}
