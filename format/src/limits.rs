//! How large things may be. The same bounds hold when writing and when reading, but where it is
//! said.

/// Longest stream name, in bytes of UTF-8. The shortest is one byte.
pub const STREAM_BYTES_MAX: usize = 512;
/// Longest event type, in bytes of UTF-8. The shortest is one byte.
pub const TYPE_BYTES_MAX: usize = 255;
/// Longest tag, in bytes of UTF-8. The shortest is one byte.
pub const TAG_BYTES_MAX: usize = 255;
/// Most tags on one event.
pub const TAGS_MAX: usize = 32;
/// Largest metadata of one event, in bytes.
pub const METADATA_BYTES_MAX: usize = 64 << 10;
/// Largest payload of one event, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Most events in one commit.
pub const EVENTS_MAX: usize = 65_535;
/// Largest frame, header and records together, in bytes.
pub const FRAME_BYTES_MAX: usize = 64 << 20;
/// Largest manifest, in bytes: room for the edits of 3,728,028 segments.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// Smallest capacity of a segment, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 8 << 10;
/// Largest capacity of a segment that a writer gives, in bytes: room for the largest frame beside
/// header, link and seal, and the largest that a store chooses by itself. A reader takes any that a
/// place in the log can address, below 64 GiB: the file itself bounds what is read.
pub const SEGMENT_BYTES_MAX: u64 = 256 << 20;
