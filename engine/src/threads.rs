//! The threads that drive the log of a real store: a committer and one for chores.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::draft::Draft;
use crate::log::{Log, Unplaced};
use crate::pipeline::{Ending, Patience};
use crate::ticket::{Appended, Ticket};
use crate::{Error, ErrorKind, Options, Result};

/// A log with threads that drive it.
pub(crate) struct Running {
    log: Arc<Log>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stopping: AtomicBool,
    /// The committer sleeps without a limit: whoever leaves something to be marked or synced later
    /// wakes it.
    dozing: AtomicBool,
    sync_interval: Duration,
    mark_after: Duration,
}

impl Running {
    pub(crate) fn start(log: Arc<Log>, options: &Options) -> Result<Running> {
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            dozing: AtomicBool::new(false),
            sync_interval: options.sync_interval,
            mark_after: options.mark_after,
        });
        let mut running = Running { log, shared, threads: Vec::new() };
        running.spawn("quipu-commit", commit)?;
        running.spawn("quipu-chores", chores)?;
        Ok(running)
    }

    fn spawn(&mut self, name: &str, body: fn(&Log, &Shared)) -> Result<()> {
        let (log, shared) = (Arc::clone(&self.log), Arc::clone(&self.shared));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || body(&log, &shared))
            .map_err(|error| {
                Error::because(ErrorKind::Io, format!("starting the thread {name}"), error)
            })?;
        self.threads.push(thread);
        Ok(())
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Has a commit on its way, waiting for room.
    pub(crate) fn submit(&self, draft: &Draft<'_>) -> Result<Ticket> {
        let placed = self.log.place_waiting(draft).map_err(settle)?;
        let ticket = placed.copy(draft);
        self.log.call_committer();
        Ok(ticket)
    }

    /// As [`Running::submit`], without waiting.
    pub(crate) fn try_submit(&self, draft: &Draft<'_>) -> Result<Ticket> {
        let placed = self.log.place(draft, &mut Patience::default()).map_err(settle)?;
        let ticket = placed.copy(draft);
        self.log.call_committer();
        Ok(ticket)
    }

    /// Commits and waits. While nobody else commits, the caller does it itself: a lone writer pays for
    /// no hand-off. What others have added meanwhile is left to the committer's thread, whose groups
    /// are fuller.
    pub(crate) fn append(&self, draft: &Draft<'_>) -> Result<Appended> {
        let placed = self.log.place_waiting(draft).map_err(settle)?;
        let ticket = placed.copy(draft);
        let mut more = false;
        while !ticket.is_settled() {
            let Some(job) = self.log.pipeline().take() else { break };
            more = self.log.carry_out(job);
        }
        if more || self.shared.dozing.swap(false, Ordering::Relaxed) {
            self.log.call_committer();
        }
        ticket.wait()
    }

    /// Stops the threads. What has its place in the log is left to [`Log::finish`].
    pub(crate) fn stop(&mut self) {
        self.log.close();
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Whoever sees the flag unset and goes to sleep does so under this lock.
        drop(self.log.pipeline());
        self.log.close();
        for thread in self.threads.drain(..) {
            // A panic there has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// A refusal as the caller sees it: once what it refers to is visible.
pub(crate) fn settle(unplaced: Unplaced) -> Error {
    match unplaced {
        Unplaced::Busy => Error::new(ErrorKind::Busy, "the pipeline is full"),
        Unplaced::Refused(error, None) => error,
        Unplaced::Refused(error, Some((group, durability))) => match group.wait(durability) {
            Ok(()) => error,
            Err(failed) => failed.not_written(),
        },
    }
}

/// The committer: takes every job that no blocking caller does, and what time brings.
fn commit(log: &Log, shared: &Shared) {
    let mut commits_seen = 0;
    let mut pipeline = log.pipeline();
    loop {
        if let Some(job) = pipeline.take() {
            drop(pipeline);
            log.carry_out(job);
            pipeline = log.pipeline();
            continue;
        }
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let most = if pipeline.is_unsynced() {
            Some(shared.sync_interval)
        } else if pipeline.is_unmarked() {
            Some(shared.mark_after)
        } else {
            None
        };
        shared.dozing.store(most.is_none(), Ordering::Relaxed);
        if log.wait_for_work(&mut pipeline, most) {
            let commits = log.counters.commits.load(Ordering::Relaxed);
            if pipeline.is_unsynced() {
                pipeline.owe_sync();
            } else if commits == commits_seen {
                pipeline.mark(Ending::Idle);
            }
            commits_seen = commits;
        }
    }
}

/// Prepares and seals segments.
fn chores(log: &Log, shared: &Shared) {
    loop {
        let mut pipeline = log.pipeline();
        while !pipeline.chore_ready() {
            if shared.stopping.load(Ordering::SeqCst) {
                return;
            }
            log.wait_for_chore(&mut pipeline);
        }
        drop(pipeline);
        log.chore();
    }
}
