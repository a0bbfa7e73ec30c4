//! What a salvage must keep of a damaged store, and say of the rest.

use std::collections::{BTreeMap, BTreeSet};

use quipu::{SalvageReport, VerifyReport};
use quipu_disk::FaultDisk;

use super::reading::{Found, View};
use crate::checker::{Checked, Rule, ensure};
use crate::content::STREAMS;
use crate::history::Seen;

/// What a salvage has made and said.
pub(super) struct Salvaged {
    pub(super) report: SalvageReport,
    /// The events of the copy.
    pub(super) events: Vec<Seen>,
    /// What verification says of the copy.
    pub(super) verified: VerifyReport,
}

/// A salvage, as it must be.
struct Expected {
    commits: u64,
    /// As they are numbered in the copy.
    events: Vec<Seen>,
    moved_from: Option<u64>,
    renumbered: BTreeMap<&'static str, u64>,
}

impl View<'_> {
    /// Exactly the commits are kept of which nothing is damaged, numbered anew; all others are told to be lost, and no
    /// other.
    pub(super) fn salvaged(
        &self,
        found: &Found,
        boundaries: &BTreeSet<u64>,
        (salvaged, disk): (&Salvaged, &FaultDisk),
    ) -> Checked {
        let (kept, lost) = self.kept(found, boundaries, disk);
        let expected = Expected::of(&kept);
        let Salvaged { report, events, verified } = salvaged;
        let differs = events.iter().zip(&expected.events).find(|(one, other)| one != other);
        let same = differs.is_none() && events.len() == expected.events.len();
        ensure(same, Rule::Salvage, || {
            let (made, wanted) = (events.len(), expected.events.len());
            format!("{made} events, not {wanted}; {differs:?}: {report:?}")
        })?;
        let made = (report.commits, report.events, verified.commits, verified.events);
        let counts = (expected.commits, events.len() as u64);
        ensure(made == (counts.0, counts.1, counts.0, counts.1), Rule::Salvage, || {
            format!("{made:?} instead of {counts:?}")
        })?;
        ensure(verified.findings.is_empty(), Rule::Salvage, || {
            format!("the copy: {:?}", verified.findings)
        })?;
        expected.is_numbered(report)?;
        self.is_told(found, &lost, report)
    }

    /// The events of each commit that must be kept, and the positions of all others that were not dropped as recovery
    /// does.
    fn kept(
        &self,
        found: &Found,
        boundaries: &BTreeSet<u64>,
        disk: &FaultDisk,
    ) -> (Vec<&[Seen]>, BTreeSet<u64>) {
        let (mut kept, mut lost) = (Vec::new(), BTreeSet::new());
        let ends = boundaries.iter().skip(1).map(|&end| end.min(self.events.len() as u64));
        for (&start, end) in boundaries.iter().zip(ends).filter(|(start, end)| *start < end) {
            let positions = start..end;
            let served = positions.clone().all(|at| found.served.contains(&at));
            if served && self.places.is_whole(disk, positions.clone()) {
                kept.push(&self.events[start as usize..end as usize]);
            } else {
                lost.extend(positions);
            }
        }
        (kept, lost)
    }

    /// All that is lost is told.
    fn is_told(&self, found: &Found, lost: &BTreeSet<u64>, report: &SalvageReport) -> Checked {
        let ranges = report.lost.iter().map(|lost| lost.positions.start.0..lost.positions.end.0);
        let told: BTreeSet<u64> = ranges.clone().flatten().collect();
        let made_up = told.difference(lost).next();
        ensure(made_up.is_none(), Rule::Salvage, || {
            format!("{made_up:?} is called lost, {lost:?} are")
        })?;
        let torn = |at: u64| self.remains.torn.is_some_and(|torn| at >= torn);
        // Where nothing tells how many events there were, that is said.
        let unknown = report.manifest.is_some() || ranges.clone().any(|range| range.is_empty());
        let excused = |at: u64| found.silent.contains(&at) && (torn(at) || unknown);
        let silent = lost.difference(&told).find(|at| !excused(**at));
        ensure(silent.is_none(), Rule::Salvage, || {
            format!("nobody is told of {silent:?}: {:?}", report.lost)
        })?;
        let twice = report.lost_events() != told.len() as u64;
        let complete = report.is_complete() && !lost.iter().all(|at| torn(*at));
        ensure(!twice && !complete, Rule::Salvage, || {
            format!("{} events are counted as lost of {lost:?}", report.lost_events())
        })
    }
}

impl Expected {
    fn of(kept: &[&[Seen]]) -> Expected {
        let mut expected = Expected {
            commits: kept.len() as u64,
            events: Vec::new(),
            moved_from: None,
            renumbered: BTreeMap::new(),
        };
        let mut versions: BTreeMap<u16, u64> = BTreeMap::new();
        for seen in kept.iter().copied().flatten() {
            let next = versions.entry(seen.stream).or_default();
            let (position, version) = (expected.events.len() as u64, *next);
            *next += 1;
            expected.events.push(Seen { position, version, ..*seen });
            if position != seen.position {
                expected.moved_from.get_or_insert(seen.position);
            }
            if version != seen.version {
                let name = STREAMS[usize::from(seen.stream)];
                expected.renumbered.entry(name).or_insert(seen.version);
            }
        }
        expected
    }

    fn is_numbered(&self, report: &SalvageReport) -> Checked {
        let moved = report.moved_from.map(|position| position.0);
        let told = report.renumbered.iter();
        let told: BTreeMap<&str, u64> = told.map(|one| (&*one.stream, one.from.0)).collect();
        let streams: BTreeSet<u16> = self.events.iter().map(|event| event.stream).collect();
        let same = moved == self.moved_from
            && told == self.renumbered
            && report.streams == streams.len() as u64;
        ensure(same, Rule::Salvage, || {
            let Expected { moved_from, renumbered, .. } = self;
            format!("{moved:?} {told:?} instead of {moved_from:?} {renumbered:?}")
        })
    }
}
