//! What was written and where it stands, noted as it is written; and what has become of it, told by the bytes alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use quipu_disk::FaultDisk;
use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::record::Record;
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};
use quipu_format::{PAGE_BYTES, Salt};

use crate::history::Seen;
use crate::segments::segments;

/// A frame as it was written.
struct Frame {
    /// Where it stands in its file.
    range: Range<u64>,
    header: FrameHeader,
}

/// A segment as it was written.
struct Written {
    salt: Salt,
    /// How long the file is.
    size: usize,
    /// Every byte up to the end of the last frame.
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

/// Where an event stands.
struct Stand {
    file: PathBuf,
    frame: Range<u64>,
    range: Range<u64>,
}

/// All that was acknowledged, and where it stands.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) events: Vec<Seen>,
    /// The positions of each commit.
    pub(super) commits: Vec<Range<u64>>,
    segments: BTreeMap<PathBuf, Written>,
    stands: BTreeMap<u64, Stand>,
    /// Where events stood before a recovery carried them on: who reads since before goes on to read them there.
    former: Vec<(u64, Stand)>,
    /// The manifest may not tell the salts of segments any more: their own headers must.
    pub(super) needs_headers: bool,
    /// Pages that cannot be read.
    bad: Vec<(PathBuf, Range<u64>)>,
}

impl Ledger {
    /// Notes what was written since this was done last. Nothing may have been harmed meanwhile.
    pub(super) fn note(&mut self, disk: &FaultDisk) {
        for file in segments(disk) {
            let Ok(bytes) = disk.contents(&file) else { continue };
            self.note_segment(&file, &bytes);
        }
    }

    fn note_segment(&mut self, file: &Path, bytes: &[u8]) {
        if !self.segments.contains_key(file) {
            let page = bytes.get(..PAGE_BYTES as usize);
            let Some(Ok(header)) = page.map(SegmentHeader::decode) else { return };
            let (salt, frames) = (header.salt, Vec::new());
            let (size, bytes) = (bytes.len(), bytes[..FIRST_FRAME.0 as usize].to_vec());
            self.segments.insert(file.to_owned(), Written { salt, size, bytes, frames });
        }
        let Some(segment) = self.segments.get_mut(file) else { return };
        loop {
            let at = segment.bytes.len();
            let place = Place::new(segment.salt, quipu_format::ByteOffset(at as u64));
            let header = bytes.get(at..at + FRAME_HEADER_BYTES);
            let Some(Ok(header)) = header.map(|bytes| FrameHeader::decode(bytes, place)) else {
                return;
            };
            let end = at + header.len as usize;
            let Some(frame) = bytes.get(at..end) else { return };
            segment.bytes.extend_from_slice(frame);
            let range = at as u64..end as u64;
            for (position, stand) in stands(file, &range, &header, frame) {
                let former = self.stands.insert(position, stand);
                self.former.extend(former.map(|former| (position, former)));
            }
            segment.frames.push(Frame { range, header });
        }
    }

    /// Adds a commit.
    pub(super) fn add(&mut self, events: Vec<Seen>) {
        let first = self.next();
        self.events.extend(events);
        self.commits.push(first..self.next());
    }

    /// What stood behind this position was never finished, and is gone.
    pub(super) fn truncate(&mut self, next: u64) {
        self.events.truncate(next as usize);
        self.commits.retain(|commit| commit.end <= next);
        self.stands.retain(|&position, _| position < next);
        self.former.retain(|&(position, _)| position < next);
    }

    pub(super) fn next(&self) -> u64 {
        self.events.len() as u64
    }

    /// The last event of a stream.
    pub(super) fn head(&self, stream: u16) -> Option<&Seen> {
        self.events.iter().rfind(|event| event.stream == stream)
    }

    /// An event that was written to no file.
    pub(super) fn nowhere(&self) -> Option<u64> {
        (0..self.next()).find(|position| !self.stands.contains_key(position))
    }

    /// The file in which an event stands.
    pub(super) fn file_of(&self, position: u64) -> Option<&Path> {
        self.stands.get(&position).map(|stand| stand.file.as_path())
    }

    /// The segment that was written last.
    pub(super) fn last_file(&self) -> Option<&Path> {
        self.written_files().last().copied()
    }

    /// The segments in which there is a frame.
    pub(super) fn written_files(&self) -> Vec<&Path> {
        let written = self.segments.iter().filter(|(_, segment)| !segment.frames.is_empty());
        written.map(|(file, _)| file.as_path()).collect()
    }

    /// How far a segment was written.
    pub(super) fn end_of(&self, file: &Path) -> u64 {
        self.segments.get(file).map_or(0, |segment| segment.bytes.len() as u64)
    }

    /// Where its frames stand.
    pub(super) fn frames_of(&self, file: &Path) -> Vec<Range<u64>> {
        let frames = self.segments.get(file).map(|segment| segment.frames.iter());
        frames.into_iter().flatten().map(|frame| frame.range.clone()).collect()
    }

    pub(super) fn spoiled(&mut self, file: &Path, range: Range<u64>) {
        self.bad.push((file.to_owned(), range));
    }

    /// Whether a page of a file cannot be read.
    pub(super) fn is_spoiled(&self, file: &Path) -> bool {
        self.bad.iter().any(|(bad, _)| bad == file)
    }

    pub(super) fn restored(&mut self) {
        self.bad.clear();
    }

    /// The segments, and the manifest, of which a page cannot be read.
    pub(super) fn bad_files(&self) -> impl Iterator<Item = &Path> {
        let files = self.bad.iter().map(|(file, _)| file.as_path());
        files.filter(|file| !crate::segments::is_index(file))
    }

    /// Whether a page of a segment, or of the manifest, cannot be read.
    pub(super) fn is_bad(&self) -> bool {
        self.bad_files().next().is_some()
    }

    /// The events that are not as they were written, or that something leads to that is not.
    pub(super) fn unsound(&self, disk: &FaultDisk) -> BTreeSet<u64> {
        let now = Now { ledger: self, disk, files: BTreeMap::new() };
        now.unsound()
    }

    /// Those that may be called lost: also what stands behind, where a frame breaks off, or the link, that may be the end
    /// for all that is known. Without a manifest nothing tells where segments end, and links not of each; and no link of
    /// a segment that is gone.
    pub(super) fn lost(&self, disk: &FaultDisk) -> BTreeSet<u64> {
        let mut lost = self.unsound(disk);
        for (file, segment) in &self.segments {
            if !self.needs_headers && self.is_ended(file, disk) {
                continue;
            }
            let now = disk.contents(file).unwrap_or_default();
            let is_bad = |frame: &Frame| {
                self.bad.iter().any(|(bad, at)| bad == file && meet(at, &frame.range))
            };
            let mut frames = segment.frames.iter();
            if let Some(first) =
                frames.find(|frame| is_bad(frame) || !is_sound(segment, frame, &now))
            {
                lost.extend(self.standing(file, &(first.range.start..self.end_of(file))));
            }
        }
        lost
    }

    /// What who reads elsewhere may call lost besides: what is torn as far as it can see, and if it reads since before a
    /// recovery, what stood then in another place.
    pub(super) fn lost_elsewhere(&self, disk: &FaultDisk, is_outlived: bool) -> BTreeSet<u64> {
        let mut now = Now { ledger: self, disk, files: BTreeMap::new() };
        let former = self.former.iter().filter(|(_, stand)| is_outlived && !now.is_sound(stand));
        let former: Vec<u64> = former.map(|&(position, _)| position).collect();
        let torn = self.torn(disk).unwrap_or(u64::MAX)..self.next();
        torn.chain(former).collect()
    }

    /// The events of which one of these bytes is, or was.
    pub(super) fn standing(&self, file: &Path, bytes: &Range<u64>) -> BTreeSet<u64> {
        let former = self.former.iter().map(|(position, stand)| (position, stand));
        let stands = self.stands.iter().chain(former);
        let stands = stands.filter(|(_, stand)| stand.file == file && meet(&stand.frame, bytes));
        stands.map(|(&position, _)| position).collect()
    }

    /// Whether something tells where a segment ended: its seal, or the link of the next one.
    fn is_ended(&self, file: &Path, disk: &FaultDisk) -> bool {
        let Some(next) = self.behind(file) else { return true };
        self.is_sealed(file) || self.has_link(next, disk) && !self.is_spoiled(next)
    }

    /// Whether the first frame of a segment is as it was written.
    pub(super) fn has_link(&self, file: &Path, disk: &FaultDisk) -> bool {
        let now = disk.contents(file).unwrap_or_default();
        let segment = self.segments.get(file);
        let link = segment.and_then(|segment| Some((segment, segment.frames.first()?)));
        link.is_some_and(|(segment, link)| is_sound(segment, link, &now))
    }

    /// Whether a segment has its seal.
    pub(super) fn is_sealed(&self, file: &Path) -> bool {
        let is_seal = |frame: &Frame| frame.header.kind == FrameKind::Seal;
        self.segments.get(file).is_some_and(|segment| segment.frames.iter().any(is_seal))
    }

    /// The next segment in which there is a frame.
    pub(super) fn behind(&self, file: &Path) -> Option<&Path> {
        self.written_files().into_iter().find(|&other| other > file)
    }

    /// The segments of which something is not as it was written.
    pub(super) fn changed(&self, disk: &FaultDisk) -> Vec<&Path> {
        let is_changed = |(file, segment): &(&PathBuf, &Written)| {
            let now = disk.contents(file).unwrap_or_default();
            let is_same = now.starts_with(&segment.bytes) && now.len() == segment.size;
            !segment.frames.is_empty() && !is_same || self.bad.iter().any(|(bad, _)| bad == *file)
        };
        let changed = self.segments.iter().filter(is_changed);
        changed.map(|(file, _)| file.as_path()).collect()
    }

    /// The segments that are shorter than they were made.
    pub(super) fn cut(&self, disk: &FaultDisk) -> Vec<&Path> {
        let is_cut = |file: &Path, segment: &Written| {
            disk.contents(file).is_ok_and(|now| now.len() < segment.size)
        };
        let cut = self.segments.iter().filter(|(file, segment)| is_cut(file, segment));
        cut.map(|(file, _)| file.as_path()).collect()
    }

    /// Up to which position the frames of the last segment that was begun call the log durable, as far as they are as they
    /// were written. Nobody says of a segment without its link where it begins, but a frame in what is durable of it.
    pub(super) fn vouched_for(&self, disk: &FaultDisk) -> u64 {
        let mut begun = self.segments.iter().filter(|(_, segment)| !segment.frames.is_empty());
        let Some((file, segment)) = begun.next_back() else { return 0 };
        let now = disk.contents(file).unwrap_or_default();
        let sound = |frame: &&Frame| is_sound(segment, frame, &now);
        let Some(first) = segment.frames.iter().find(sound).filter(|_| !self.is_spoiled(file))
        else {
            return 0;
        };
        let durable = segment.frames.iter().filter(sound).map(|frame| frame.header.durable_to.0);
        let durable = durable.max().unwrap_or_default();
        let is_link = first.range.start == FIRST_FRAME.0;
        if !is_link && (durable <= FIRST_FRAME.0 || first.range.start > durable) {
            return 0;
        }
        let before = segment.frames.iter().filter(|frame| frame.range.end <= durable);
        let before = before.map(|frame| frame.header.next_position().0).max();
        before.unwrap_or(first.header.first_position.0)
    }

    /// The first position that may be gone in silence once no writer is there: where the last segment that was written
    /// breaks off, and nothing behind that place calls it durable. If that takes all of it, so it is with the one before
    /// if that is not sealed, unless the frame behind the link shows that it was durable.
    pub(super) fn torn(&self, disk: &FaultDisk) -> Option<u64> {
        let mut torn = None;
        for (file, segment) in self.segments.iter().rev() {
            let sealed = segment.frames.iter().any(|frame| frame.header.kind == FrameKind::Seal);
            let Some(link) = segment.frames.first().filter(|_| torn.is_none() || !sealed) else {
                if segment.frames.is_empty() { continue } else { break }
            };
            let now = disk.contents(file).unwrap_or_default();
            let Some(broken) = broken(segment, &now) else { break };
            torn = Some(broken.header.first_position.0);
            let shows = |frame| is_sound(segment, frame, &now);
            if broken.range != link.range || segment.frames.get(1).is_some_and(shows) {
                break;
            }
        }
        torn
    }
}

/// The first frame that is not as it was written and that nothing calls durable.
fn broken<'w>(segment: &'w Written, now: &[u8]) -> Option<&'w Frame> {
    let sound = segment.frames.iter().filter(|frame| is_sound(segment, frame, now));
    let durable = sound.map(|frame| frame.header.durable_to.0).max();
    let mut behind = segment.frames.iter().filter(|frame| durable <= Some(frame.range.start));
    behind.find(|frame| !is_sound(segment, frame, now))
}

/// Whether two ranges have a byte in common.
fn meet(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Whether a frame is as it was written.
fn is_sound(segment: &Written, frame: &Frame, now: &[u8]) -> bool {
    let range = frame.range.start as usize..frame.range.end as usize;
    now.get(range.clone()) == segment.bytes.get(range)
}

/// Where the events of a frame stand.
fn stands(
    file: &Path,
    range: &Range<u64>,
    header: &FrameHeader,
    frame: &[u8],
) -> Vec<(u64, Stand)> {
    let (mut stands, mut at) = (Vec::new(), FRAME_HEADER_BYTES as u64);
    if header.kind != FrameKind::Events {
        return stands;
    }
    for ordinal in 0..u64::from(header.events) {
        let Some(Ok(extent)) = frame.get(at as usize..).map(Record::extent) else { break };
        let start = range.start + at;
        let own = start..start + extent.len;
        let stand = Stand { file: file.to_owned(), frame: range.clone(), range: own };
        stands.push((header.first_position.0 + ordinal, stand));
        at += extent.len;
    }
    stands
}

/// A disk beside what was written to it.
struct Now<'n> {
    ledger: &'n Ledger,
    disk: &'n FaultDisk,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Now<'_> {
    fn unsound(mut self) -> BTreeSet<u64> {
        let ledger = self.ledger;
        let mut unsound: BTreeSet<u64> = BTreeSet::new();
        for position in 0..ledger.next() {
            // What was written to a file that has lost its name stands nowhere.
            let is_sound = ledger.stands.get(&position).is_some_and(|stand| self.is_sound(stand));
            if !is_sound {
                unsound.insert(position);
            }
        }
        unsound
    }

    fn is_sound(&mut self, stand: &Stand) -> bool {
        let Stand { file, frame, range } = stand;
        let header = frame.start..frame.start + FRAME_HEADER_BYTES as u64;
        let is_bad = self.ledger.bad.iter().any(|(bad, at)| {
            // Of a frame that cannot be read as a whole nothing is, and without its header no segment.
            bad == file && (meet(at, frame) || meet(at, &(0..FIRST_FRAME.0)))
        });
        let reaches = self.file(file).len() as u64 >= frame.end;
        !is_bad
            && reaches
            && [header, range.clone()].iter().all(|part| self.is_same(file, part))
            && (!self.ledger.needs_headers || self.is_same(file, &(0..FIRST_FRAME.0)))
    }

    fn is_same(&mut self, file: &Path, range: &Range<u64>) -> bool {
        let range = range.start as usize..range.end as usize;
        let written = &self.ledger.segments[file].bytes;
        self.file(file).get(range.clone()) == written.get(range)
    }

    fn file(&mut self, file: &Path) -> &[u8] {
        let disk = self.disk;
        let read = || disk.contents(file).unwrap_or_default();
        self.files.entry(file.to_owned()).or_insert_with(read)
    }
}
