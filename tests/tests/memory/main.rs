//! How much memory index files cost: a program of its own, because its allocator counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod forged;
mod runs;

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quipu_format::{Salt, SegmentId, StoreId};
use quipu_index::{Identity, Source};
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

/// A file in memory.
#[derive(Clone, Debug)]
struct Bytes(Arc<[u8]>);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let bytes = self.0.get(range.start as usize..range.end as usize);
        bytes.map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
