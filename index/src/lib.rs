//! The index of a Quipu store: from a key to where its events are.
//!
//! The index is derived from the log and never evidence about it: whatever it says can be rebuilt from
//! the segments. A [`Key`] is a 128-bit hash of a kind and a name; [`Heads`] holds what is known of each
//! stream without reading the log.
//!
//! What is absent: this crate reads no log and opens no file.

#![forbid(unsafe_code)]

mod heads;
mod key;

pub use heads::{Head, Heads};
pub use key::{Key, Keys, Kind};
