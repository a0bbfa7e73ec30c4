//! The bytes of a Quipu store, as pure functions.
//!
//! Everything is little-endian with explicit widths. `docs/FORMAT.md` draws each structure with its
//! offsets and changes together with this crate; `tests/it/golden.rs` holds bytes that were computed
//! apart from it.
//!
//! | module | what it lays out |
//! |---|---|
//! | [`segment`] | the header page of a segment file |
//! | [`frame`] | one commit, or one of the log's own entries: link, mark, seal |
//! | [`record`] | one event inside of a frame |
//! | [`manifest`] | the list of what belongs to a store |
//! | [`index`] | an index file of a segment, or the heads of a range of them |
//! | [`checksum`] | the CRC that ties bytes to the place they stand at |
//!
//! What is absent: this crate opens no file, reads no clock and allocates nothing whose size comes
//! from unchecked bytes. It never panics on any input.

#![forbid(unsafe_code)]

pub mod checksum;
mod error;
pub mod features;
pub mod frame;
mod ids;
pub mod index;
pub mod limits;
mod live;
pub mod manifest;
pub mod record;
mod seal;
pub mod segment;

pub use error::FormatError;
pub use ids::{
    ByteOffset, Epoch, Lsn, PAGE_BYTES, Position, Salt, SegmentId, StoreId, Timestamp, UNIT_BYTES,
    Version, align_up,
};
pub use live::{LIVE_BYTES, Live, Standing};
pub use seal::{Hash, SEAL_BODY_BYTES, Seal};

/// The number of the format that this crate writes, shown by `quipu --version`.
///
/// It is for people. What decides whether a file can be read are the feature masks in its header.
pub const FORMAT_VERSION: u32 = 1;
