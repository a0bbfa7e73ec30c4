//! The frames of a segment's file, for tests that change one.

use quipu_format::ByteOffset;
use quipu_format::checksum::Place;
use quipu_format::frame::FrameHeader;
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};

/// The frames of a segment's file up to the first that is not valid, by their headers alone.
pub(crate) fn frames(bytes: &[u8]) -> Vec<(u64, FrameHeader)> {
    let salt = SegmentHeader::decode(&bytes[..4096]).unwrap().salt;
    let mut frames = Vec::new();
    let mut at = FIRST_FRAME.0;
    while let Some(rest) = bytes.get(usize::try_from(at).unwrap()..)
        && let Ok(header) = FrameHeader::decode(rest, Place::new(salt, ByteOffset(at)))
    {
        frames.push((at, header));
        at += u64::from(header.len);
    }
    frames
}
