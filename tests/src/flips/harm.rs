//! What is damaged.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use quipu_disk::FaultDisk;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{PAGE_BYTES, UNIT_BYTES};

use crate::random::Random;
use crate::segments::{frames, is_index, segments};

/// How long a frame may say that it is: longer than any file of these stores.
const LIE_BYTES_MAX: usize = 64 << 20;
/// The unit in which a medium writes.
const SECTOR_BYTES: u64 = 512;

/// One thing that is wrong with the log.
pub(crate) enum Harm {
    /// A bit is flipped.
    Flip { file: PathBuf, offset: u64, mask: u8 },
    /// A frame's header sums up, and its length is not that of the frame.
    Lie { file: PathBuf, offset: u64, header: [u8; FRAME_HEADER_BYTES], len: u32 },
    /// The file of an older segment has the name of the newest.
    Recycled { file: PathBuf, older: PathBuf },
    /// A sector holds zeros.
    Zeroed { file: PathBuf, sector: Range<u64> },
    /// A frame was written to another place from the first.
    Astray { file: PathBuf, frame: Range<u64>, to: PathBuf, offset: u64 },
    /// A frame was written a second time, to another place.
    Twice { file: PathBuf, frame: Range<u64>, to: PathBuf, offset: u64 },
    /// A file is gone.
    Gone { file: PathBuf },
    /// A file is there a second time, under a name that another had, or nobody.
    Copied { file: PathBuf, name: PathBuf },
    /// This operation of the running store went astray.
    Stray { at: u64 },
    /// A file ends early.
    Cut { file: PathBuf, len: usize },
}

impl Harm {
    /// Draws one more. None if this store has nothing to be damaged in this way.
    pub(super) fn draw(random: &mut Random, disk: &FaultDisk, before: &[Harm]) -> Option<Harm> {
        let files = segments(disk);
        let damaged = before.iter().rev().find_map(Harm::segment);
        if let Some(segment) = damaged.filter(|_| random.percent(50)) {
            // Who has lost what stands in a segment looks into its index.
            return harm_index(random, disk, &segment);
        }
        match random.below(26) {
            0..8 => flip(random, disk, &files),
            8..11 => lie(random, disk, &files),
            11..14 => recycle(random, disk, &files),
            14..16 => zero(random, disk, &files),
            16 => wander(random, disk, &files).map(|(file, frame, to, offset)| Harm::Astray {
                file,
                frame,
                to,
                offset,
            }),
            17 => wander(random, disk, &files).map(|(file, frame, to, offset)| Harm::Twice {
                file,
                frame,
                to,
                offset,
            }),
            18 => random.pick(&disk.files()).map(|file| Harm::Gone { file }),
            19 => copy(random, disk, &files),
            20 => cut(random, disk),
            _ => flip_other(random, disk),
        }
    }

    /// The segment that is damaged.
    pub(super) fn segment(&self) -> Option<PathBuf> {
        let file = match self {
            Harm::Flip { file, .. }
            | Harm::Lie { file, .. }
            | Harm::Recycled { file, .. }
            | Harm::Zeroed { file, .. }
            | Harm::Astray { file, .. }
            | Harm::Gone { file }
            | Harm::Cut { file, .. } => file,
            Harm::Twice { to, .. } => to,
            Harm::Copied { name, .. } => name,
            Harm::Stray { .. } => return None,
        };
        file.extension().filter(|kind| *kind == "seg").map(|_| file.clone())
    }

    /// Damages the store.
    pub(crate) fn apply(&self, disk: &FaultDisk) {
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
            Harm::Zeroed { file, sector } => disk.zero(file, sector.clone()),
            Harm::Astray { file, frame, to, offset } => {
                disk.misdirect(file, frame.clone(), to, *offset)
            }
            Harm::Twice { file, frame, to, offset } => {
                disk.duplicate(file, frame.clone(), to, *offset)
            }
            Harm::Stray { .. } => Ok(()),
            Harm::Gone { file } => disk.erase(file),
            Harm::Copied { file, name } => {
                disk.contents(file).and_then(|bytes| disk.put(name, &bytes))
            }
            Harm::Cut { file, len } => disk
                .contents(file)
                .and_then(|bytes| disk.put(file, &bytes[..*len.min(&bytes.len())])),
        };
        applied.expect("the file was there a moment ago");
    }
}

/// A bit of what was written, or close behind.
fn flip(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let file = random.pick(files)?;
    let bytes = disk.contents(&file).ok()?;
    let written = bytes.iter().rposition(|&byte| byte != 0)? + 1;
    let reach = (written + PAGE_BYTES as usize / 16).min(bytes.len());
    // Few would hit a frame otherwise: the first page holds only the header.
    let begin = if random.percent(10) { 0 } else { FIRST_FRAME.0 as usize };
    let offset = random.between(begin.min(reach - 1), reach - 1) as u64;
    Some(Harm::Flip { file, offset, mask: 1 << random.below(8) })
}

/// Where the frames of a segment stand, in bytes of its file. None if it has none.
fn places(disk: &FaultDisk, file: &Path) -> Option<Vec<Range<u64>>> {
    let frames = frames(&disk.contents(file).ok()?)?;
    let place = |(place, header): &(_, FrameHeader)| {
        let at: &quipu_format::checksum::Place = place;
        at.offset.0..at.offset.0 + u64::from(header.len)
    };
    (!frames.is_empty()).then(|| frames.iter().map(place).collect())
}

/// An older segment under the name of the newest that was written.
fn recycle(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let newest = files.iter().rposition(|file| places(disk, file).is_some())?;
    let older = files.get(random.below(newest))?.clone();
    (newest > 0).then(|| Harm::Recycled { file: files[newest].clone(), older })
}

fn lie(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let file = random.pick(files)?;
    let frames = frames(&disk.contents(&file).ok()?)?;
    let (place, header) = random.pick(&frames)?;
    let (own, all) = (header.len as usize, disk.contents(&file).ok()?.len());
    // A header that leads into a later frame, and sums up, is a forgery, of which nothing is promised.
    let bytes = match random.percent(30) {
        true => random.between(UNIT_BYTES as usize, own - 1),
        false => random.between(all, LIE_BYTES_MAX),
    };
    let len = u32::try_from(bytes as u64 / UNIT_BYTES * UNIT_BYTES).ok()?;
    let header = FrameHeader { len, ..header }.encode(place);
    Some(Harm::Lie { file, offset: place.offset.0, header, len })
}

/// A sector of frames. The last frame stays, because it alone may say that those before it are durable: of a store that
/// was not closed, a sector that takes them with it leaves what a torn write leaves.
fn zero(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let file = random.pick(files)?;
    let last = places(disk, &file)?.last()?.start;
    let sectors = (last - FIRST_FRAME.0) / SECTOR_BYTES;
    let chosen = FIRST_FRAME.0 + random.below(sectors as usize) as u64 * SECTOR_BYTES;
    (sectors > 0).then_some(Harm::Zeroed { file, sector: chosen..chosen + SECTOR_BYTES })
}

/// A frame, and another place for it. As in `zero` the last frames stay.
fn wander(
    random: &mut Random,
    disk: &FaultDisk,
    files: &[PathBuf],
) -> Option<(PathBuf, Range<u64>, PathBuf, u64)> {
    let [file, to] = [random.pick(files)?, random.pick(files)?];
    let mut movable = places(disk, &file)?;
    movable.pop();
    let frame = random.pick(&movable)?;
    let length = frame.end - frame.start;
    let last = places(disk, &to)?.last()?.clone();
    let size = disk.contents(&to).ok()?.len() as u64;
    // Over what was written, or behind it.
    let (from, until) = match random.percent(70) {
        true => (FIRST_FRAME.0, last.start.checked_sub(length)?),
        false => (last.end, size.checked_sub(length)?),
    };
    let units = until.checked_sub(from)? / UNIT_BYTES;
    let offset = from + random.below(units as usize + 1) as u64 * UNIT_BYTES;
    ((&file, frame.start) != (&to, offset)).then_some((file, frame, to, offset))
}

/// A file once more: in the place of another of its kind, or under the next number.
fn copy(random: &mut Random, disk: &FaultDisk, files: &[PathBuf]) -> Option<Harm> {
    let file = random.pick(&disk.files())?;
    let is_segment = files.contains(&file);
    let name = match random.percent(50) {
        true => random.pick(if is_segment { files } else { &[] })?,
        false => {
            let kind = file.extension()?.to_str()?;
            file.with_file_name(format!("{:010}.{kind}", files.len() + random.between(1, 2)))
        }
    };
    // What the last segment that was written holds is told by no other file than the manifest, and by that only once
    // the store is closed: `recycle` sees to it.
    let newest = files.iter().rfind(|file| places(disk, file).is_some());
    (name != file && Some(&name) != newest).then_some(Harm::Copied { file, name })
}

/// A file of any kind that ends early.
fn cut(random: &mut Random, disk: &FaultDisk) -> Option<Harm> {
    let file = random.pick(&disk.files())?;
    let len = random.below(disk.contents(&file).ok()?.len());
    Some(Harm::Cut { file, len })
}

/// A bit of the manifest, or of an index or run.
fn flip_other(random: &mut Random, disk: &FaultDisk) -> Option<Harm> {
    let mut files = disk.files();
    files.retain(|file| file.ends_with("manifest") || is_index(file));
    let file = random.pick(&files)?;
    flip_in(random, disk, &file)
}

/// Something happens to the index of a segment, or to a run.
fn harm_index(random: &mut Random, disk: &FaultDisk, segment: &Path) -> Option<Harm> {
    let mut files = disk.files();
    let own = segment.with_extension("idx");
    files.retain(|file| *file == own || file.extension().is_some_and(|kind| kind == "run"));
    let file = random.pick(&files)?;
    if random.percent(50) { Some(Harm::Gone { file }) } else { flip_in(random, disk, &file) }
}

/// A bit of what a file holds.
fn flip_in(random: &mut Random, disk: &FaultDisk, file: &Path) -> Option<Harm> {
    let bytes = disk.contents(file).ok()?;
    let used = bytes.iter().rposition(|&byte| byte != 0)? + 1;
    let offset = random.below(used) as u64;
    Some(Harm::Flip { file: file.to_owned(), offset, mask: 1 << random.below(8) })
}

/// What was done to a store, in words.
pub(crate) fn named(harms: &[Harm]) -> String {
    harms.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            Harm::Zeroed { file, sector } => write!(f, "zeros at {sector:?} of {}", name(file)),
            Harm::Astray { file, frame, to, offset } => {
                write!(f, "{frame:?} of {} written at {offset} of {}", name(file), name(to))
            }
            Harm::Twice { file, frame, to, offset } => {
                write!(f, "{frame:?} of {} also written at {offset} of {}", name(file), name(to))
            }
            Harm::Stray { at } => write!(f, "operation {at} gone astray"),
            Harm::Gone { file } => write!(f, "{} gone", name(file)),
            Harm::Copied { file, name: to } => write!(f, "{} also called {}", name(file), name(to)),
            Harm::Cut { file, len } => write!(f, "{} cut to {len} bytes", name(file)),
        }
    }
}
