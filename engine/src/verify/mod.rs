//! Verification: every byte of a store is read and compared with what it claims to be.
//!
//! It opens nothing for writing and takes no lock, so it runs beside a writer and on a damaged store.

mod index;
mod segment;

use std::ops::Range;
use std::path::{Path, PathBuf};

use quipu_disk::{Disk, RealDisk};
use quipu_format::{Hash, Position, SegmentId};
use quipu_index::{Keys, StreamHeads};

use self::index::{Expected, Place};
use crate::bad_sectors::BadSectors;
use crate::directory::Directory;
use crate::manifest;
use crate::recovery::{SegmentFile, Survey, Tip};
use crate::{Damage, Error, ReadMode, Result, Unreadable};

/// How far from the end of the last edit one that was never finished may reach.
const EDIT_REACH_BYTES: u64 = 4096;

/// A report holds no more findings: a store of noise must not fill the memory.
const FINDINGS_MAX: usize = 10_000;

/// What a finding means.
///
/// They are ordered: what is worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Something that a killed or running writer leaves: it was never acknowledged, and the next
    /// opening clears it away. No damage.
    Unfinished,
    /// A newer version of Quipu wrote it, so this one cannot tell whether it is sound. No damage.
    Unsupported,
    /// Bytes are not what was written.
    Damage,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it means.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// The first byte concerned, as far as it can be told.
    pub offset: u64,
    /// Bytes concerned; 0 where that cannot be told.
    pub bytes: u64,
    /// Positions of the events concerned.
    pub positions: Range<Position>,
    /// What is wrong, in words.
    pub what: String,
}

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Segments of the log.
    pub segments: u64,
    /// Commits that are whole.
    pub commits: u64,
    /// Events in them.
    pub events: u64,
    /// Streams that have an event.
    pub streams: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// The position that the next event gets.
    pub next_position: Position,
    /// Whether the store was closed properly.
    pub closed_cleanly: bool,
    /// Names of files in the store's directory that are none of its own, at most ten thousand. They are left alone,
    /// and no damage.
    pub strangers: Vec<String>,
    /// What is not as it should be, up to ten thousand findings.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
}

impl VerifyReport {
    /// Whether all of it could be verified and nothing is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.worst() <= Some(Severity::Unfinished)
    }

    /// The worst of what was found. A store with more findings than a report holds counts as damaged: among those
    /// left out may be anything.
    ///
    /// ```
    /// use quipu::VerifyReport;
    ///
    /// assert_eq!(VerifyReport::default().worst(), None);
    /// ```
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        match self.more_findings {
            0 => self.findings.iter().map(|finding| finding.severity).max(),
            _ => Some(Severity::Damage),
        }
    }
}

/// How far verification has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes read.
    pub done_bytes: u64,
    /// Bytes to be read.
    pub total_bytes: u64,
}

/// Verifies the store in this directory: every checksum, every chain, every count, that what nobody wrote is
/// zero, and that the index files say what the log says.
///
/// Pages that the medium does not give back (`EIO`) are damage, with what the system said; all others are verified.
///
/// What only a newer version of Quipu can read is found as [`Severity::Unsupported`], and the rest is verified as far
/// as it stands alone.
///
/// ```
/// let report = quipu::verify_on(&quipu_disk::MemoryDisk::new(), "no-store".as_ref(), &mut |_| {});
/// assert_eq!(report.unwrap_err().kind(), quipu::ErrorKind::NoStore);
/// ```
///
/// # Errors
/// [`ErrorKind::NoStore`](crate::ErrorKind::NoStore);
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if only a newer version can read the manifest; what the
/// system refuses. Damage is no error but what is looked for.
pub fn verify(path: &Path, progress: &mut dyn FnMut(VerifyProgress)) -> Result<VerifyReport> {
    verify_on(&RealDisk::new(), path, progress)
}

/// As [`verify`], on another disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(
    disk: &dyn Disk,
    path: &Path,
    progress: &mut dyn FnMut(VerifyProgress),
) -> Result<VerifyReport> {
    let directory = Directory::new(path);
    let disk = &BadSectors::new(disk);
    let (mut survey, newer) = survey(disk, &directory)?;
    survey.look_at_sealed(disk)?;
    if newer.is_none() {
        let unknown = survey.unknown_end(survey.next_left());
        survey.damage.extend(unknown.map(Error::damaged));
    }
    survey.end_with_close();
    let keys = Keys::new(survey.manifest.as_ref().map_or([0; 16], |m| m.header.secret));
    let total_bytes = survey.bytes();
    let is_written_on = || {
        let now = manifest::load(disk, &directory).ok().flatten();
        let found = survey.manifest.as_ref();
        found.zip(now).is_some_and(|(found, now)| !now.is_as(found))
    };
    let mut verifier = Verifier {
        report: VerifyReport::default(),
        is_written_on: &is_written_on,
        progress: VerifyProgress { done_bytes: 0, total_bytes },
        tell: progress,
        keys,
        heads: StreamHeads::new(),
        next_position: Position(0),
        chain: Hash::default(),
        incomplete: false,
        expected: Expected::default(),
    };
    verifier.unfinished(&survey);
    // Without a manifest nobody knows by which keys an index finds events.
    let place = survey.manifest.as_ref().map(|manifest| Place {
        disk,
        directory: &directory,
        names: &survey.index,
        store: manifest.header.store,
    });
    let ids: Vec<SegmentId> = survey.parts.iter().map(|part| part.segment.id).collect();
    let last = survey.parts.len().saturating_sub(1);
    for (index, part) in survey.parts.iter().enumerate() {
        let clean = matches!(survey.tip, Tip::Clean) && survey.blank.is_none();
        let file = SegmentFile::open(disk, &directory, part.segment)?;
        let findings = verifier.report.findings.len();
        let listing = survey.manifest.as_ref().map(|manifest| &manifest.listing);
        verifier.chain = listing.map(|it| it.chain_before(part.segment.id)).unwrap_or_default();
        verifier.part(part, &file, index == last && clean)?;
        if let Some(place) = place {
            verifier.index(place, part, findings);
            verifier.runs(place, &ids, part.segment);
        }
    }
    if let Some(blank) = &survey.blank {
        verifier.end_of_log(blank, quipu_format::segment::FIRST_FRAME)?;
    }
    if let Some(place) = place.filter(|_| newer.is_none()) {
        verifier.unused_indexes(place, &ids);
    }
    if let Some(newer) = newer.as_ref().and_then(Error::newer) {
        verifier.unsupported(newer);
    }
    verifier.damage(&survey);
    verifier.unreadable(disk.found());
    Ok(verifier.finish(&survey))
}

/// The log, as far as this version can follow it: if it meets something newer in the segments that are not sealed,
/// those are left out, and what was met is given.
fn survey(disk: &dyn Disk, directory: &Directory) -> Result<(Survey, Option<Error>)> {
    match Survey::take_beside_writer(disk, directory, ReadMode::Pread) {
        Err(error) if error.newer().is_some() => {
            // Without a manifest nothing is left.
            let sealed = Survey::list_beside_writer(disk, directory, ReadMode::Pread)?;
            Ok((sealed, Some(error)))
        }
        survey => Ok((survey?, None)),
    }
}

/// Verification under way.
struct Verifier<'p> {
    report: VerifyReport,
    /// Whether somebody has begun to write since the log was surveyed.
    is_written_on: &'p dyn Fn() -> bool,
    progress: VerifyProgress,
    tell: &'p mut dyn FnMut(VerifyProgress),
    keys: Keys,
    heads: StreamHeads,
    next_position: Position,
    /// The chain up to the segment before.
    chain: Hash,
    /// Whether something of the log could not be read: it is damaged, or a newer version wrote it.
    incomplete: bool,
    expected: Expected,
}

impl Verifier<'_> {
    /// What a killed or running writer has left.
    fn unfinished(&mut self, survey: &Survey) {
        let nothing = Position(0)..Position(0);
        if let Some((manifest, rest)) = survey.manifest.as_ref().and_then(|m| Some((m, m.rest?)))
            && manifest.damage.is_none()
        {
            let near = rest.0 < manifest.end.0 + EDIT_REACH_BYTES;
            let (severity, what) = if near {
                (Severity::Unfinished, "an edit that was never finished")
            } else {
                (Severity::Damage, "bytes that nobody wrote")
            };
            let file = survey.directory.manifest();
            self.find(severity, file, rest.0..rest.0, nothing.clone(), what);
        }
        for name in &survey.temporary {
            let file = survey.directory.file(name);
            let what = "a file that was never finished";
            self.find(Severity::Unfinished, file, 0..0, nothing.clone(), what);
        }
        if let (Tip::Unclean { dropped_bytes, .. }, Some(last)) = (&survey.tip, survey.parts.last())
            && *dropped_bytes > 0
        {
            let range = last.end.0..last.end.0 + dropped_bytes;
            let positions = survey.next_position..survey.next_position;
            let what = "a commit that was never finished; the next opening drops it";
            let file = survey.directory.segment(last.segment.id);
            self.find(Severity::Unfinished, file, range, positions, what);
        }
    }

    /// What kept the survey from looking into segments that are not sealed.
    fn unsupported(&mut self, newer: &Damage) {
        let what = format!("{}: the segments that are not sealed are not verified", newer.what);
        let (offset, nothing) = (newer.offset.0, self.next_position..self.next_position);
        self.find(Severity::Unsupported, newer.file.clone(), offset..offset, nothing, &what);
    }

    /// Damage that kept the survey from following the log. Most of it has been found again by then, frame
    /// by frame, and is told once. What knows the positions that are lost with it comes first.
    fn damage(&mut self, survey: &Survey) {
        let mut found: Vec<&Damage> = survey.damage.iter().filter_map(Error::damage).collect();
        found.sort_by_key(|damage| damage.positions.is_empty());
        for damage in found {
            let range = damage.offset.0..damage.offset.0 + damage.bytes.max(1);
            let told = self.report.findings.iter().any(|finding| {
                finding.severity == Severity::Damage
                    && finding.file == damage.file
                    && (range.contains(&finding.offset)
                        || (finding.offset..finding.offset + finding.bytes).contains(&range.start))
            });
            if !told {
                let (file, positions) = (damage.file.clone(), damage.positions.clone());
                let range = range.start..range.start + damage.bytes;
                self.find(Severity::Damage, file, range, positions, &damage.what);
            }
        }
    }

    /// What could not be read. The events that are lost with it have been told of.
    fn unreadable(&mut self, found: Vec<Unreadable>) {
        for Unreadable { file, offset, bytes, error } in found {
            let nothing = self.next_position..self.next_position;
            let what = format!("it cannot be read: {error}");
            self.find(Severity::Damage, file, offset..offset + bytes, nothing, &what);
        }
    }

    fn find(
        &mut self,
        severity: Severity,
        file: PathBuf,
        range: Range<u64>,
        positions: Range<Position>,
        what: &str,
    ) {
        let (offset, bytes) = (range.start, range.end - range.start);
        self.incomplete |= severity > Severity::Unfinished;
        if self.report.findings.len() >= FINDINGS_MAX {
            self.report.more_findings += 1;
            return;
        }
        let what = what.to_owned();
        self.report.findings.push(Finding { severity, file, offset, bytes, positions, what });
    }

    fn advance(&mut self, bytes: u64) {
        self.report.bytes += bytes;
        self.progress.done_bytes = self.report.bytes.min(self.progress.total_bytes);
        (self.tell)(self.progress);
    }

    fn finish(mut self, survey: &Survey) -> VerifyReport {
        self.report.segments = survey.parts.len() as u64;
        self.report.streams = self.heads.len() as u64;
        self.report.next_position = survey.next_position.max(self.next_position);
        self.report.closed_cleanly = survey.closed().is_some();
        let mut strangers = survey.strangers.clone();
        strangers.sort_unstable();
        strangers.truncate(FINDINGS_MAX);
        self.report.strangers = strangers;
        self.report
    }
}
