//! How much memory index files cost, and hints of other processes: a program of its own, because its allocator counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod forged;
mod hints;
mod runs;

use std::sync::{Mutex, MutexGuard, PoisonError};

use quipu_format::{Salt, SegmentId, StoreId};
use quipu_index::Identity;
use quipu_tests::fuzzing::{Counted, peak_of};

#[global_allocator]
static COUNTED: Counted = Counted;

/// Held by each test from its beginning: what one allocates would be counted in another.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a call gives, and how many bytes it has held at most.
fn measured<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let (given, peak) = peak_of(call);
    (given, peak.unwrap())
}

fn identity(segment: u32) -> Identity {
    Identity { store: StoreId([1; 16]), segment: SegmentId(segment), salt: Salt(2) }
}
