//! What the benchmarks of Quipu share: made-up orders, stores that are filled with them, and a folder on a real disk.
//!
//! What is absent: no figure is judged here. What a machine allows changes from one minute to the next; the benchmarks
//! say how fast it was.

#![forbid(unsafe_code)]

mod filled;
mod ground;
mod orders;
mod still;

pub use filled::{Shape, fill, fill_stepped, place, settle};
pub use ground::Ground;
pub use orders::{PAYLOAD_BYTES, Random, events, payload, payloads, stream};
pub use still::StillDisk;
