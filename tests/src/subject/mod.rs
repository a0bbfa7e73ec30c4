//! A store under test: driven step by step on a fault disk, and every answer told to the checker.

mod appends;
mod bad_sectors;
mod between;
mod committer;
mod counts;
mod driving;
mod elsewhere;
mod faults;
mod following;
mod heads;
mod life;
mod past;
mod questions;
mod reads;
mod retries;
mod salvage;
mod task;
mod unrecovered;
mod unwritten;
mod verifying;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::stepping::Stepper;
use quipu::{ErrorKind, Options};
use quipu_disk::{Disk, FaultDisk, PowerCut};

use crate::checker::{Checked, Checker, Rule, Violation};
use crate::history::{Entry, Seen};
use appends::InFlight;
pub use appends::{Attempt, Submission, Wish};
use between::Between;
pub use between::{Visit, When, Work};
pub use counts::{Counts, Others};
use elsewhere::Elsewhere;
pub use faults::{Done, Failure, Faults, Sticky};
use past::Past;
pub(crate) use questions::Asked;
pub use reads::Cursor;
pub use salvage::judge;

/// Where the store lies on its disk.
pub const PATH: &str = "/store";

/// How a life ends, and what is left of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process is killed.
    Kill,
    /// The power is cut.
    Cut(PowerCut),
}

/// What came of an attempt to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The store is open, and all of it was checked.
    Yes,
    /// The same, and there was no room to recover it.
    Unrecovered,
    /// The power went off meanwhile.
    PowerOff,
    /// It failed, as a planned fault explains.
    Failed(ErrorKind),
}

/// Numbers that were given out.
#[derive(Clone, Copy, Debug, Default)]
struct Ids {
    commits: u32,
    events: u64,
    followers: u32,
}

impl Ids {
    fn follower(&mut self) -> u32 {
        self.followers += 1;
        self.followers
    }

    fn commit(&mut self) -> u32 {
        self.commits += 1;
        self.commits
    }

    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

/// A store under test.
pub struct Subject {
    disk: FaultDisk,
    options: Options,
    stepper: Option<Arc<Stepper>>,
    checker: Checker,
    ids: Ids,
    in_flight: InFlight,
    /// Another process that reads the store.
    elsewhere: Option<Elsewhere>,
    between: Between,
    /// A life on this disk ended after a write or sync had failed, and not all that was visible is durable.
    lost_unsynced: bool,
    /// The last writer had failed, and the power was not cut since.
    is_doubtful: bool,
    /// What a writer has left for everybody to see, positions below: frames vouch for it, or it was closed.
    left: u64,
    past: Past,
    /// What was planned to go wrong in this life.
    pub faults: Faults,
    /// What happened so far.
    pub counts: Counts,
    /// The history, if it is kept.
    trail: Option<Vec<Entry>>,
}

impl Subject {
    /// A store that is not opened yet.
    #[must_use]
    pub fn new(disk: FaultDisk, options: Options) -> Subject {
        let checker = Checker::new(options.durability);
        // No store of a test has as many segments as that.
        let knows_ids = options.id_segments >= 1000;
        let checker = if knows_ids { checker.knowing_ids() } else { checker };
        Subject {
            disk,
            options,
            stepper: None,
            checker,
            ids: Ids::default(),
            in_flight: InFlight::default(),
            elsewhere: None,
            between: Between::default(),
            lost_unsynced: false,
            is_doubtful: false,
            left: 0,
            past: Past::default(),
            faults: Faults::default(),
            counts: Counts::default(),
            trail: None,
        }
    }

    /// Keeps the history from now on.
    pub fn keep_trail(&mut self) {
        self.trail.get_or_insert_default();
    }

    /// The history, if it was kept.
    #[must_use]
    pub fn trail(&self) -> &[Entry] {
        self.trail.as_deref().unwrap_or_default()
    }

    /// The disk under the store.
    #[must_use]
    pub fn disk(&self) -> &FaultDisk {
        &self.disk
    }

    /// What is known of the store.
    #[must_use]
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    /// The options that the store is opened with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Notes how large the store has become.
    fn count_files(&mut self) {
        let files = self.disk.files();
        let of = |kind: &str| {
            let is_kind = |path: &&PathBuf| path.extension().is_some_and(|it| it == kind);
            files.iter().filter(is_kind).count() as u64
        };
        self.counts.segments = self.counts.segments.max(of("seg"));
        self.counts.runs = self.counts.runs.max(of("run"));
    }

    /// Whether the store is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stepper.is_some()
    }

    /// A second subject in the same state of knowledge, its store crashed in another way.
    ///
    /// # Errors
    /// What the crash breaks.
    pub fn fork(&self, end: End) -> Checked<Subject> {
        let mut fork = Subject::new(self.disk.clone(), self.options.clone());
        fork.checker = self.checker.clone();
        fork.ids = self.ids;
        fork.trail.clone_from(&self.trail);
        fork.faults = self.faults.clone();
        fork.crash_into(end, self.is_open())?;
        Ok(fork)
    }

    fn record(&mut self, entry: Entry) -> Checked {
        self.counts.others.note(&entry);
        let judged = self.checker.record(&entry);
        if let Some(trail) = &mut self.trail {
            trail.push(entry);
        }
        judged
    }

    fn stepper(&self) -> Checked<&Stepper> {
        let closed = || Violation::new(Rule::Nonsense, "the store is not open");
        self.stepper.as_deref().ok_or_else(closed)
    }

    fn visible(&self) -> Checked<u64> {
        Ok(self.stepper()?.next_position().0)
    }

    /// Whether a planned power-off has come.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.faults.is_off(self.disk.operations())
    }

    /// Whether something went wrong in this life of the store, except that the power went off.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let now = self.disk.operations();
        self.faults.is_poisoned() || self.faults.has_failed(now) || self.faults.has_misread(now)
    }

    /// Whether something has happened after `before` and up to now that explains this error of the system.
    fn may_fail_since(&self, before: u64, error: &quipu::Error) -> bool {
        let now = self.disk.operations();
        self.is_off()
            || self.faults.has_failed_since(before, now)
            || self.is_spoiled() && self.is_of_bad_sector(error)
    }

    /// What the store holds, by an opening of a copy of its disk that nobody notices. The copy has room for
    /// everything, and all of it can be read. Its streams and their heads are those of what it holds.
    ///
    /// # Errors
    /// The store does not open.
    pub fn peek(&mut self) -> Checked<Vec<Seen>> {
        let copy = self.copy_disk();
        self.peek_at(copy)
    }

    /// The same while somebody reads the store in another process, or something is planned: the disk goes on.
    ///
    /// # Errors
    /// As [`Subject::peek`].
    pub fn peek_beside(&self) -> Checked<Vec<Seen>> {
        self.peek_at(self.disk.twin())
    }

    fn peek_at(&self, copy: FaultDisk) -> Checked<Vec<Seen>> {
        copy.plan_full(None);
        copy.restore();
        let failed = |error| Violation::new(Rule::Opening, format!("a copy: {error:?}"));
        let stepper = open(copy, &self.options).map_err(failed)?;
        let events = reads::everything(&stepper).map_err(failed)?;
        heads::judge(&stepper, &events).map_err(failed)??;
        Ok(events)
    }

    /// A copy of its disk, all of which can be read. The store is not open.
    #[must_use]
    pub fn copy_disk(&mut self) -> FaultDisk {
        let (copy, same) = (self.disk.kill(), self.disk.kill());
        self.disk = same;
        copy.restore();
        copy
    }
}

fn open(disk: impl Disk + 'static, options: &Options) -> quipu::Result<Stepper> {
    Stepper::open(Arc::new(disk), Path::new(PATH), options)
}
