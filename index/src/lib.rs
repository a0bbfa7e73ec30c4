//! The index of a Quipu store: from a key to where its events are.
//!
//! The index is derived from the log and never evidence about it: whatever it says can be rebuilt from
//! the segments. A [`Key`] is a 128-bit hash of a kind and a name. What a segment holds of a key is found
//! in its [`Part`]s: an [`Active`] in memory while the segment is written, a [`Sealed`] file afterwards.
//! What all segments together hold of it is in [`Layers`]: the newest segments' files, and below them
//! [`Run`]s, each of which sums up a range of segments.
//!
//! What is absent: this crate reads no log and opens no file. Bytes come through a [`Source`]. The index of a segment
//! leaves as bytes, from [`write_segment`]; a run, which may be of any size, through a [`Sink`], from [`write_run`].

#![forbid(unsafe_code)]

mod active;
mod container;
mod error;
mod filter;
mod hasher;
mod heads;
mod key;
mod layers;
mod pages;
mod part;
mod row;
mod run;
mod sealed;
mod sink;
mod source;
mod table;
mod walk;
mod write;

pub use active::{Active, Post};
pub use error::IndexError;
pub use hasher::{BuildKeyHasher, KeyHasher};
pub use heads::{StreamHead, StreamHeads};
pub use key::{Key, Keys, Kind};
pub use layers::{Head, Layer, Layers};
pub use part::{Held, Part, Way};
pub use run::{Run, write_run};
pub use sealed::Sealed;
pub use sink::Sink;
pub use source::{Covers, Identity, Source};
pub use write::{Lineage, write_segment};
