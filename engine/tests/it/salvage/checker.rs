//! What a salvage must come to, by what is known of the damage, and nothing of the engine's own reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use quipu::{OwnedEvent, Position, SalvageReport, Version, salvage_on};
use quipu_disk::Disk;

use super::store::{COPY, Commit, PATH, commits, events, options};

/// A store before it was damaged.
pub(crate) struct Known {
    pub(crate) commits: Vec<Commit>,
    pub(crate) events: Vec<OwnedEvent>,
}

/// What a salvage has made.
pub(crate) struct Made {
    pub(crate) report: SalvageReport,
    /// Events of each commit of the copy.
    pub(crate) sizes: Vec<u64>,
    pub(crate) events: Vec<OwnedEvent>,
}

impl Known {
    pub(crate) fn of(disk: &(impl Disk + Clone + 'static)) -> Known {
        Known { commits: commits(disk, PATH), events: events(disk, PATH) }
    }

    fn events_of(&self, commit: &Commit) -> &[OwnedEvent] {
        let positions = commit.positions();
        let index = |position| usize::try_from(position).unwrap();
        &self.events[index(positions.start)..index(positions.end)]
    }

    /// The events of the commits that are not lost, with the numbers that they get in a store of their own.
    fn kept(&self, lost: &[usize]) -> Vec<OwnedEvent> {
        let mut versions: BTreeMap<String, u64> = BTreeMap::new();
        let mut kept = Vec::new();
        for (number, commit) in self.commits.iter().enumerate() {
            if lost.contains(&number) {
                continue;
            }
            for event in self.events_of(commit) {
                let version = versions.entry(event.stream.clone()).or_default();
                let position = Position(kept.len() as u64);
                kept.push(OwnedEvent { position, version: Version(*version), ..event.clone() });
                *version += 1;
            }
        }
        kept
    }

    /// What a salvage must come to if these commits are lost.
    pub(crate) fn without(&self, lost: &[usize]) -> Expected {
        let kept = self.kept(lost);
        let survivors = (0..).zip(&self.commits).filter(|(number, _)| !lost.contains(number));
        let survivors: Vec<&Commit> = survivors.map(|(_, commit)| commit).collect();
        let lost: Vec<&Commit> = lost.iter().map(|&number| &self.commits[number]).collect();
        let events = survivors.iter().flat_map(|commit| self.events_of(commit));
        let mut renumbered: BTreeMap<String, Version> = BTreeMap::new();
        let mut moved_from = None;
        for (old, new) in events.zip(&kept) {
            if old.position != new.position {
                moved_from.get_or_insert(old.position);
            }
            if old.version != new.version {
                renumbered.entry(old.stream.clone()).or_insert(old.version);
            }
        }
        let streams: BTreeSet<_> = kept.iter().map(|event| &event.stream).collect();
        Expected {
            renumbered,
            moved_from,
            bytes: survivors.iter().map(|commit| length(commit)).sum(),
            streams: streams.len() as u64,
            sizes: survivors.iter().map(|commit| commit.events).collect(),
            lost: lost.iter().flat_map(|commit| commit.positions()).collect(),
            places: lost.iter().map(|c| (c.file.clone(), c.bytes.start, length(c))).collect(),
            events: kept,
        }
    }

    /// The copy and the report, if exactly these commits are lost.
    pub(crate) fn judge(&self, lost: &[usize], made: &Made) -> Result<(), String> {
        self.without(lost).judge(made)
    }
}

fn length(commit: &Commit) -> u64 {
    commit.bytes.end - commit.bytes.start
}

/// What a salvage must come to if some commits are lost.
pub(crate) struct Expected {
    events: Vec<OwnedEvent>,
    /// Events of each commit.
    sizes: Vec<u64>,
    /// Bytes of all commits.
    bytes: u64,
    streams: u64,
    renumbered: BTreeMap<String, Version>,
    moved_from: Option<Position>,
    /// Positions that are lost.
    lost: Vec<u64>,
    /// Where each lost commit stood: file, offset and length.
    places: Vec<(PathBuf, u64, u64)>,
}

impl Expected {
    pub(crate) fn judge_report(&self, report: &SalvageReport) -> Result<(), String> {
        let told = report.renumbered.iter().map(|r| (r.stream.clone(), r.from)).collect();
        same("renumbered", &self.renumbered, &told)?;
        same("moved from", &self.moved_from, &report.moved_from)?;
        let counts = (self.sizes.len() as u64, self.events.len() as u64);
        same("commits and events", &counts, &(report.commits, report.events))?;
        same("bytes", &self.bytes, &report.bytes)?;
        same("streams", &self.streams, &report.streams)?;
        let told = report.lost.iter().flat_map(|l| l.positions.start.0..l.positions.end.0);
        same("lost positions", &self.lost, &told.collect())?;
        if report.lost.iter().any(|lost| lost.positions.is_empty()) {
            return Err(format!("a loss without a position: {:?}", report.lost));
        }
        let is_complete = self.lost.is_empty() && report.manifest.is_none();
        same("completeness", &is_complete, &report.is_complete())
    }

    /// Each lost commit is named by its own file and offset.
    pub(crate) fn judge_places(&self, report: &SalvageReport) -> Result<(), String> {
        let told = report.lost.iter().map(|l| (l.file.clone(), l.offset, l.bytes)).collect();
        same("places", &self.places, &told)
    }

    fn judge(&self, made: &Made) -> Result<(), String> {
        self.judge_report(&made.report)?;
        same("events of the copy", &self.events, &made.events)?;
        same("commits of the copy", &self.sizes, &made.sizes)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, told: &T) -> Result<(), String> {
    if expected == told {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, not {told:?}"))
}

/// Salvages the store, and reads the copy.
pub(crate) fn make(disk: &(impl Disk + Clone + 'static)) -> Made {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let report =
        salvage_on(&shared, PATH.as_ref(), COPY.as_ref(), &options(), &mut |_| {}).unwrap();
    let sizes = commits(disk, COPY).iter().map(|commit| commit.events).collect();
    Made { report, sizes, events: events(disk, COPY) }
}
