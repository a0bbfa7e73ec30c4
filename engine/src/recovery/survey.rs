//! What is on disk: which segments make up the log, where it ends, and what is damaged.
//!
//! A survey only reads. Opening for writing, opening for reading and verifying all start from one, so
//! they cannot disagree about where the log ends. Of a sealed segment it looks only for the name: how it ends
//! is in the manifest, and what has become of its bytes is found when they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use quipu_disk::Disk;
use quipu_format::features::Use;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Epoch, Lsn, Position, SegmentId, Timestamp};
use quipu_index::Identity;

use super::candidate::Candidate;
use super::scan::{Scan, SegmentFile};
use super::unsealed::Unsealed;
use super::{LAST_SEGMENT, chain};
use crate::directory::{Directory, Role};
use crate::index_files::{self, IndexNames};
use crate::manifest::{self, Listed, Loaded, SealedAs};
use crate::pipeline::SegmentRef;
use crate::{Damage, Error, ErrorKind, ReadMode, Result};

/// A segment that is part of the log.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) segment: SegmentRef,
    /// Where its part of the log ends.
    pub(crate) end: ByteOffset,
    /// Position of its first event.
    pub(crate) base: Position,
    /// The position behind its last event, as far as that was found.
    pub(crate) next: Position,
    pub(crate) state: State,
}

/// Whether a segment's part of the log is settled for ever.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Sealed(SealedAs),
    /// Not sealed, and therefore looked into.
    Unsealed(Unsealed),
}

impl Part {
    /// Bytes of its frames: a file is as large as was thought to be needed.
    pub(super) fn bytes(&self) -> u64 {
        self.end.0.saturating_sub(FIRST_FRAME.0)
    }

    pub(crate) fn sealed(&self) -> Option<&SealedAs> {
        match &self.state {
            State::Sealed(sealed) => Some(sealed),
            State::Unsealed(_) => None,
        }
    }

    pub(crate) fn unsealed(&self) -> Option<&Unsealed> {
        match &self.state {
            State::Sealed(_) => None,
            State::Unsealed(unsealed) => Some(unsealed),
        }
    }
}

/// How the log ends.
#[derive(Clone, Debug)]
pub(crate) enum Tip {
    /// There is no frame at all.
    Empty,
    /// As the last close left it: the last part can be written on.
    Clean,
    /// Without a proof that nothing was lost on the way: whatever follows the last part's end was
    /// never acknowledged, or never promised to outlive a power cut.
    Unclean {
        /// How far the last part is known to have been durable.
        durable: ByteOffset,
        /// Bytes after the end that are not zero up to the last of them.
        dropped_bytes: u64,
    },
}

/// What is on disk.
pub(crate) struct Survey {
    pub(crate) directory: Directory,
    /// Nothing when the manifest cannot be read; `damage` says why.
    pub(crate) manifest: Option<Loaded>,
    /// The log, in order.
    pub(crate) parts: Vec<Part>,
    pub(crate) tip: Tip,
    /// The position that the next event gets, and the time it may not precede.
    pub(crate) next_position: Position,
    pub(crate) last_time: Timestamp,
    /// A segment that is listed, complete and never written: the store was closed before its first
    /// frame.
    pub(crate) blank: Option<SegmentFile>,
    /// Segments that hold nothing of the log; their files may go.
    pub(crate) unused: Vec<SegmentId>,
    /// Those of them that stand behind the end of the log: something may have been written to them all the same.
    pub(super) behind: Vec<SegmentFile>,
    /// Segments of which nothing can be read: their file is missing or destroyed, or nobody knows its salt. In order.
    pub(crate) gone: BTreeSet<SegmentId>,
    /// Files that are not complete.
    pub(crate) temporary: Vec<String>,
    /// Files that are none of the store's.
    pub(crate) strangers: Vec<String>,
    /// The index files that the directory lists.
    pub(crate) index: IndexNames,
    mode: ReadMode,
    /// An unsealed segment that only a newer version may write on.
    pub(super) read_only: Option<PathBuf>,
    /// The highest segment number in use.
    pub(crate) highest: SegmentId,
    /// What is wrong. Not empty: the store may not be written.
    pub(crate) damage: Vec<Error>,
}

/// A survey that has looked into no segment yet, what the manifest lists, and the segments that have a file.
pub(super) type Lists = (Survey, BTreeMap<SegmentId, Listed>, Vec<SegmentId>);

impl Survey {
    /// Surveys a store.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`] where there is none; [`ErrorKind::Unsupported`]; errors of the system.
    /// Damage is no error here but part of what is found.
    pub(crate) fn take(disk: &dyn Disk, directory: &Directory, mode: ReadMode) -> Result<Survey> {
        let (mut survey, listed, found) = Survey::list(disk, directory, mode)?;
        let candidates = survey.scan_unsealed(disk, &listed, &found)?;
        chain::connect(&mut survey, &candidates)?;
        survey.miss_edits(disk, &candidates)?;
        survey.place_missing();
        Ok(survey)
    }

    /// What the manifest and the directory list, without looking into any segment: the parts are those that
    /// are sealed.
    pub(super) fn list(disk: &dyn Disk, directory: &Directory, mode: ReadMode) -> Result<Lists> {
        let mut survey = Survey::start(disk, directory, mode)?;
        let listed = survey.listed();
        let names = disk
            .list(directory.path())
            .map_err(|error| Error::io("listing", directory.path(), error))?;
        let found = survey.sort_names(names);
        survey.add_sealed(&listed, &found);
        Ok((survey, listed, found))
    }

    fn start(disk: &dyn Disk, directory: &Directory, mode: ReadMode) -> Result<Survey> {
        let mut survey = Survey {
            directory: directory.clone(),
            manifest: None,
            parts: Vec::new(),
            tip: Tip::Empty,
            next_position: Position(0),
            last_time: Timestamp(0),
            blank: None,
            unused: Vec::new(),
            behind: Vec::new(),
            gone: BTreeSet::new(),
            temporary: Vec::new(),
            strangers: Vec::new(),
            index: IndexNames::default(),
            mode,
            read_only: None,
            highest: SegmentId(0),
            damage: Vec::new(),
        };
        match manifest::load(disk, directory) {
            Ok(Some(loaded)) => {
                survey.highest = loaded.listing.highest;
                if let Some(wrong) = loaded.damage {
                    survey.note_manifest(wrong.at, wrong.what);
                }
                survey.manifest = Some(loaded);
            }
            Ok(None) => survey.note_missing_manifest(disk)?,
            Err(error) if error.kind() == ErrorKind::Damaged => {
                let damage = error.damage();
                let (at, what) =
                    damage.map_or((ByteOffset(0), ""), |damage| (damage.offset, &damage.what));
                survey.note_manifest(at, what);
            }
            Err(error) => return Err(error),
        }
        Ok(survey)
    }

    fn note_missing_manifest(&mut self, disk: &dyn Disk) -> Result<()> {
        let path = self.directory.path();
        let names = disk.list(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                Error::new(ErrorKind::NoStore, format!("there is nothing at {}", path.display()))
            } else {
                Error::io("listing", path, error)
            }
        })?;
        self.directory.refuse_unfinished(&names)?;
        if !names.iter().any(|name| matches!(Directory::role(name), Role::Segment(_))) {
            let detail = format!("{} is no Quipu store: it has no manifest", path.display());
            return Err(Error::new(ErrorKind::NoStore, detail));
        }
        self.note_manifest(ByteOffset(0), "the manifest is missing");
        Ok(())
    }

    pub(crate) fn listed(&self) -> BTreeMap<SegmentId, Listed> {
        self.manifest.as_ref().map(|m| m.listing.segments.clone()).unwrap_or_default()
    }

    /// Takes the manifest of a store that may be written.
    ///
    /// # Errors
    /// The first damage, of which a store without a manifest has some, else [`ErrorKind::NoStore`]; those of
    /// [`Survey::permit_writing`].
    pub(crate) fn take_to_write(&mut self) -> Result<Loaded> {
        if let Some(damage) = self.damage.first() {
            return Err(damage.clone());
        }
        let none = || Error::new(ErrorKind::NoStore, "there is no manifest");
        let manifest = self.manifest.take().ok_or_else(none)?;
        self.permit_writing(&manifest)?;
        Ok(manifest)
    }

    /// Whether this version may write the store, by the feature bits of its manifest and of the segments that are not
    /// sealed.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if it may not.
    pub(crate) fn permit_writing(&self, manifest: &Loaded) -> Result<()> {
        let by_manifest = (manifest.permit == Use::ReadOnly).then(|| self.directory.manifest());
        let Some(file) = by_manifest.as_ref().or(self.read_only.as_ref()) else {
            return Ok(());
        };
        let detail = format!(
            "{}: a newer version wrote what this one cannot keep up; the store can be read",
            file.display()
        );
        Err(Error::new(ErrorKind::Unsupported, detail))
    }

    fn sort_names(&mut self, names: Vec<String>) -> Vec<SegmentId> {
        let retired = self.manifest.as_ref().map(|m| m.listing.retired.clone()).unwrap_or_default();
        let retired: BTreeSet<SegmentId> = retired.into_iter().collect();
        let mut found = Vec::new();
        for name in names {
            match Directory::role(&name) {
                Role::Fixed => {}
                Role::Ballast => self.index.ballast = true,
                Role::Temporary => self.temporary.push(name),
                Role::Index(id) => drop(self.index.segments.insert(id)),
                Role::Run(segments) => self.index.runs.push(segments),
                Role::Stranger => self.strangers.push(name),
                Role::Segment(id) => {
                    // Also a stranger's number is not used: its file would be written over. No number is so high that
                    // none is left after it.
                    if id <= LAST_SEGMENT {
                        self.highest = self.highest.max(id);
                    }
                    if retired.contains(&id) { self.unused.push(id) } else { found.push(id) }
                }
            }
        }
        found
    }

    fn add_sealed(&mut self, listed: &BTreeMap<SegmentId, Listed>, found: &[SegmentId]) {
        for (&id, facts) in listed {
            let Some(sealed) = facts.sealed else { continue };
            self.next_position = sealed.seal.next_position;
            self.last_time = sealed.seal.last_time;
            let base = sealed.seal.first_position;
            if found.binary_search(&id).is_err() {
                self.note_missing(id, base..sealed.seal.next_position);
                continue;
            }
            let Listed { salt, capacity, .. } = *facts;
            let segment = SegmentRef { id, salt, capacity };
            let (end, next) = (sealed.end, sealed.seal.next_position);
            self.parts.push(Part { segment, end, base, next, state: State::Sealed(sealed) });
        }
    }

    fn note_missing(&mut self, id: SegmentId, positions: std::ops::Range<Position>) {
        self.gone.insert(id);
        let file = self.directory.segment(id);
        let what = "the segment is missing".into();
        let damage = Damage { file, offset: ByteOffset(0), bytes: 0, positions, what };
        self.damage.push(Error::damaged(damage));
    }

    fn scan_unsealed(
        &mut self,
        disk: &dyn Disk,
        listed: &BTreeMap<SegmentId, Listed>,
        found: &[SegmentId],
    ) -> Result<Vec<Candidate>> {
        let unsealed = listed.iter().filter(|(_, facts)| facts.sealed.is_none());
        for (&id, _) in unsealed.filter(|(id, _)| found.binary_search(id).is_err()) {
            self.note_missing(id, self.next_position..self.next_position);
        }
        let mut candidates = Vec::new();
        for &id in found {
            let facts = listed.get(&id);
            if facts.is_some_and(|facts| facts.sealed.is_some()) {
                continue;
            }
            let Some(file) = self.open_segment(disk, id, facts)? else { continue };
            let (unsealed, scan) = self.scan(disk, file)?;
            candidates.push(Candidate { unsealed, scan });
        }
        Ok(candidates)
    }

    fn scan(&self, disk: &dyn Disk, file: SegmentFile) -> Result<(Unsealed, Scan)> {
        let index = match &self.manifest {
            Some(manifest) if self.index.segments.contains(&file.id) => {
                let identity =
                    Identity { store: manifest.header.store, segment: file.id, salt: file.salt };
                index_files::open_index(disk, &self.directory, self.mode, &identity)
            }
            _ => None,
        };
        let id = file.id;
        let here = |closed: Option<(Lsn, Position)>| {
            let (end, next_position) = closed.filter(|(end, _)| end.segment() == id)?;
            Some((end.offset(), next_position))
        };
        let (closed, before) = (here(self.closed()), here(self.closed_before()));
        let (unsealed, mut scan) = Unsealed::scan(file, index.map(Arc::new), closed, before)?;
        scan.durable = scan.durable.max(before.map_or(FIRST_FRAME, |(end, _)| end));
        Ok((unsealed, scan))
    }

    /// Where the store was closed and the position that the next event was to get, if it was closed last.
    pub(crate) fn closed(&self) -> Option<(Lsn, Position)> {
        self.closed_last().filter(|_| self.opened().is_none())
    }

    /// The same, if it was opened for writing since: all of that was durable.
    pub(crate) fn closed_before(&self) -> Option<(Lsn, Position)> {
        self.closed_last().filter(|_| self.opened().is_some())
    }

    /// Where the store was closed last, and the position that followed, whoever has opened it since.
    pub(crate) fn closed_last(&self) -> Option<(Lsn, Position)> {
        self.manifest.as_ref()?.listing.closed
    }

    /// The opening for writing that is under way, or has ended without a close.
    pub(crate) fn opened(&self) -> Option<Epoch> {
        self.manifest.as_ref()?.listing.opened
    }

    /// Where the log ends.
    pub(crate) fn end(&self) -> Option<Lsn> {
        self.parts.last().map(|part| Lsn::new(part.segment.id, part.end))
    }

    /// Bytes of all frames of the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes()))
    }
}
