//! What lies in the segments of a store under test, read without the engine.

use std::path::{Path, PathBuf};

use quipu_disk::FaultDisk;
use quipu_format::PAGE_BYTES;
use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader};
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};

/// The segments of the stores on a disk, in the order of their names.
#[must_use]
pub fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "seg"));
    files
}

/// Whether a file holds an index: of a segment, or a run of heads.
#[must_use]
pub fn is_index(file: &Path) -> bool {
    file.extension().is_some_and(|kind| kind == "idx" || kind == "run")
}

/// The index files of the stores on a disk, in the order of their names.
#[must_use]
pub fn indexes(disk: &FaultDisk) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| is_index(file));
    files
}

/// The headers of a segment's frames, up to the first that is none. None if the segment's own header is none.
#[must_use]
pub fn frames(bytes: &[u8]) -> Option<Vec<(Place, FrameHeader)>> {
    let salt = SegmentHeader::decode(bytes.get(..PAGE_BYTES as usize)?).ok()?.salt;
    let (mut frames, mut at) = (Vec::new(), FIRST_FRAME);
    while let Some(header) = bytes.get(at.0 as usize..at.0 as usize + FRAME_HEADER_BYTES) {
        let place = Place::new(salt, at);
        let Ok(header) = FrameHeader::decode(header, place) else { break };
        frames.push((place, header));
        at.0 += u64::from(header.len);
    }
    Some(frames)
}
