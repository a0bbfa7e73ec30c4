//! What a run came to, so that it can be told that it did its work.

use std::path::{Path, PathBuf};

use crate::history::{Entry, LastWriter};

/// What happened so far, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits that got their place.
    pub commits: u64,
    /// Commits that were acknowledged.
    pub acknowledged: u64,
    /// Commits that were refused because of a stream.
    pub conflicts: u64,
    /// Commits that were refused because of their condition.
    pub barred: u64,
    /// Commits that were recognised as taken before.
    pub retries: u64,
    /// Commits that were refused because some of their events were taken before.
    pub overlaps: u64,
    /// Segments begun because one was full.
    pub rolls: u64,
    /// Index files of segments that a chore has made.
    pub seals: u64,
    /// Runs that a chore has made.
    pub runs_made: u64,
    /// Of these, runs that sum up others.
    pub merges: u64,
    /// Lives that ended in a crash.
    pub crashes: u64,
    /// Successful openings.
    pub openings: u64,
    /// Openings of stores that could not be recovered for want of room.
    pub postponed: u64,
    /// Recoveries that were made up for.
    pub made_up: u64,
    /// Openings of stores that had not been closed.
    pub recoveries: u64,
    /// Events that these kept and that were not known to be durable.
    pub carried: u64,
    /// Bytes that they dropped.
    pub dropped: u64,
    /// Times that a commit found no room.
    pub busy: u64,
    /// Reads that came to their end.
    pub reads: u64,
    /// Reads by stream, category, type or tags.
    pub selections: u64,
    /// Events that followers were delivered.
    pub deliveries: u64,
    /// Segments at most.
    pub segments: u64,
    /// Runs of heads at most.
    pub runs: u64,
    /// Those who looked at the store from outside.
    pub others: Others,
}

/// How often others looked at a store: beside its writer, or while nobody wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Questions that another process asked beside the writer.
    pub asked: u64,
    /// Of these, questions that were answered by who saw less than there was.
    pub lagged: u64,
    /// Events that another process was delivered beside the writer.
    pub delivered: u64,
    /// Looks of another process between two calls to the disk.
    pub glimpses: u64,
    /// Openings of another process that were read while the store went on between their calls.
    pub read_beside: u64,
    /// Verifications while the store went on between their calls.
    pub verified_beside: u64,
    /// Readers that came while nobody wrote.
    pub read_unwritten: u64,
    /// Followers that outlived the writer.
    pub outlived: u64,
    /// Of these two, those that came after a writer that had ended well, or with the power.
    pub after_sound: u64,
    /// Of these two, those that came after a writer that had failed.
    pub after_failed: u64,
    /// Openings without room to recover, after a writer that had failed.
    pub postponed_failed: u64,
    /// Openings without room to recover, where what the writer had left could not be synced.
    pub postponed_unproven: u64,
    /// Verifications of what a crash had left.
    pub verified: u64,
    /// Salvages of what a crash had left.
    pub salvaged: u64,
}

impl Others {
    /// Notes what an entry of the history says of them.
    pub(super) fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Shown { writer: LastWriter::Sound, .. } => self.after_sound += 1,
            Entry::Shown { writer: LastWriter::Failed, .. } => self.after_failed += 1,
            Entry::Postponed { writer: LastWriter::Failed, .. } => self.postponed_failed += 1,
            Entry::Postponed { writer: LastWriter::Unproven, .. } => self.postponed_unproven += 1,
            _ => {}
        }
    }
}

impl Counts {
    /// Notes which index files there are that were not there before.
    pub(super) fn note_indexes(&mut self, before: &[PathBuf], now: &[PathBuf]) {
        for made in now.iter().filter(|file| !before.contains(file)) {
            let Some(run) = run(made) else {
                self.seals += 1;
                continue;
            };
            let is_within = |(first, last)| run.0 <= first && last <= run.1;
            self.runs_made += 1;
            self.merges +=
                u64::from(before.iter().filter_map(|file| self::run(file)).any(is_within));
        }
    }

    /// Everything that is counted, by its name. What is a maximum is left out.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let others = &self.others;
        vec![
            ("commits", self.commits),
            ("acknowledged", self.acknowledged),
            ("conflicts", self.conflicts),
            ("barred", self.barred),
            ("retries", self.retries),
            ("overlaps", self.overlaps),
            ("rolls", self.rolls),
            ("seals", self.seals),
            ("runs made", self.runs_made),
            ("merges", self.merges),
            ("crashes", self.crashes),
            ("openings", self.openings),
            ("postponed", self.postponed),
            ("made up", self.made_up),
            ("reads", self.reads),
            ("selections", self.selections),
            ("deliveries", self.deliveries),
            ("asked elsewhere", others.asked),
            ("lagged elsewhere", others.lagged),
            ("delivered elsewhere", others.delivered),
            ("glimpses", others.glimpses),
            ("read beside", others.read_beside),
            ("verified beside", others.verified_beside),
            ("read unwritten", others.read_unwritten),
            ("outlived", others.outlived),
            ("after sound", others.after_sound),
            ("after failed", others.after_failed),
            ("postponed failed", others.postponed_failed),
            ("postponed unproven", others.postponed_unproven),
            ("verified", others.verified),
            ("salvaged", others.salvaged),
        ]
    }

    /// What several runs came to together, by the same names.
    #[must_use]
    pub fn totals<'c>(runs: impl IntoIterator<Item = &'c Counts>) -> Vec<(&'static str, u64)> {
        let mut totals = Counts::default().named();
        for run in runs {
            totals.iter_mut().zip(run.named()).for_each(|(total, (_, more))| total.1 += more);
        }
        totals
    }
}

/// The first and the last segment of a run, as its name says.
fn run(file: &Path) -> Option<(&str, &str)> {
    file.file_stem()?.to_str()?.split_once('-')
}
