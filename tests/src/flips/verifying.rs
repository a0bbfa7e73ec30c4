//! What verification must say of a damaged store.

use std::collections::BTreeSet;
use std::path::Path;

use quipu::{Severity, VerifyReport};
use quipu_disk::FaultDisk;

use super::Whole;
use super::reading::{Found, View};
use crate::checker::{Checked, Rule, ensure};

impl View<'_> {
    /// What readers are told is lost is damage, and nothing else is called lost.
    pub(super) fn losses_are_named(&self, found: &Found, report: &VerifyReport) -> Checked {
        let wrong = |what: String| move || format!("{what}: {:?}", report.findings);
        let damage = report.findings.iter().filter(|one| one.severity == Severity::Damage);
        let ranges = damage.map(|finding| finding.positions.start.0..finding.positions.end.0);
        let named: BTreeSet<u64> = ranges.flatten().collect();
        let kept_back = found.lost.difference(&named).next();
        ensure(kept_back.is_none(), Rule::Verification, wrong(format!("{kept_back:?} is lost")))?;
        let mut others = named.difference(&found.lost);
        let doubtful = &self.remains.doubtful;
        let made_up = others.find(|at| !found.silent.contains(at) && !doubtful.contains(at));
        ensure(made_up.is_none(), Rule::Verification, wrong(format!("{made_up:?} is not lost")))?;
        let torn = |at: &u64| self.remains.torn.is_some_and(|torn| *at >= torn);
        let is_lost = !found.lost.is_empty() || !found.silent.iter().all(torn);
        ensure(!(is_lost && report.is_sound()), Rule::Verification, wrong("sound".to_owned()))?;
        let (events, served) = (report.events, found.served.len() as u64);
        let certain = found.served.difference(doubtful).count() as u64;
        ensure((certain..=served).contains(&events), Rule::Verification, || {
            format!("{events} events, not {served}: {:?}", report.findings)
        })
    }

    /// Every file is named of which something that is used was damaged, and none is called damaged where nothing was.
    pub(super) fn files_are_named(&self, report: &VerifyReport, disk: &FaultDisk) -> Checked {
        for file in self.damaged_files(disk) {
            let mut named = report.findings.iter().filter(|finding| finding.file == file);
            ensure(named.next().is_some(), Rule::Verification, || {
                format!("{} is not named: {:?}", file.display(), report.findings)
            })?;
        }
        ensure(report.is_sound() || self.places.is_changed(disk), Rule::Verification, || {
            format!("nothing has changed: {:?}", report.findings)
        })
    }

    /// The files of which something that is used is not as it was. An index that is gone is made anew.
    fn damaged_files(&self, disk: &FaultDisk) -> Vec<&Path> {
        let is_index = |file: &Path| file.extension().is_some_and(|kind| kind != "seg");
        let now = disk.files();
        let changed = self.places.changed(disk).into_iter().filter(|file| {
            let is_manifest = file.ends_with("manifest");
            // Without a manifest nobody knows by which keys an index finds events.
            let is_there = now.iter().any(|other| other == file);
            is_manifest || is_index(file) && is_there && !self.remains.manifest
        });
        let torn = |at: u64| self.remains.torn.is_some_and(|torn| at >= torn);
        // Nor what was in a segment without a header: what is gone shows between those that are left.
        let is_known = |file: &Path| !self.remains.manifest || self.places.has_header(disk, file);
        let harmed = self.remains.harmed.iter().filter(|(at, file)| !torn(**at) && is_known(file));
        changed.chain(harmed.map(|(_, file)| file.as_path())).collect()
    }

    /// Whether it is known of which streams and of what all lost events were: the indexes of their segments are as they
    /// were.
    pub(super) fn are_keys_known(&self, found: &Found, disk: &FaultDisk) -> bool {
        let mut files = found.lost.iter().map(|&at| self.places.file_of(at));
        files.all(|file| file.is_some_and(|file| self.is_indexed(file, disk)))
    }

    /// Whether there is an index of a segment, as it was made of it.
    fn is_indexed(&self, segment: &Path, disk: &FaultDisk) -> bool {
        let index = segment.with_extension("idx");
        let before = self.places.files().get(&index);
        before.is_some() && disk.contents(&index).ok().as_ref() == before
    }

    /// Whether the store may be refused for writing: the manifest is damaged, or something of the log that no index
    /// covers. That is a segment without one; one that is gone; and of the last one its beginning, its length, and what
    /// was written since its index was, or all of it if the store was not closed: then the index may not be believed.
    pub(super) fn may_be_refused(&self, Whole { disk, is_closed, .. }: &Whole) -> bool {
        let (before, now) = (self.places.files(), disk.files());
        let same = |file: &Path| disk.contents(file).ok().as_ref() == before.get(file);
        let is_whole =
            |file: &Path| *is_closed && self.places.is_changed_where_indexed_only(disk, file);
        before.keys().chain(&now).filter(|file| !same(file)).any(|file| {
            let is_segment = file.extension().is_some_and(|kind| kind == "seg");
            let is_last = self.places.last_file() == Some(file);
            let is_covered = now.contains(file) && self.is_indexed(file, disk);
            file.ends_with("manifest") || is_segment && (!is_covered || is_last && !is_whole(file))
        })
    }
}
