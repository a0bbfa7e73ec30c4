//! The disk under a running store, what was written to it, and what was done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quipu::{Error, ErrorKind, Options};
use quipu_disk::{Access, Disk, FaultDisk, read_exact_at};

use super::flaw::{Flaw, Flawed, Hit};
use super::ledger::Ledger;
use super::steps::Counts;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::history::Seen;
use crate::segments::is_index;

/// How it is told that the ids of a segment could not be read as the store was opened.
const LACKS_IDS: &str = "which ids are in its segment is not known until the store is opened anew";

/// One opening of the store, by whom ever: what it may have noticed of harms.
#[derive(Default)]
pub(super) struct Life {
    pub(super) flaw: Flaw,
    /// The events that were harmed at some moment of it, which it may be told are lost.
    pub(super) harmed: BTreeSet<u64>,
    /// The store was opened for writing since it began.
    pub(super) is_outlived: bool,
    /// A read of the log or the manifest has failed in it.
    pub(super) has_failed: bool,
    /// As it opened the store the ids of some segment could not be read, which it says until it ends.
    pub(super) lacks_ids: bool,
    /// One has failed since this was set aside.
    pub(super) fails_now: bool,
    /// It writes the store.
    pub(super) writes: bool,
    /// Positions below were seen as it looked last, who reads elsewhere.
    pub(super) seen: Option<u64>,
    /// It was told, for a reason, that it sees no more until it is opened anew.
    pub(super) is_over: bool,
}

/// What was harmed so far, beside events.
#[derive(Default)]
pub(super) struct Harmed {
    /// Bytes of the manifest, each as it was left; nothing of one that is gone.
    pub(super) manifest: BTreeMap<usize, Option<u8>>,
    /// The page for readers in other processes, or something of the segment that is being written, since the store was
    /// opened for writing last.
    pub(super) live: bool,
    /// Segments of which bytes were harmed while they had no seal.
    pub(super) unsealed: BTreeSet<PathBuf>,
    /// Index files, each as it was left; nothing of one that is gone.
    pub(super) indexes: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// Events of which, once they are lost, perhaps no index knows what they were.
    pub(super) keys: BTreeSet<u64>,
    /// Events of which, once they are lost, perhaps no index knows the ids.
    pub(super) ids: BTreeSet<u64>,
}

pub(super) struct Ground {
    pub(super) disk: FaultDisk,
    pub(super) options: Options,
    pub(super) ledger: Ledger,
    pub(super) harmed: Harmed,
    /// All that happened, in numbers.
    pub(super) counts: Counts,
    /// All that was done, in words.
    pub(super) words: Vec<String>,
    /// A commit of which nobody knows whether it is there.
    pub(super) pending: Vec<Seen>,
    /// Segments that had an index at some time.
    indexed: BTreeSet<PathBuf>,
}

impl Ground {
    pub(super) fn new(disk: FaultDisk, options: Options) -> Ground {
        Ground {
            disk,
            options,
            ledger: Ledger::default(),
            harmed: Harmed::default(),
            counts: Counts::default(),
            words: Vec::new(),
            pending: Vec::new(),
            indexed: BTreeSet::new(),
        }
    }

    /// Notes what has happened.
    pub(super) fn say(&mut self, words: impl FnOnce() -> String) {
        self.words.push(words());
    }

    /// The disk as a process sees it for which something may go wrong.
    pub(super) fn seen_by(&self, life: &Life) -> Flawed {
        Flawed { disk: self.disk.clone(), flaw: life.flaw.clone() }
    }

    /// Notes what was written, and which harms are healed.
    pub(super) fn note(&mut self) {
        self.ledger.note(&self.disk);
        let now = self.manifest().and_then(|file| self.disk.contents(&file).ok());
        let byte = |at: &usize| now.as_ref().and_then(|bytes| bytes.get(*at).copied());
        self.harmed.manifest.retain(|at, left| byte(at) == *left);
        self.ledger.needs_headers = self.is_unlisted();
        let is_as_left = |file: &PathBuf, left: &Option<Vec<u8>>| {
            let now = self.disk.contents(file).ok();
            now == *left || !is_readable(&self.disk, file)
        };
        let mut indexes = std::mem::take(&mut self.harmed.indexes);
        indexes.retain(|file, left| is_as_left(file, left));
        self.harmed.indexes = indexes;
        let files = self.disk.files().into_iter();
        self.indexed.extend(files.filter(|file| file.extension().is_some_and(|e| e == "idx")));
    }

    pub(super) fn manifest(&self) -> Option<PathBuf> {
        self.disk.files().into_iter().find(|file| file.ends_with("manifest"))
    }

    /// Whether the manifest is harmed: something of it is not as it was written, or cannot be read.
    pub(super) fn is_unlisted(&self) -> bool {
        let is_bad = || self.ledger.bad_files().any(|file| file.ends_with("manifest"));
        !self.harmed.manifest.is_empty() || is_bad()
    }

    /// Whether the index of a segment is there and as it was made.
    pub(super) fn is_indexed(&self, segment: &Path) -> bool {
        let index = segment.with_extension("idx");
        !self.harmed.indexes.contains_key(&index) && is_readable(&self.disk, &index)
    }

    /// Notes the harmed events of which nobody may know the keys by now, and those of which only an opening without ids
    /// makes the index: it lacks one, or is to be sealed.
    pub(super) fn note_keys(&mut self, harmed: &BTreeSet<u64>) {
        for &position in harmed {
            let file = self.ledger.file_of(position);
            let file = file.filter(|file| self.indexed.contains(&file.with_extension("idx")));
            if file.is_some_and(|file| !self.is_indexed(file)) {
                self.harmed.keys.insert(position);
            }
        }
        if self.options.id_segments == 0 {
            let mut files = self.ledger.written_files();
            files.retain(|file| !(self.ledger.is_sealed(file) && self.is_indexed(file)));
            let own = files.iter().flat_map(|file| self.ledger.standing(file, &(0..u64::MAX)));
            self.harmed.ids.extend(own);
        }
    }

    /// Whether of a lost event perhaps nobody knows in which stream it was. Who reads elsewhere knows that only of what is
    /// sealed as far as it has seen.
    pub(super) fn may_be_of_any(&self, life: &Life, position: u64) -> bool {
        !life.writes || self.harmed.keys.contains(&position)
    }

    /// Adds a commit to what is there.
    pub(super) fn add(&mut self, events: Vec<Seen>) {
        if self.options.id_segments == 0 {
            self.harmed.ids.extend(events.iter().map(|event| event.position));
        }
        self.ledger.add(events);
    }

    /// Takes what has failed for a process.
    pub(super) fn catch_up(&mut self, life: &mut Life) {
        for hit in life.flaw.take() {
            self.words.push(format!("{} of {} failed", name(&hit.file), span(&hit)));
            if !is_index(&hit.file) {
                life.fails_now = true;
                life.has_failed = true;
                life.harmed.extend(self.ledger.standing(&hit.file, &hit.bytes));
            } else if hit.is_opening() {
                // It is made anew from what is left. What cannot be read is read again.
                let segment = hit.file.with_extension("seg");
                let own = self.ledger.standing(&segment, &(0..u64::MAX));
                self.harmed.keys.extend(own.intersection(&life.harmed));
            }
        }
    }

    /// An error that ends a call, and tells of no events, must have its reason.
    pub(super) fn explain(&mut self, life: &mut Life, error: &Error) -> Checked {
        self.catch_up(life);
        let explained = match error.kind() {
            ErrorKind::Io => {
                let words = error.to_string();
                life.fails_now || life.lacks_ids && words.contains(LACKS_IDS) || self.is_at(&words)
            }
            ErrorKind::Poisoned if !life.writes => {
                life.is_over |= self.may_have_gone_back(life);
                life.is_over
            }
            ErrorKind::Poisoned => self.may_be_poisoned(),
            _ => false,
        };
        ensure(explained, Rule::Error, || format!("{error:?}"))
    }

    /// Whether what was seen elsewhere may be gone: some of it is torn by now, or the last of it cannot be compared, since
    /// it is harmed where it stood.
    fn may_have_gone_back(&self, life: &Life) -> bool {
        let seen = life.seen.unwrap_or(0);
        let is_harmed =
            |last: u64| life.harmed.contains(&last) || self.lost_to(life).contains(&last);
        self.ledger.torn(&self.disk).is_some_and(|torn| torn < seen)
            || seen.checked_sub(1).is_some_and(is_harmed)
    }

    /// What may be lost to one who has the store open: who writes it knows where each segment ends.
    pub(super) fn lost_to(&self, life: &Life) -> BTreeSet<u64> {
        let Ground { ledger, disk, .. } = self;
        if life.writes {
            return ledger.unsound(disk);
        }
        &ledger.lost(disk) | &ledger.lost_elsewhere(disk, life.is_outlived)
    }

    /// Whoever sees an event of the commit that nobody knows about shows that it is there.
    pub(super) fn adopt(&mut self, life: &mut Life, seen: &Seen) {
        let first = self.ledger.next();
        let at = seen.position.checked_sub(first).and_then(|at| self.pending.get(at as usize));
        if at.is_some_and(|event| Seen { recorded: seen.recorded, ..*event } == *seen) {
            let pending = std::mem::take(&mut self.pending).into_iter();
            let events = pending.map(|event| Seen { recorded: seen.recorded, ..event });
            self.add(events.collect());
            life.harmed.extend(self.lost_to(life));
        }
    }

    /// Whether a writer may have met something that it cannot go on after: a segment that it is to seal is not as it was
    /// written. What cannot be read is tried again.
    pub(super) fn may_be_poisoned(&self) -> bool {
        self.harmed.unsealed.iter().any(|file| !self.ledger.is_sealed(file))
    }

    /// Whether a writer may get no further segment: one that is to be sealed cannot be read as it was written.
    pub(super) fn may_lack_room(&self) -> bool {
        self.may_be_poisoned() || self.ledger.is_bad()
    }

    /// Whether one who reads elsewhere cannot look at the store: for now something cannot be read.
    pub(super) fn may_be_deaf(&self, life: &Life) -> bool {
        self.is_unlisted() || life.fails_now || self.ledger.is_bad()
    }

    /// Whether nothing has happened on account of which a reader may see late what a writer acknowledges.
    pub(super) fn is_calm(&self, life: &Life) -> bool {
        !(self.harmed.live || self.may_be_deaf(life))
    }

    /// Whether the words of an error name a file that is not there any more, or ends too early, or that has a page which
    /// cannot be read.
    fn is_at(&self, words: &str) -> bool {
        let gone = self.gone().into_iter().chain(self.ledger.cut(&self.disk));
        let mut files = gone.chain(self.ledger.bad_files());
        files.any(|file| words.contains(&*file.to_string_lossy()))
    }

    fn gone(&self) -> Vec<&Path> {
        let files = self.disk.files();
        let mut gone = self.ledger.written_files();
        gone.retain(|file| !files.iter().any(|other| other == file));
        gone
    }

    /// Whether the store may be refused for writing: of the log something is harmed that no index covers, or the manifest.
    pub(super) fn may_be_refused(&self) -> bool {
        let files = self.disk.files();
        let changed = self.ledger.changed(&self.disk);
        let mut beyond = changed.iter().filter(|file| {
            let is_there = files.iter().any(|other| other == **file);
            !is_there || !self.ledger.is_sealed(file) || !self.is_indexed(file)
        });
        self.is_unlisted()
            || !self.harmed.keys.is_disjoint(&self.ledger.unsound(&self.disk))
            || beyond.next().is_some()
    }
}

fn is_readable(disk: &FaultDisk, file: &Path) -> bool {
    let read = || {
        let file = disk.open(file, Access::Read)?;
        let mut bytes = vec![0; file.size()? as usize];
        read_exact_at(&*file, &mut bytes, 0)
    };
    read().is_ok()
}

pub(super) fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn span(hit: &Hit) -> String {
    if hit.is_opening() { "an opening".to_owned() } else { format!("a read of {:?}", hit.bytes) }
}

pub(super) fn unexplained(error: &Error) -> Violation {
    Violation::new(Rule::Error, format!("{error:?}"))
}
