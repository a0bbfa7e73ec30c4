//! What is damaged.

use std::fmt;
use std::path::{Path, PathBuf};

use quipu_disk::FaultDisk;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{PAGE_BYTES, UNIT_BYTES};

use crate::random::Random;
use crate::segments::{frames, segments};

/// How long a frame may say that it is: longer than any file of these stores.
const LIE_BYTES_MAX: usize = 64 << 20;

/// One thing that is wrong with the log.
pub(super) enum Harm {
    /// A bit is flipped.
    Flip { file: PathBuf, offset: u64, mask: u8 },
    /// A frame's header sums up, and its length is not that of the frame.
    Lie { file: PathBuf, offset: u64, header: [u8; FRAME_HEADER_BYTES], len: u32 },
    /// The file of an older segment has the name of the newest.
    Recycled { file: PathBuf, older: PathBuf },
}

impl Harm {
    /// Draws one. None if this store has nothing to be damaged in this way.
    pub(super) fn draw(random: &mut Random, disk: &FaultDisk) -> Option<Harm> {
        let files = segments(disk);
        match random.below(10) {
            0..6 => flip(random, disk, &files),
            6..8 => lie(random, disk, &files),
            _ => recycle(random, disk, &files),
        }
    }

    /// Damages the store.
    pub(super) fn apply(&self, disk: &FaultDisk) {
        let applied = match self {
            Harm::Flip { file, offset, mask } => disk.flip(file, *offset, *mask),
            Harm::Lie { file, offset, header, .. } => disk.contents(file).and_then(|mut bytes| {
                let at = *offset as usize;
                bytes[at..at + FRAME_HEADER_BYTES].copy_from_slice(header);
                disk.put(file, &bytes)
            }),
            Harm::Recycled { file, older } => {
                disk.contents(older).and_then(|bytes| disk.put(file, &bytes))
            }
        };
        applied.expect("the file was there a moment ago");
    }
}

/// A bit of what was written, or close behind.
fn flip(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let file = files.get(random.below(files.len()))?.clone();
    let bytes = disk.contents(&file).ok()?;
    let written = bytes.iter().rposition(|&byte| byte != 0)? + 1;
    let reach = (written + PAGE_BYTES as usize / 16).min(bytes.len());
    // Few would hit a frame otherwise: the first page holds only the header.
    let begin = if random.percent(10) { 0 } else { FIRST_FRAME.0 as usize };
    let offset = random.between(begin.min(reach - 1), reach - 1) as u64;
    Some(Harm::Flip { file, offset, mask: 1 << random.below(8) })
}

/// An older segment under the name of the newest that was written.
fn recycle(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let is_written = |file: &PathBuf| {
        let bytes = disk.contents(file).ok();
        bytes.and_then(|bytes| frames(&bytes)).is_some_and(|frames| !frames.is_empty())
    };
    let newest = files.iter().rposition(is_written)?;
    let older = files.get(random.below(newest))?.clone();
    (newest > 0).then(|| Harm::Recycled { file: files[newest].clone(), older })
}

fn lie(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let file = files.get(random.below(files.len()))?.clone();
    let frames = frames(&disk.contents(&file).ok()?)?;
    let (place, header) = *frames.get(random.below(frames.len()))?;
    let units = random.between(1, LIE_BYTES_MAX / UNIT_BYTES as usize);
    let len = u32::try_from(units as u64 * UNIT_BYTES).ok()?;
    let header = FrameHeader { len, ..header }.encode(place);
    Some(Harm::Lie { file, offset: place.offset.0, header, len })
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            Harm::Flip { file, offset, mask } => {
                write!(f, "bits {mask:#x} flipped at {offset} of {}", name(file))
            }
            Harm::Lie { file, offset, len, .. } => {
                write!(f, "the frame at {offset} of {} said to have {len} bytes", name(file))
            }
            Harm::Recycled { file, older } => {
                write!(f, "{} in the place of {}", name(older), name(file))
            }
        }
    }
}
