//! What is kept and lost, added up while the log is read.

use std::collections::HashMap;

use quipu_format::{Position, Version};
use quipu_index::{Key, Keys, Kind};

use super::report::{Lost, Renumbered, SalvageReport};
use super::source::Commit;
use crate::{Damage, Unreadable};

/// A report lists no more pieces and no more streams: a store of noise must not fill the memory.
const LISTED_MAX: usize = 10_000;

/// The numbers of a stream in the new store.
#[derive(Default)]
struct Numbering {
    /// Version that its next event gets.
    next: u64,
    /// Whether it differs from the source's; once it does, it does for ever.
    differs: bool,
}

/// The report as far as it has come.
pub(super) struct Tally {
    report: SalvageReport,
    keys: Keys,
    /// Some 40 bytes a stream, as many as verification takes.
    streams: HashMap<Key, Numbering>,
}

impl Tally {
    /// Nothing yet; the secret keeps anyone from choosing names that are taken for one.
    pub(super) fn new(secret: [u8; 16]) -> Tally {
        let (report, streams) = (SalvageReport::default(), HashMap::new());
        Tally { report, keys: Keys::new(secret), streams }
    }

    pub(super) fn keep(&mut self, commit: &Commit<'_>) {
        let first = commit.header.first_position;
        if self.report.moved_from.is_none() && first != Position(self.report.events) {
            self.report.moved_from = Some(first);
        }
        self.report.commits += 1;
        self.report.events += commit.records.len() as u64;
        self.report.bytes += u64::from(commit.header.len);
        for record in commit.records {
            let numbering =
                self.streams.entry(self.keys.key(Kind::Stream, record.stream())).or_default();
            let differs = record.version() != Version(numbering.next);
            numbering.next += 1;
            if differs && !std::mem::replace(&mut numbering.differs, true) {
                let (stream, from) = (record.stream().to_owned(), record.version());
                let renumbered = Renumbered { stream, from };
                list(&mut self.report.renumbered, renumbered, &mut self.report.more_renumbered);
            }
        }
    }

    pub(super) fn lose(&mut self, lost: Lost) {
        list(&mut self.report.lost, lost, &mut self.report.more_lost);
    }

    pub(super) fn finish(
        mut self,
        unfinished_bytes: u64,
        manifest: Option<Damage>,
        unreadable: Vec<Unreadable>,
    ) -> SalvageReport {
        self.report.streams = self.streams.len() as u64;
        self.report.unfinished_bytes = unfinished_bytes;
        self.report.manifest = manifest;
        self.report.unreadable = unreadable;
        self.report
    }
}

fn list<T>(listed: &mut Vec<T>, item: T, more: &mut u64) {
    if listed.len() < LISTED_MAX {
        listed.push(item);
    } else {
        *more += 1;
    }
}
