//! The threads that drive the log of a real store: a committer and one for chores.

use std::sync::Arc;
use std::time::Duration;

use crate::draft::Draft;
use crate::log::{Left, Log};
use crate::panics::caught;
use crate::pipeline::{Guard, Mark, Patience, Pipeline};
use crate::plant::{self, Bug};
use crate::ticket::{Appended, Ticket};
use crate::worker::Worker;
use crate::{Error, Options, Result};
use quipu_disk::threads::{AtomicBool, AtomicUsize, Ordering};

/// A log with threads that drive it.
pub(crate) struct Running {
    log: Arc<Log>,
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

struct Shared {
    stopping: AtomicBool,
    /// How the committer sleeps, as one of the numbers below.
    sleep: AtomicUsize,
    sync_interval: Duration,
    mark_after: Duration,
}

/// It does not, or only until a sync is due.
const AWAKE: usize = 0;
/// Until a mark is due: whoever leaves something unsynced wakes it.
const NAPPING: usize = 1;
/// Without a limit: whoever leaves something to be marked or synced later wakes it.
const DOZING: usize = 2;

/// How long who appends waits at a time, and then looks whether there is a job that nobody does: in the committer's own
/// thread, and in others.
const MOMENT: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_millis(100);

impl Shared {
    /// Whether the committer must be woken for what was left to it. Says so once.
    fn wakes_for(&self, left: Left) -> bool {
        let sleep = self.sleep.load(Ordering::Relaxed);
        let wakes = sleep == DOZING || (sleep == NAPPING && left.unsynced);
        wakes && self.sleep.swap(AWAKE, Ordering::Relaxed) != AWAKE
    }
}

impl Running {
    pub(crate) fn start(log: Arc<Log>, options: &Options) -> Result<Running> {
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            sleep: AtomicUsize::new(AWAKE),
            sync_interval: options.sync_interval,
            mark_after: options.mark_after,
        });
        let mut running = Running { log, shared, workers: Vec::new() };
        running.spawn("quipu-commit", commit)?;
        running.spawn("quipu-chores", chores)?;
        Ok(running)
    }

    fn spawn(&mut self, name: &str, body: fn(&Log, &Shared)) -> Result<()> {
        let (log, shared) = (Arc::clone(&self.log), Arc::clone(&self.shared));
        let worker = Worker::start(name, move || {
            // Nobody does its work from then on, so nobody may wait for it.
            if let Err(words) = caught(|| body(&log, &shared)) {
                log.give_up(Error::panicked("driving the log", &words));
            }
        })?;
        self.workers.push(worker);
        Ok(())
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Has a commit on its way, waiting for room.
    pub(crate) fn submit(&self, draft: &mut Draft<'_>) -> Result<Ticket> {
        let admitted =
            self.log.admit(draft, &mut |draft, guard| self.log.place_waiting(draft, guard));
        let ticket = admitted?.ticket(draft)?;
        self.log.call_committer();
        Ok(ticket)
    }

    /// As [`Running::submit`], without waiting.
    pub(crate) fn try_submit(&self, draft: &mut Draft<'_>) -> Result<Ticket> {
        let place = |draft: &mut Draft<'_>, guard: Option<&Guard>| {
            self.log.place(draft, guard, &mut Patience::None)
        };
        let admitted = self.log.admit(draft, &mut { place });
        let ticket = admitted?.ticket(draft)?;
        self.log.call_committer();
        Ok(ticket)
    }

    /// Commits and waits. While nobody else commits, the caller does it itself: a lone writer pays for
    /// no hand-off. What others have added meanwhile is left to the committer's thread, whose groups
    /// are fuller.
    pub(crate) fn append(&self, draft: &mut Draft<'_>) -> Result<Appended> {
        let admitted =
            self.log.admit(draft, &mut |draft, guard| self.log.place_waiting(draft, guard));
        let ticket = admitted?.ticket(draft)?;
        let mut left = None;
        while !ticket.is_settled() {
            let taken = self.log.pipeline().take();
            if let Some(job) = taken {
                left = Some(self.log.carry_out(job));
                continue;
            }
            self.hand_over(left.take());
            // Whoever is at a job leaves the next one to the committer's thread, which may be this very one, or be kept
            // from it by the program's log.
            ticket.wait_for(if self.is_committer() { MOMENT } else { PATIENCE });
        }
        self.hand_over(left);
        ticket.wait()
    }

    /// Leaves to the committer's thread what a job has left to be done, if one was done.
    fn hand_over(&self, left: Option<Left>) {
        let Some(left) = left else { return };
        let more = left.work && !plant::is_in(Bug::LeftoversNotHandedOver);
        if more || self.wakes_for(left) {
            self.log.call_committer();
        }
    }

    /// Whether this is the committer's thread: the program's log is told something by it, and appends.
    fn is_committer(&self) -> bool {
        self.workers.first().is_some_and(Worker::is_current)
    }

    /// Whether the committer must be woken for what was left to it.
    fn wakes_for(&self, left: Left) -> bool {
        let wakes = self.shared.wakes_for(left);
        if wakes {
            // It says how it sleeps and goes to sleep under this lock: by now it sleeps.
            drop(self.log.pipeline());
        }
        wakes
    }

    /// Stops the threads. What has its place in the log is left to [`Log::finish`].
    pub(crate) fn stop(&mut self) {
        self.log.close();
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Whoever sees the flag unset and goes to sleep does so under this lock.
        drop(self.log.pipeline());
        if !plant::is_in(Bug::StopToldTooEarly) {
            self.log.close();
        }
        // A panic there has poisoned the log.
        self.workers.drain(..).for_each(Worker::join);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The committer: takes every job that no blocking caller does, and what time brings.
fn commit(log: &Log, shared: &Shared) {
    let mut clock = Clock { unsynced_since: None, commits_seen: 0, next: Due::Mark };
    let mut pipeline = log.pipeline();
    loop {
        let left = clock.left(log, shared, &mut pipeline);
        if let Some(job) = pipeline.take() {
            drop(pipeline);
            log.carry_out(job);
            pipeline = log.pipeline();
            continue;
        }
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let sleep = match (left, clock.unsynced_since) {
            (None, _) => DOZING,
            (Some(_), None) => NAPPING,
            (Some(_), Some(_)) => AWAKE,
        };
        shared.sleep.store(sleep, Ordering::Relaxed);
        if log.wait_for_work(&mut pipeline, left) {
            clock.ring(log, &mut pipeline);
        }
    }
}

/// What the committer does by time: what is written is synced before long although nobody waits for it,
/// and an idle moment is used for a mark.
struct Clock {
    /// When the oldest of what is not synced was first seen.
    unsynced_since: Option<Duration>,
    commits_seen: u64,
    /// What the committer sleeps until.
    next: Due,
}

/// What time brings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Sync,
    Mark,
}

impl Clock {
    /// How long the committer may sleep; `None` is for ever. Asks for a sync that is due.
    fn left(&mut self, log: &Log, shared: &Shared, pipeline: &mut Pipeline) -> Option<Duration> {
        self.next = Due::Mark;
        if !pipeline.is_unsynced() {
            self.unsynced_since = None;
            return pipeline.wants_mark().then_some(shared.mark_after);
        }
        let now = log.disk.elapsed();
        let since = *self.unsynced_since.get_or_insert(now);
        let left = (since + shared.sync_interval).saturating_sub(now);
        if left.is_zero() {
            pipeline.owe_sync();
            self.unsynced_since = Some(now);
            self.next = Due::Sync;
            return Some(shared.sync_interval);
        }
        // Whoever does that sync itself leaves a mark to be made, and wakes nobody for it.
        if left <= shared.mark_after {
            self.next = Due::Sync;
        }
        Some(left.min(shared.mark_after))
    }

    /// The time has passed.
    fn ring(&mut self, log: &Log, pipeline: &mut Pipeline) {
        let commits = log.counters.commits.load(Ordering::Relaxed);
        if pipeline.is_unsynced() {
            if self.next == Due::Sync {
                pipeline.owe_sync();
            }
        } else if commits == self.commits_seen {
            pipeline.mark(Mark::Idle);
        }
        self.commits_seen = commits;
    }
}

/// Prepares and seals segments, and keeps index files in order.
fn chores(log: &Log, shared: &Shared) {
    loop {
        let mut pipeline = log.pipeline();
        while !pipeline.chore_ready() {
            if shared.stopping.load(Ordering::SeqCst) {
                return;
            }
            if pipeline.poison().is_none() && log.index_chore_ready() {
                break;
            }
            log.wait_for_chore(&mut pipeline);
        }
        drop(pipeline);
        log.chore();
    }
}
