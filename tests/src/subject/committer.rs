//! Driving what the store under test does behind its writers.

use quipu::Durability;

use super::Subject;
use crate::checker::{Checked, Rule, ensure};
use crate::segments::indexes;

impl Subject {
    /// Has the committer take its next job, if there is one.
    ///
    /// # Errors
    /// The store is not open.
    pub fn take_job(&mut self) -> Checked<bool> {
        let taken = self.stepper()?.take_job();
        if taken {
            self.in_flight.job = Some(self.in_flight.placed);
            self.in_flight.vouched.taken = self.durable()?;
        }
        Ok(taken)
    }

    /// Whether a job was taken that needs no copy any more.
    #[must_use]
    pub fn can_finish_job(&self) -> bool {
        self.in_flight.is_copied()
    }

    /// Has the committer do the job that it took, if there is one.
    ///
    /// # Errors
    /// What follows from it and should not.
    pub fn finish_job(&mut self) -> Checked {
        if self.in_flight.job.take().is_none() {
            return Ok(());
        }
        // Whoever is told from here on is told by this job.
        self.settle()?;
        let (before, acknowledged) = (self.disk.operations(), self.counts.acknowledged);
        let visible = self.visible()?;
        self.await_visit();
        let unharmed = self.between.door.failures();
        self.stepper()?.finish_job();
        self.note_failures_since(unharmed);
        self.judge_visit(Some(visible))?;
        self.in_flight.vouched.finish();
        self.count_rolls()?;
        // The committer only writes and syncs the log.
        let failed = self.faults.has_failed_since(before, self.disk.operations());
        if failed && !self.faults.only_interrupts() {
            self.faults.is_poisoned = true;
            self.settle()?;
            ensure(self.counts.acknowledged == acknowledged, Rule::Poison, || {
                "a write or sync that failed acknowledges a commit".to_owned()
            })?;
        }
        self.expect_failures()
    }

    /// What is known to be durable here: positions below.
    fn durable(&self) -> Checked<u64> {
        match self.options.durability {
            Durability::Sync => self.visible(),
            Durability::Os => Ok(self.checker.durable()),
        }
    }

    /// Notes what the last jobs have begun.
    pub(super) fn count_rolls(&mut self) -> Checked {
        let segments = self.stepper()?.segments();
        self.counts.rolls += segments.saturating_sub(self.in_flight.segments) as u64;
        self.in_flight.segments = segments;
        Ok(())
    }

    /// Does a chore, if there is one.
    ///
    /// # Errors
    /// What follows from it and should not.
    pub fn chore(&mut self) -> Checked<bool> {
        let visible = self.visible()?;
        self.await_visit();
        let unharmed = self.between.door.failures();
        let before = indexes(&self.disk);
        let did = self.stepper()?.chore();
        self.counts.note_indexes(&before, &indexes(&self.disk));
        self.note_failures_since(unharmed);
        self.judge_visit(Some(visible))?;
        self.expect_failures()?;
        Ok(did)
    }

    /// Notes whether a call has failed meanwhile that may have poisoned the store: of a job, a chore, a close, or of a
    /// recovery that is made up for. Nobody else's call may, and none that is about an index, the page or the ballast.
    pub(super) fn note_failures_since(&mut self, before: u64) {
        self.faults.log_has_failed |= self.between.door.failures() > before;
    }

    /// Whether there is a reason why the store is poisoned. That something cannot be read is none.
    pub(super) fn may_be_poisoned(&self) -> bool {
        self.faults.log_has_failed || self.is_off()
    }

    /// Whether the writer may have failed. What a reader has met, or an index file, is nothing that it tells of.
    pub(super) fn may_have_failed(&self) -> bool {
        self.may_be_poisoned() || self.faults.has_misread(self.disk.operations())
    }

    /// Lets the committer do what it does when nothing has happened for a while.
    ///
    /// # Errors
    /// The store is not open.
    pub fn idle(&mut self) -> Checked {
        self.stepper()?.idle();
        Ok(())
    }

    /// Nobody waits for a poisoned store.
    fn expect_failures(&mut self) -> Checked {
        if !self.faults.is_poisoned || self.in_flight.job.is_some() || self.is_off() {
            return Ok(());
        }
        self.settle()?;
        self.nobody_sleeps()?;
        ensure(self.in_flight.is_settled(), Rule::Stuck, || {
            "waiting on a poisoned store".to_owned()
        })
    }
}
