//! Whether a workload is what it is named for.

use std::path::{Path, PathBuf};

use quipu_tests::subject::{Counts, Subject};

/// What has come of a workload so far.
pub(crate) struct Shown<'s> {
    /// What had happened to the store before it.
    pub(crate) before: Counts,
    /// What was counted as it began.
    pub(crate) start: Counts,
    /// The files that there were then.
    pub(crate) files: &'s [PathBuf],
    pub(crate) subject: &'s Subject,
    /// Calls of it to the disk.
    pub(crate) operations: u64,
}

impl Shown<'_> {
    /// By how much something that is counted has grown since the workload began.
    pub(crate) fn more(&self, of: fn(&Counts) -> u64) -> u64 {
        of(&self.subject.counts) - of(&self.start)
    }

    /// Files of this name, or whose name ends so, as it began.
    pub(crate) fn had(&self, kind: &str) -> usize {
        count(self.files, kind)
    }

    /// The same now.
    pub(crate) fn has(&self, kind: &str) -> usize {
        count(&self.subject.disk().files(), kind)
    }

    /// Commits that were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.more(|counts| counts.acknowledged)
    }

    pub(crate) fn openings(&self) -> u64 {
        self.more(|counts| counts.openings)
    }

    pub(crate) fn recoveries(&self) -> u64 {
        self.more(|counts| counts.recoveries)
    }

    /// Events that recoveries have kept.
    pub(crate) fn carried(&self) -> u64 {
        self.more(|counts| counts.carried)
    }

    /// Bytes that recoveries have dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.more(|counts| counts.dropped)
    }

    pub(crate) fn has_stream(&self, stream: u16) -> bool {
        self.subject.checker().head(stream).is_some()
    }
}

fn count(files: &[PathBuf], kind: &str) -> usize {
    let is_one = |file: &Path| {
        let ends = file.extension().is_some_and(|own| own == kind);
        ends || file.file_name().is_some_and(|name| name == kind)
    };
    files.iter().filter(|file| is_one(file)).count()
}

pub(super) fn rolls(shown: &Shown<'_>) -> bool {
    shown.more(|counts| counts.rolls) > 0
}

/// Segments that a run sums up which sums up others.
const SEGMENTS_OF_RUNS: u32 = 64;

/// A run is there that sums up other runs, and was not before.
pub(super) fn writes_a_run_of_runs(shown: &Shown<'_>) -> bool {
    let files = shown.subject.disk().files();
    let mut new = files.iter().filter(|file| !shown.files.contains(file));
    new.any(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let ends = name.strip_suffix(".run").and_then(|name| name.split_once('-'));
        let ends = ends.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        ends.is_some_and(|(first, last): (u32, u32)| last + 1 - first >= SEGMENTS_OF_RUNS)
    })
}

pub(super) fn writes_a_run(shown: &Shown<'_>) -> bool {
    shown.has("run") > shown.had("run")
}
