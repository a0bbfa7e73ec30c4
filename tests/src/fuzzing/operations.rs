//! A store's life as the input says: appends, reads, closings, kills and power cuts, index files that are harmed in
//! between, and copies of it that are damaged, each of which must give every event as it was written or say that it
//! is lost.
//!
//! It is the subject of the simulator, and the checker knows of everything that was acknowledged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quipu::{Durability, ExpectedVersion, ReadMode, verify_on};
use quipu_disk::{Disk, FaultDisk, PowerCut};
use quipu_format::frame::FrameKind;
use quipu_format::segment::FIRST_FRAME;

use super::Judged;
use super::input::Input;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::flips::{Harm, Rest, Whole, come_to_rest, judge, named, options};
use crate::segments::{frames, is_index, segments};
use crate::subject::{End, Opened, PATH, Subject, Wish};

/// Streams that are written.
const STREAMS: usize = 5;
/// Steps of one life; the rest of an input is left.
const STEPS_MAX: usize = 64;
/// Times that one input has a store damaged, each of which reads it several times.
const DAMAGES_MAX: usize = 6;
/// Things that are done to one copy of it.
const HARMS_MAX: usize = 3;

/// A store and what happens to it.
struct Life {
    subject: Subject,
    damages: usize,
    /// Something was done to an index file. It stays so until the index is needed, or its store is closed.
    harmed: bool,
}

pub(super) fn operations(input: &[u8]) -> Judged {
    let mut input = Input::new(input);
    let first = input.byte();
    let read_mode = if first & 1 == 0 { ReadMode::Map } else { ReadMode::Pread };
    let mut options = options(read_mode);
    if first & 2 != 0 {
        options.durability = Durability::Os;
    }
    let subject = Subject::new(FaultDisk::new(u64::from(first >> 2)), options);
    let mut life = Life { subject, damages: 0, harmed: false };
    life.live(&mut input).map_err(|violation| violation.to_string())
}

impl Life {
    fn live(&mut self, input: &mut Input<'_>) -> Checked {
        self.subject.open()?;
        for _ in 0..STEPS_MAX {
            if input.is_empty() {
                break;
            }
            self.step(input)?;
        }
        self.subject.drain()?;
        self.subject.read_from(0)?;
        self.subject.close().map(drop)
    }

    fn step(&mut self, input: &mut Input<'_>) -> Checked {
        match input.byte() % 16 {
            0..5 => self.append(input),
            5 => self.subject.drain(),
            6 => self.subject.take_job().map(drop),
            7 if self.subject.can_finish_job() => self.subject.finish_job(),
            7 => {
                self.subject.copy_all();
                Ok(())
            }
            8 => self.subject.chore().map(drop),
            9 => self.subject.idle(),
            10 => self.subject.read_from(input.below(64) as u64),
            11 | 12 => self.end(input),
            13 => self.look(input),
            _ => self.damage(input),
        }
    }

    fn append(&mut self, input: &mut Input<'_>) -> Checked {
        let manner = input.byte();
        let first = usize::from(manner >> 3);
        let wishes: Vec<Wish> = (0..=usize::from(manner & 1))
            .map(|at| Wish {
                stream: ((first + at) % STREAMS) as u16,
                expected: expected(input),
                payloads: (0..=input.below(4)).map(|_| size(input)).collect(),
            })
            .collect();
        let durability = if manner & 2 == 0 { Durability::Sync } else { Durability::Os };
        self.subject.press(&wishes, durability)?;
        if manner & 4 == 0 { self.subject.drain() } else { Ok(()) }
    }

    /// Ends this life of the store and begins the next.
    fn end(&mut self, input: &mut Input<'_>) -> Checked {
        let how = input.byte();
        match how % 5 {
            0 => drop(self.subject.close()?),
            1 => self.subject.crash(End::Kill)?,
            2 => self.subject.crash(End::Cut(PowerCut::LoseAll))?,
            3 => self.subject.crash(End::Cut(PowerCut::KeepAll))?,
            _ => self.subject.crash(End::Cut(PowerCut::Random))?,
        }
        if how & 0x40 != 0 {
            self.harm_index(input);
        }
        if how & 0x80 != 0 {
            // Whoever reads is on the disk that is copied.
            self.subject.leave_elsewhere();
            let recovered = self.subject.peek()?;
            let files = self.subject.disk().files().into_iter();
            let harmed: Vec<PathBuf> =
                files.filter(|file| self.harmed && is_derived(file)).collect();
            self.subject.verify(&recovered, &harmed)?;
        }
        self.reopen()
    }

    fn reopen(&mut self) -> Checked {
        let opened = self.subject.open()?;
        ensure(opened == Opened::Yes, Rule::Opening, || format!("{opened:?}"))
    }

    /// Does something to an index file, which nobody may notice. The store is not open.
    fn harm_index(&mut self, input: &mut Input<'_>) {
        self.harmed = true;
        let disk = self.subject.disk();
        let files: Vec<PathBuf> =
            disk.files().into_iter().filter(|file| is_derived(file)).collect();
        let Some(file) = files.get(input.below(files.len())) else { return };
        let size = disk.contents(file).map_or(0, |bytes| bytes.len());
        // What fails because there is no such byte harms nothing.
        let _harmed = match input.byte() % 4 {
            0 => disk.remove(file),
            1 => disk.flip(file, input.below(size) as u64, 1 << (input.byte() % 8)),
            2 => disk.zero(file, input.below(size) as u64..size as u64),
            _ => cut(disk, file, input.below(size)),
        };
    }

    /// Removes the index files that verification calls damaged: what it says of the store later is of later damage.
    fn remove_harmed_indexes(&mut self) -> Checked {
        let copy = self.subject.copy_disk();
        let failed = |what: String| Violation::new(Rule::Verification, what);
        let report = verify_on(&copy, Path::new(PATH), &mut |_| {})
            .map_err(|error| failed(format!("{error:?}")))?;
        let named: BTreeSet<PathBuf> = report.findings.into_iter().map(|one| one.file).collect();
        for index in named.iter().filter(|file| is_index(file)) {
            let disk = self.subject.disk();
            disk.remove(index).map_err(|error| failed(format!("{}: {error}", index.display())))?;
        }
        Ok(())
    }

    /// Another process reads beside the writer.
    fn look(&mut self, input: &mut Input<'_>) -> Checked {
        if !self.subject.is_read_elsewhere() {
            return self.subject.open_elsewhere();
        }
        match input.byte() % 3 {
            0 => {
                self.subject.leave_elsewhere();
                Ok(())
            }
            _ => self.subject.deliver_elsewhere(1 + input.below(16)),
        }
    }

    /// Has the store come to rest, damages copies of it, and goes on with the sound one.
    fn damage(&mut self, input: &mut Input<'_>) -> Checked {
        let first = input.byte();
        let rest = if first & 1 == 0 { Rest::Closed } else { Rest::Killed };
        if self.damages == DAMAGES_MAX {
            return Ok(());
        }
        self.damages += 1;
        self.subject.leave_elsewhere();
        self.subject.drain()?;
        if rest == Rest::Killed {
            // What is not synced yet is synced by one idleness, and called durable by the next.
            self.subject.idle()?;
            self.subject.drain()?;
        }
        come_to_rest(&mut self.subject, rest)?;
        if std::mem::take(&mut self.harmed) {
            self.remove_harmed_indexes()?;
        }
        let whole = Whole::of(&mut self.subject, BTreeSet::new(), rest)?;
        let disk = self.subject.copy_disk();
        let whole = Whole { boundaries: boundaries(&disk), disk, ..whole };
        let mut harms = Vec::new();
        for _ in 0..=usize::from(first >> 1) % HARMS_MAX {
            if let Some(harm) = harm(input, &whole.disk, rest) {
                harm.apply(&whole.disk);
                harms.push(harm);
            }
        }
        judge(&whole).map_err(|broken| {
            Violation::new(broken.rule, format!("{}: {}", named(&harms), broken.detail))
        })?;
        self.reopen()
    }
}

/// Whether a file is an index, finished or not.
fn is_derived(file: &Path) -> bool {
    file.extension().is_some_and(|kind| kind != "seg")
}

fn cut(disk: &FaultDisk, file: &Path, len: usize) -> std::io::Result<()> {
    disk.contents(file).and_then(|bytes| disk.put(file, &bytes[..len]))
}

fn expected(input: &mut Input<'_>) -> ExpectedVersion {
    match input.byte() {
        version @ 0..64 => ExpectedVersion::Exact(u64::from(version)),
        64..80 => ExpectedVersion::NoStream,
        80..96 => ExpectedVersion::StreamExists,
        _ => ExpectedVersion::Any,
    }
}

/// Bytes of a payload: mostly few, now and then so many that a segment is full.
fn size(input: &mut Input<'_>) -> usize {
    match input.byte() {
        small @ 0..200 => usize::from(small),
        large => usize::from(large - 199) * 100,
    }
}

/// Positions between two commits, by the headers of the frames.
fn boundaries(disk: &FaultDisk) -> BTreeSet<u64> {
    let files = segments(disk).into_iter().filter_map(|file| disk.contents(&file).ok());
    let headers = files.filter_map(|bytes| frames(&bytes)).flatten();
    let commits = headers.filter(|(_, header)| header.kind == FrameKind::Events);
    commits.flat_map(|(_, header)| [header.first_position.0, header.next_position().0]).collect()
}

/// What is damaged, as the input says. Damage of more than a bit could be taken for a write that was never finished,
/// where the store was not closed.
fn harm(input: &mut Input<'_>, disk: &FaultDisk, rest: Rest) -> Option<Harm> {
    let files = segments(disk);
    let file = files.get(input.below(files.len()))?.clone();
    let bytes = disk.contents(&file).ok()?;
    let written = bytes.iter().rposition(|&byte| byte != 0)? + 1;
    let manner = if rest == Rest::Killed { 0 } else { input.byte() % 8 };
    let begin = (FIRST_FRAME.0 as usize).min(written - 1);
    match manner {
        0..3 => {
            let offset = (begin + input.below(written - begin)) as u64;
            Some(Harm::Flip { file, offset, mask: 1 << (input.byte() % 8) })
        }
        3 => Some(Harm::Flip { file, offset: input.below(begin + 1) as u64, mask: 1 }),
        4 => {
            let start = begin + input.below(written - begin);
            let end = (start + 1 + input.below(600)).min(bytes.len());
            Some(Harm::Zeroed { file, sector: start as u64..end as u64 })
        }
        5 => Some(Harm::Cut { file, len: input.below(written) }),
        6 => Some(Harm::Gone { file }),
        _ => lie(input, file, &bytes),
    }
}

/// A frame's header that sums up and names another length.
fn lie(input: &mut Input<'_>, file: PathBuf, bytes: &[u8]) -> Option<Harm> {
    let frames = frames(bytes)?;
    let (place, header) = *frames.get(input.below(frames.len()))?;
    let len = u32::from(u16::from_le_bytes(input.array())) * 16;
    // What leads into a later frame is a forgery, of which nothing is promised.
    let len = if len > header.len { len.saturating_add(bytes.len() as u32) } else { len };
    let header = quipu_format::frame::FrameHeader { len, ..header }.encode(place);
    Some(Harm::Lie { file, offset: place.offset.0, header, len })
}
