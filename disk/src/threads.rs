//! Threads, and what they share and wait with: locks, conditions, atomics.
//!
//! All that this crate and the engine share between threads comes from here, so that a model can stand in its place:
//! built with `--cfg quipu_shuttle` or `--cfg quipu_loom`, every lock, wait and atomic operation is a point at which
//! another thread may go on, and a harness tries one interleaving after the other. In any other build these are the
//! types of `parking_lot` and of the standard library, under their own names, and nothing stands in between.
//!
//! For the engine alone: no part of the stable interface.
//!
//! `Arc` and `OnceLock` are the standard library's in every build: nobody waits at them here.

#[cfg(any(quipu_shuttle, quipu_loom))]
mod modelled;
#[cfg(quipu_loom)]
pub mod weakened;

pub use std::sync::atomic::Ordering;
pub use std::thread::panicking;

#[cfg(not(any(quipu_shuttle, quipu_loom)))]
pub use {
    parking_lot::{Condvar, Mutex, MutexGuard, RwLock},
    std::hint::spin_loop,
    std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
    std::thread::{Builder, JoinHandle, ThreadId, current, yield_now},
};

#[cfg(any(quipu_shuttle, quipu_loom))]
pub use modelled::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(quipu_shuttle)]
pub use shuttle::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
    thread::{Builder, JoinHandle, ThreadId, current, yield_now},
};

#[cfg(quipu_loom)]
pub use {
    loom::hint::spin_loop,
    loom::thread::{Builder, JoinHandle, ThreadId, current, yield_now},
    weakened::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
};

/// How often to look whether there is anything to sleep for. Each look is about twenty nanoseconds, so that is about a
/// microsecond in all: less than the two system calls of sleeping and waking, and short enough not to starve the
/// thread that is waited for. In a model one look shows all that many do.
pub(crate) const SPINS: u32 = if cfg!(any(quipu_shuttle, quipu_loom)) { 1 } else { 64 };
