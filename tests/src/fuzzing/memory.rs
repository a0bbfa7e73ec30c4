//! How much memory a call takes at most, counted by the allocator.
#![allow(unsafe_code, reason = "an allocator can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The system's allocator, counted. A program whose memory is to be measured installs it:
///
/// ```
/// #[global_allocator]
/// static COUNTED: quipu_tests::fuzzing::Counted = quipu_tests::fuzzing::Counted;
///
/// let (held, peak) = quipu_tests::fuzzing::peak_of(|| vec![0u8; 1 << 20]);
/// assert!(peak.is_some_and(|bytes| bytes >= held.len()));
/// ```
#[derive(Debug)]
pub struct Counted;

/// Bytes that are allocated now.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The most that were, since it was last set.
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Held while somebody measures: what others allocate meanwhile would be counted too.
static MEASURING: Mutex<()> = Mutex::new(());

fn grown(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

fn shrunk(bytes: usize) {
    LIVE.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator with the arguments it came with, and its answer is given back
// unchanged; the counters are atomic and allocate nothing.
unsafe impl GlobalAlloc for Counted {
    // SAFETY: the caller promises what the trait asks of it, that the layout is not empty.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: what the caller promises of `layout` is what `System` asks for.
        let at = unsafe { System.alloc(layout) };
        if !at.is_null() {
            grown(layout.size());
        }
        at
    }

    // SAFETY: the caller promises what the trait asks of it, that the layout is not empty.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: what the caller promises of `layout` is what `System` asks for.
        let at = unsafe { System.alloc_zeroed(layout) };
        if !at.is_null() {
            grown(layout.size());
        }
        at
    }

    // SAFETY: the caller promises what the trait asks of it, that `at` was allocated here with this layout.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from one of the calls here, and so from `System`, with this layout.
        unsafe { System.dealloc(at, layout) };
        shrunk(layout.size());
    }

    // SAFETY: the caller promises what the trait asks of it, that `at` was allocated here with this layout.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `at` came from one of the calls here, and so from `System`, with this layout.
        let moved = unsafe { System.realloc(at, layout, size) };
        if !moved.is_null() {
            // Both stand for a moment, where it moves.
            grown(size);
            shrunk(layout.size());
        }
        moved
    }
}

/// What a call gives, and how many bytes the process held at most meanwhile, beyond those from before. `None` where
/// [`Counted`] is not this program's allocator. One call at a time is measured; whatever other threads of the
/// program allocate is counted with it.
pub fn peak_of<T>(call: impl FnOnce() -> T) -> (T, Option<usize>) {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let given = call();
    // A program that has come so far has allocated something.
    let is_counted = PEAK.load(Ordering::Relaxed) > 0;
    (given, is_counted.then(|| PEAK.load(Ordering::Relaxed).saturating_sub(before)))
}
