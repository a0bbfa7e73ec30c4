//! From what is on disk to a store that can be written.
//!
//! What a crash left is never written into. The valid frames that are not known to be durable are
//! copied into a new segment, which links to the last place known to be durable; once that segment
//! has its name, it is the log, and what lay beyond is only evidence. Until then nothing has changed,
//! so a crash during recovery leads to the same recovery again.

mod beside;
mod candidate;
mod carry;
mod chain;
mod edits;
mod files;
#[cfg(test)]
mod forged;
mod holes;
mod scan;
mod survey;
#[cfg(test)]
mod tests;
mod unreadable;
mod unsealed;

use std::sync::Arc;

use quipu_disk::Disk;
use quipu_format::features::Features;
use quipu_format::limits::SEGMENT_BYTES_MIN;
use quipu_format::manifest::Edit;
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};
use quipu_format::{
    ByteOffset, Epoch, Lsn, PAGE_BYTES, Position, Salt, SegmentId, Timestamp, align_up,
};

use crate::create::{create_complete, remove_if_there, sync_ancestors};
use crate::directory::Directory;
use crate::index_files::{self, IndexNames, Missing};
use crate::manifest::{Manifest, draw};
use crate::opened::report_recovery;
use crate::pipeline::{SegmentRef, Start, Tail};
use crate::plant::{self, Bug};
use crate::segments::{Segments, Shelf};
use crate::{Damage, Error, ErrorKind, Options, Result, writer};

pub(crate) use scan::{Scan, SegmentFile};
pub(crate) use survey::{Part, State, Survey, Tip};
pub(crate) use unsealed::Unsealed;

/// A store with a higher segment number is not written: no opening uses as many as are left then.
const LAST_SEGMENT: SegmentId = SegmentId(u32::MAX - (1 << 24));

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The store did not exist before.
    pub created: bool,
    /// The store had not been closed properly, and was recovered.
    pub recovered: Option<Recovered>,
    /// Recovery found no room: the store can be read, and written once there is room. Why.
    pub postponed: Option<String>,
    /// Names of files in the store's directory that are none of its own. They are left alone.
    pub strangers: Vec<String>,
    /// What a store opened to be read has lost in pieces larger than commits, or may have: whole segments, the end of
    /// one, also where it cannot be read now, the manifest. Whoever reads lost positions, in whichever way, is told of them there; where it is not known
    /// which these were, or whether there were any, only here.
    pub lost: Vec<Damage>,
}

/// What recovery found behind the last place known to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Number of the segment that was being written.
    pub segment: u32,
    /// How far it is valid, in bytes from its start.
    pub valid_to: u64,
    /// How far it was known to be durable.
    pub durable_to: u64,
    /// Events behind that place that were found whole, and kept.
    pub carried_events: u64,
    /// Bytes behind the valid ones, and in a segment behind this one, that hold something else: commits that were
    /// never acknowledged, or acknowledged with [`Durability::Os`](crate::Durability::Os) and lost with the power.
    pub dropped_bytes: u64,
}

/// A store made ready for writing.
pub(crate) struct Ready {
    pub(crate) manifest: Manifest,
    pub(crate) start: Start,
    /// The log so far; the active segment is the last, unless it is blank.
    pub(crate) parts: Vec<Part>,
    /// The sealed segments at the beginning of the log, with all that is known of their keys.
    pub(crate) segments: Arc<Segments>,
    /// The index files that were there before.
    pub(crate) index: IndexNames,
    pub(crate) opening: Opening,
}

/// Makes a new store: once this returns, it exists.
pub(crate) fn create(
    disk: &Arc<dyn Disk>,
    directory: &Directory,
    options: &Options,
) -> Result<Ready> {
    let path = directory.path();
    sync_ancestors(&**disk, path).map_err(|error| Error::io("syncing what holds", path, error))?;
    let mut manifest = Manifest::create(disk, directory)?;
    let plan = Plan::draw(&**disk)?;
    let segment = plan.header(&manifest, SegmentId(1), options.segment_bytes_min);
    create_segment(&**disk, directory, &segment, &[])?;
    manifest.add(&[listing(&segment), Edit::Opened { epoch: plan.epoch }])?;
    let link = writer::link(None, Timestamp(0), plan.epoch);
    let tail = Tail { segment: reference(&segment), end: FIRST_FRAME, link: Some(link) };
    let start = Start {
        tail,
        epoch: plan.epoch,
        next_position: Position(0),
        last_time: Timestamp(0),
        sealed_bytes: 0,
        highest: SegmentId(1),
        unsealed: Vec::new(),
    };
    let opening = Opening { created: true, ..Opening::default() };
    let shelf = Shelf::new(disk, directory, Some(manifest.header()), options);
    let segments = index_files::gather(shelf, &[], &IndexNames::default(), Missing::Made)?;
    let (parts, index) = (Vec::new(), IndexNames::default());
    Ok(Ready { manifest, start, parts, segments, index, opening })
}

/// Makes a store that exists ready for writing.
///
/// # Errors
/// The first damage of the survey, or an event that is lost and whose keys no index knows;
/// [`ErrorKind::Unsupported`] where a newer version's feature forbids
/// writing; [`ErrorKind::Full`] where recovery finds no room, with nothing changed.
pub(crate) fn open(disk: &Arc<dyn Disk>, mut survey: Survey, options: &Options) -> Result<Ready> {
    let loaded = survey.take_to_write()?;
    if survey.highest > LAST_SEGMENT {
        let path = survey.directory.segment(survey.highest);
        let detail = format!("there is no segment number left after {}", path.display());
        return Err(Error::new(ErrorKind::Unsupported, detail));
    }
    // First of all: if not all keys are known, nothing has been changed.
    let shelf = Shelf::new(disk, &survey.directory, Some(&loaded.header), options);
    let segments = index_files::gather(shelf, &survey.parts, &survey.index, Missing::Made)?;
    remove_temporary(&**disk, &survey)?;
    let in_place = plant::is_in(Bug::TailNotScrubbed)
        && survey.parts.last().is_some_and(|part| part.unsealed().is_some());
    let clean = matches!(survey.tip, Tip::Clean) || survey.blank.is_some() || in_place;
    let manifest = Manifest::open(disk, &survey.directory, loaded)?;
    let plan = Plan::draw(&**disk)?;
    let resuming = Resuming { disk, survey, options, segments, manifest, plan };
    if clean { resuming.resume() } else { resuming.recover() }
}

/// What is drawn at random for an opening.
struct Plan {
    epoch: Epoch,
    salt: Salt,
}

impl Plan {
    fn draw(disk: &dyn Disk) -> Result<Plan> {
        let mut epoch = [0; 16];
        epoch[..8].copy_from_slice(&draw(disk)?.to_le_bytes());
        epoch[8..].copy_from_slice(&draw(disk)?.to_le_bytes());
        Ok(Plan { epoch: Epoch(epoch), salt: Salt(draw(disk)?) })
    }

    fn header(&self, manifest: &Manifest, segment: SegmentId, bytes: u64) -> SegmentHeader {
        SegmentHeader {
            features: Features::KNOWN,
            origin: manifest.header().store,
            segment,
            salt: self.salt,
            capacity: ByteOffset(align_up(bytes, PAGE_BYTES)),
        }
    }
}

/// A store on its way to being written again.
struct Resuming<'o> {
    disk: &'o Arc<dyn Disk>,
    survey: Survey,
    options: &'o Options,
    segments: Arc<Segments>,
    manifest: Manifest,
    plan: Plan,
}

impl Resuming<'_> {
    /// Goes on in the segment where the last close left off. Everything before is durable, and what
    /// follows in the file is zeros.
    fn resume(mut self) -> Result<Ready> {
        let (segment, end) = match (&self.survey.blank, self.survey.parts.last()) {
            (Some(blank), _) => (blank.reference(), FIRST_FRAME),
            (None, Some(part)) => (part.segment, part.end),
            (None, None) => return self.recover(),
        };
        let before = self.survey.parts.last();
        let predecessor =
            before.map(|part| (Lsn::new(part.segment.id, part.end), part.segment.salt));
        let last_time = self.survey.last_time;
        let link = writer::link(predecessor, last_time, self.plan.epoch);
        let edits = self.edits(Vec::new());
        self.publish(&edits)?;
        Ok(self.ready(Tail { segment, end, link: Some(link) }, None))
    }

    /// Goes on in a new segment that begins with what was valid and is not known to be durable.
    fn recover(mut self) -> Result<Ready> {
        let _recovering = tracing::info_span!("recover").entered();
        self.retire_unused()?;
        let carried = carry::collect(&self.survey)?;
        let id = SegmentId(self.survey.highest.0 + 1);
        let needed = carry::bytes_needed(&carried);
        let usual = self.options.segment_sizes().next(self.survey.bytes());
        let mut header = self.plan.header(&self.manifest, id, usual.max(needed));
        let link = writer::link(carried.predecessor, carried.last_time, self.plan.epoch);
        let bytes = carry::frames(&carried, &header, &link, &self.survey);
        let end = ByteOffset(FIRST_FRAME.0 + bytes.len() as u64);
        match create_segment(&**self.disk, &self.survey.directory, &header, &bytes) {
            Err(full) if full.kind() == ErrorKind::Full && usual > needed => {
                // A smaller one will do for now.
                header = self.plan.header(&self.manifest, id, needed.max(SEGMENT_BYTES_MIN));
                create_segment(&**self.disk, &self.survey.directory, &header, &bytes)?;
            }
            created => drop(created?),
        }
        if let Some(superseded) = carried.supersedes {
            self.survey.parts.retain(|part| part.segment.id != superseded);
            self.survey.unused.push(superseded);
        } else if let Some(last) = self.survey.parts.last_mut() {
            last.end = carried.from;
        }
        let path = self.survey.directory.segment(id);
        let edits = self.edits(vec![listing(&header)]);
        if let Err(error) = self.manifest.make_room(&edits) {
            // Not listed, so nothing was built on it: its room is given back.
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        // If this fails, nobody knows whether the segment is listed: its file stays.
        self.publish(&edits)?;
        let segment = reference(&header);
        let file = SegmentFile::open(&**self.disk, &self.survey.directory, segment)?;
        let state = State::Unsealed(Unsealed::new(file));
        let (base, next) = (carried.base, self.survey.next_position);
        self.survey.parts.push(Part { segment, end, base, next, state });
        let recovered = carried.report;
        report_recovery(recovered.as_ref());
        Ok(self.ready(Tail { segment, end, link: None }, recovered))
    }

    /// Removes the segments that were prepared and never written, first of all: their room may be needed.
    fn retire_unused(&mut self) -> Result<()> {
        let unused = std::mem::take(&mut self.survey.unused);
        let edits: Vec<Edit> = unused.iter().map(|&segment| Edit::Retired { segment }).collect();
        self.manifest.add(&edits)?;
        remove_segments(&**self.disk, &self.survey.directory, &unused)
    }

    /// What brings the manifest up to date, beginning with these edits.
    fn edits(&self, mut edits: Vec<Edit>) -> Vec<Edit> {
        let listed = self.manifest.listing().segments.clone();
        let new = edits.len();
        for part in self.survey.parts.iter().filter(|part| !listed.contains_key(&part.segment.id)) {
            let SegmentRef { id, salt, capacity } = part.segment;
            let origin = self.manifest.header().store;
            edits.push(Edit::Segment { segment: id, salt, capacity, origin });
        }
        edits.rotate_left(new);
        edits.extend(self.survey.unused.iter().map(|&segment| Edit::Retired { segment }));
        edits.push(Edit::Opened { epoch: self.plan.epoch });
        edits
    }

    /// Brings the manifest up to date, and removes files that are not needed any more.
    ///
    /// On disk, between any two lines: without the edits, the next opening finds the same as this one
    /// did, by names and links; with them, unused files are still there and are removed then.
    fn publish(&mut self, edits: &[Edit]) -> Result<()> {
        if plant::is_in(Bug::RemovedBeforeRetired) {
            remove_segments(&**self.disk, &self.survey.directory, &self.survey.unused)?;
        }
        self.manifest.add(edits)?;
        remove_segments(&**self.disk, &self.survey.directory, &self.survey.unused)
    }

    fn ready(self, tail: Tail, recovered: Option<Recovered>) -> Ready {
        let active = tail.segment.id;
        let highest = self.survey.highest.max(active);
        let before = self.survey.parts.iter().filter(|part| part.segment.id != active);
        let unsealed = before.clone().filter(|part| part.sealed().is_none());
        let unsealed = unsealed.map(|part| (part.segment, part.end));
        let mut next_position = self.survey.next_position;
        if plant::is_in(Bug::PositionReused) && recovered.is_some() {
            next_position.0 = next_position.0.saturating_sub(1);
        }
        let start = Start {
            tail,
            epoch: self.plan.epoch,
            next_position,
            last_time: self.survey.last_time,
            sealed_bytes: before.fold(0, |sum, part| sum.saturating_add(part.bytes())),
            highest,
            unsealed: unsealed.collect(),
        };
        let Survey { strangers, parts, index, .. } = self.survey;
        let opening = Opening { recovered, strangers, ..Opening::default() };
        let (manifest, segments) = (self.manifest, self.segments);
        Ready { manifest, start, parts, segments, index, opening }
    }
}

/// Creates a segment's file, with these frames already in it.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    directory: &Directory,
    header: &SegmentHeader,
    frames: &[u8],
) -> Result<Arc<dyn quipu_disk::File>> {
    let path = directory.segment(header.segment);
    let mut start = header.encode().into_vec();
    start.extend_from_slice(frames);
    create_complete(disk, &path, &start, header.capacity.0)
        .map_err(|error| Error::io("creating", &path, error))
}

/// The edit that lists a segment.
pub(crate) fn listing(header: &SegmentHeader) -> Edit {
    Edit::Segment {
        segment: header.segment,
        salt: header.salt,
        capacity: header.capacity,
        origin: header.origin,
    }
}

fn reference(header: &SegmentHeader) -> SegmentRef {
    SegmentRef { id: header.segment, salt: header.salt, capacity: header.capacity }
}

fn remove_temporary(disk: &dyn Disk, survey: &Survey) -> Result<()> {
    for name in &survey.temporary {
        let path = survey.directory.file(name);
        // It may be gone: an index that was made anew meanwhile had the same temporary name.
        remove_if_there(disk, &path).map_err(|error| Error::io("removing", &path, error))?;
    }
    Ok(())
}

/// Removes files that a durable edit has retired.
pub(crate) fn remove_segments(
    disk: &dyn Disk,
    directory: &Directory,
    segments: &[SegmentId],
) -> Result<()> {
    for &id in segments {
        let path = directory.segment(id);
        remove_if_there(disk, &path).map_err(|error| Error::io("removing", &path, error))?;
    }
    if segments.is_empty() {
        return Ok(());
    }
    let path = directory.path();
    // Which of them are gone nobody knows then: not even a full disk is a reason to go on as if nothing had happened.
    disk.sync_directory(path)
        .map_err(|error| Error::io("syncing", path, std::io::Error::other(error)))
}
