//! Where everything stood before the damage, and what is left of it: told by the bytes alone, without the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use quipu_disk::FaultDisk;
use quipu_format::PAGE_BYTES;
use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::index::{Contents, IndexHeader};
use quipu_format::record::Record;

use crate::segments::{frames, segments};

/// A frame of a store that was sound.
struct Frame {
    file: PathBuf,
    place: Place,
    range: Range<u64>,
    header: FrameHeader,
}

/// An event of it: which frame holds it, and which bytes are its own.
struct Event {
    frame: usize,
    range: Range<u64>,
}

/// A store that was sound: every byte of it, and where its frames and events stood.
pub(crate) struct Places {
    files: BTreeMap<PathBuf, Vec<u8>>,
    frames: Vec<Frame>,
    events: BTreeMap<u64, Event>,
}

/// What is left of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    /// Events whose bytes, and those of their frame's header, are as they were written.
    pub(crate) sound: BTreeSet<u64>,
    /// Events whose bytes are as they were written, while something that leads to them is not, though it may sum up or
    /// nobody may need it: they may come.
    pub(crate) doubtful: BTreeSet<u64>,
    /// Positions from here on may be gone in silence: the damage looks like a write that was never finished.
    pub(crate) torn: Option<u64>,
    /// The events that are neither, each with the file that it stood in.
    pub(crate) harmed: BTreeMap<u64, PathBuf>,
    /// The manifest is not as it was.
    pub(crate) manifest: bool,
}

impl Places {
    /// Of a sound store with so many events, that is at remains.
    pub(crate) fn of(disk: &FaultDisk, events: u64) -> Places {
        let mut places =
            Places { files: contents(disk), frames: Vec::new(), events: BTreeMap::new() };
        for file in segments(disk) {
            places.add(&file, events);
        }
        places
    }

    /// Adds what a segment holds. What a recovery has carried into a later one stands there.
    fn add(&mut self, file: &Path, events: u64) {
        let Some(bytes) = self.files.get(file) else { return };
        for (place, header) in frames(bytes).unwrap_or_default() {
            let frame = self.frames.len();
            let start = place.offset.0;
            let range = start..start + u64::from(header.len);
            let mut at = start + FRAME_HEADER_BYTES as u64;
            for ordinal in 0..u64::from(header.events) {
                let record = bytes.get(at as usize..).map(Record::extent);
                let Some(Ok(extent)) = record.filter(|_| header.kind == FrameKind::Events) else {
                    break;
                };
                let position = header.first_position.0 + ordinal;
                if position < events {
                    let range = at..at + extent.len;
                    self.events.insert(position, Event { frame, range });
                }
                at += extent.len;
            }
            self.frames.push(Frame { file: file.to_owned(), place, range, header });
        }
    }

    /// Of another life that has written the same events: manifest and indexes of that tell nothing of this one.
    pub(crate) fn of_log(mut self) -> Places {
        self.files.retain(|file, _| file.extension().is_some_and(|kind| kind == "seg"));
        self
    }

    /// What is left on a disk that was damaged since. Of a store that was not closed, damage at the end may look like a
    /// write that was never finished; so it may where the manifest does not say any more that it was closed.
    pub(crate) fn remains(&self, disk: &FaultDisk, is_closed: bool) -> Remains {
        let beside = self.beside(disk);
        let mut remains = Remains::default();
        let manifest = self.files.keys().find(|file| file.ends_with("manifest"));
        remains.manifest = manifest.is_some_and(|file| !beside.is_used_part_same(file));
        let tells_salts = manifest.is_some() && !remains.manifest;
        for (&position, event) in &self.events {
            let frame = &self.frames[event.frame];
            let header = frame.range.start..frame.range.start + FRAME_HEADER_BYTES as u64;
            let page = 0..PAGE_BYTES;
            let (own, header) = (event.range.clone(), beside.is_same(&frame.file, &header));
            if !beside.is_same(&frame.file, &own) && !beside.is_cut_of_zeros(&frame.file, &own) {
                remains.harmed.insert(position, frame.file.clone());
                continue;
            }
            // Where neither header nor manifest tell the salt, nothing of the segment can be read. Of a manifest that is
            // not known nobody can say whether it does.
            let is_readable = tells_salts || beside.is_same(&frame.file, &page);
            // What is left of a frame that was cut is served; verification does not look into one.
            let is_cut = beside.size(&frame.file) < frame.range.end;
            let sums_up = || beside.header(&frame.file, frame).is_some();
            if header && is_readable && !is_cut {
                remains.sound.insert(position);
            } else if is_readable && !sums_up() {
                remains.harmed.insert(position, frame.file.clone());
            } else {
                remains.doubtful.insert(position);
            }
        }
        if !is_closed || remains.manifest {
            remains.torn = self.torn(&beside);
        }
        remains
    }

    /// The first position that may be gone in silence: where the last segment that was written breaks off, at its link
    /// too, and nothing behind that place calls it durable.
    fn torn(&self, beside: &Beside<'_>) -> Option<u64> {
        let last = &self.frames.last()?.file;
        let frames: Vec<&Frame> = self.frames.iter().filter(|frame| frame.file == *last).collect();
        let is_sound = |frame: &&&Frame| beside.is_same(last, &frame.range);
        let broken = frames.iter().find(|frame| !is_sound(frame))?;
        let durable = frames.iter().filter(is_sound).map(|frame| frame.header.durable_to.0).max();
        let begins = broken.range.start;
        (durable <= Some(begins)).then_some(broken.header.first_position.0)
    }

    /// Whether these events stand in frames every byte of which is as it was.
    pub(crate) fn is_whole(&self, disk: &FaultDisk, positions: Range<u64>) -> bool {
        let beside = self.beside(disk);
        let mut frames = positions.map(|position| self.events.get(&position));
        frames.all(|event| {
            let frame = event.map(|event| &self.frames[event.frame]);
            frame.is_some_and(|frame| beside.is_same(&frame.file, &frame.range))
        })
    }

    /// Whether a segment has its header still.
    pub(crate) fn has_header(&self, disk: &FaultDisk, file: &Path) -> bool {
        self.beside(disk).is_same(file, &(0..PAGE_BYTES))
    }

    /// Whether the segment that was written as the store was closed is as it was but for frames that its index covers: it
    /// has its header and its link, what was written since, and its length. Nobody reads what lies behind.
    pub(crate) fn is_changed_where_indexed_only(&self, disk: &FaultDisk, file: &Path) -> bool {
        let mut own =
            self.frames.iter().filter(|frame| frame.file == file).map(|frame| &frame.range);
        let (Some(link), Some(covered)) = (own.next(), self.covered(file)) else { return false };
        let beside = self.beside(disk);
        let end = own.next_back().map_or(link.end, |last| last.end).max(covered);
        let length = self.files.get(file).map_or(0, |bytes| bytes.len() as u64);
        let is_same = |range| beside.is_same(file, &range);
        is_same(0..link.end) && is_same(covered..end) && beside.size(file) == length
    }

    /// Where the frames end that the index of a segment covers.
    fn covered(&self, file: &Path) -> Option<u64> {
        let index = self.files.get(&file.with_extension("idx"))?;
        let page = index.get(..PAGE_BYTES as usize)?;
        let header = IndexHeader::decode(page, index.len() as u64).ok()?;
        match header.contents {
            Contents::Segment(covers) => Some(covers.end.0),
            _ => None,
        }
    }

    /// The file in which an event stood.
    pub(crate) fn file_of(&self, position: u64) -> Option<&Path> {
        let event = self.events.get(&position)?;
        Some(&self.frames[event.frame].file)
    }

    /// The segment that was written last.
    pub(crate) fn last_file(&self) -> Option<&Path> {
        self.frames.last().map(|frame| frame.file.as_path())
    }

    /// A byte in the middle of an event.
    #[cfg(test)]
    pub(crate) fn middle_of(&self, position: u64) -> Option<(PathBuf, u64)> {
        let event = self.events.get(&position)?;
        let offset = u64::midpoint(event.range.start, event.range.end);
        Some((self.frames[event.frame].file.clone(), offset))
    }

    /// Whether there is a file that is not as it was, or is new.
    pub(crate) fn is_changed(&self, disk: &FaultDisk) -> bool {
        contents(disk) != self.files
    }

    /// The files whose used part is not as it was.
    pub(crate) fn changed(&self, disk: &FaultDisk) -> Vec<&Path> {
        let beside = self.beside(disk);
        let files = self.files.keys().filter(|file| !beside.is_used_part_same(file));
        files.map(PathBuf::as_path).collect()
    }

    fn beside(&self, disk: &FaultDisk) -> Beside<'_> {
        Beside { before: &self.files, now: contents(disk) }
    }

    /// The files that there were, each as it was.
    pub(crate) fn files(&self) -> &BTreeMap<PathBuf, Vec<u8>> {
        &self.files
    }
}

/// A damaged disk beside what was on it.
struct Beside<'l> {
    before: &'l BTreeMap<PathBuf, Vec<u8>>,
    now: BTreeMap<PathBuf, Vec<u8>>,
}

/// Every file of a disk.
fn contents(disk: &FaultDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let named = disk.files().into_iter();
    named.filter_map(|file| disk.contents(&file).ok().map(|bytes| (file, bytes))).collect()
}

impl Beside<'_> {
    /// Whether these bytes of a file are as they were.
    fn is_same(&self, file: &Path, range: &Range<u64>) -> bool {
        let range = range.start as usize..range.end as usize;
        let before = self.before.get(file).and_then(|bytes| bytes.get(range.clone()));
        before.is_some() && self.now.get(file).and_then(|bytes| bytes.get(range)) == before
    }

    /// The same of a file as far as it held anything.
    fn is_used_part_same(&self, file: &Path) -> bool {
        let bytes = self.before.get(file).map_or(&[][..], Vec::as_slice);
        let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.is_same(file, &(0..used as u64))
    }

    /// Whether a file ends within these bytes, and nothing but zeros was cut off of them: a map shows zeros there.
    fn is_cut_of_zeros(&self, file: &Path, range: &Range<u64>) -> bool {
        let size = self.size(file).max(range.start);
        let rest = size as usize..range.end as usize;
        let before = self.before.get(file).and_then(|bytes| bytes.get(rest));
        self.is_same(file, &(range.start..size))
            && before.is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
    }

    fn size(&self, file: &Path) -> u64 {
        self.now.get(file).map_or(0, |bytes| bytes.len() as u64)
    }

    /// What stands in the place of a frame's header now, if that sums up.
    fn header(&self, file: &Path, frame: &Frame) -> Option<FrameHeader> {
        let bytes = self.now.get(file)?;
        let start = frame.range.start as usize;
        let header = bytes.get(start..start + FRAME_HEADER_BYTES)?;
        FrameHeader::decode(header, frame.place).ok()
    }
}
