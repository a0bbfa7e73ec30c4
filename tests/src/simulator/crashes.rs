//! How lives end, and how the next one begins.

use quipu::{ErrorKind, ReadMode};
use quipu_disk::PowerCut;

use super::World;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::history::Seen;
use crate::subject::{Done, End, Failure, Opened, Sticky, judge};

/// Openings that may be interrupted one after another.
const INTERRUPTIONS_MAX: usize = 5;
/// Percentage of crashes after which a copy of what is left is salvaged: that takes as long as many steps.
const SALVAGED: usize = 4;
/// Percentage of crashes after which what is left is verified.
const VERIFIED: usize = 12;
/// Openings until one must succeed: what was planned before may interrupt some more.
const OPENINGS_MAX: usize = 10;

/// What a recovery of a copy of the disk found.
pub(super) struct Found {
    pub(super) events: Vec<Seen>,
    /// All of it is durable: no power cut takes it away.
    lasts: bool,
}

impl World {
    pub(super) fn crash_or_close(&mut self) -> Checked {
        match self.random.below(10) {
            0..2 => self.close(),
            2..4 => {
                self.plan_power_off(30);
                Ok(())
            }
            4..6 => {
                // Files get their names in chores: left to chance, few power cuts would come between.
                self.plan_power_off(12);
                self.chore()
            }
            _ => self.crash(),
        }
    }

    /// Plans that the power goes off, fewer than so many operations from now.
    fn plan_power_off(&mut self, operations: usize) {
        let within = self.random.below(operations) as u64;
        let disk = self.subject.disk().clone();
        if !self.subject.faults.is_armed(disk.operations()) {
            self.subject.faults.plan_power_off(&disk, within);
        }
    }

    fn end(&mut self) -> End {
        match self.random.below(10) {
            0..3 => End::Kill,
            3..5 => End::Cut(PowerCut::LoseAll),
            5..6 => End::Cut(PowerCut::KeepAll),
            _ => End::Cut(PowerCut::Random),
        }
    }

    /// The store is left as after a failure that its program gave up at.
    pub(super) fn give_up(&mut self) -> Checked {
        let operations = self.subject.disk().operations();
        if self.subject.faults.is_stuck(operations) || self.random.percent(60) {
            return self.crash();
        }
        self.forget()?;
        self.subject.abandon()?;
        self.reopen_as_it_is()
    }

    pub(super) fn forget(&mut self) -> Checked {
        self.waiting.clear();
        self.is_stuck = false;
        let mut cursors = std::mem::take(&mut self.cursors).into_iter();
        cursors.try_for_each(|cursor| self.subject.let_go(cursor))
    }

    pub(super) fn crash(&mut self) -> Checked {
        let end = self.end();
        self.forget()?;
        let operations = self.subject.disk().operations();
        let is_armed = self.subject.faults.is_armed(operations);
        let is_calm = !is_armed
            && !self.subject.is_off()
            && !self.subject.has_failed()
            && !self.subject.is_spoiled();
        if end == End::Kill && is_calm && self.subject.is_read_elsewhere() {
            return self.outlive();
        }
        self.crash_by(end)
    }

    /// The writer is killed, and whoever follows it in another process is not.
    fn outlive(&mut self) -> Checked {
        self.subject.abandon()?;
        self.subject.deliver_unwritten()?;
        if self.random.percent(50) {
            return self.reopen_as_it_is();
        }
        let end = End::Cut(PowerCut::Random);
        self.subject.crash(end)?;
        self.reopen_after(end)
    }

    /// The life of the store ends. Somebody may read what is left before it is opened again, and the power may
    /// go off only then.
    fn crash_by(&mut self, mut end: End) -> Checked {
        // Of a writer that has failed, also because the power went off under it, no more is shown than it told. One that
        // cannot tell anything cannot say that it has failed either.
        let is_sound = !self.subject.is_off() && !self.subject.has_failed();
        self.subject.crash(end)?;
        let is_told = !self.profile.silent && !self.subject.is_untold();
        if (is_sound || is_told) && !self.subject.is_spoiled() && self.random.percent(20) {
            self.subject.read_unwritten()?;
            if end == End::Kill && self.random.percent(50) {
                end = End::Cut(PowerCut::Random);
                self.subject.crash(end)?;
            }
        }
        self.reopen_after(end)
    }

    pub(super) fn close(&mut self) -> Checked {
        self.forget()?;
        if self.random.percent(30) {
            self.expect_visitor(30);
        }
        let is_closed = self.subject.close()?;
        // The power may go off later than that: while followers read the rest.
        if !self.subject.is_off() {
            if self.subject.faults.is_stuck(self.subject.disk().operations()) {
                let end = self.end();
                return self.crash_by(end);
            }
            return if is_closed { self.reopen() } else { self.reopen_as_it_is() };
        }
        let end = self.end();
        self.crash_by(end)
    }

    /// Recovers the store twice: a copy of its disk first, then the disk itself.
    fn reopen_after(&mut self, end: End) -> Checked {
        let found = self.recover_copy(end)?;
        if self.random.percent(VERIFIED) {
            self.subject.verify(&found.events, &self.harmed())?;
        }
        if !self.subject.faults.is_full() && self.random.percent(SALVAGED) {
            judge(&self.subject.salvage()?, &found.events)?;
        }
        self.reopen_to(Some(found))
    }

    /// The same where the writer is gone and the machine goes on, with whoever else reads the store, and with what is
    /// planned.
    fn reopen_as_it_is(&mut self) -> Checked {
        let events = self.subject.peek_beside()?;
        self.reopen_to(Some(Found { events, lasts: false }))
    }

    fn recover_copy(&mut self, end: End) -> Checked<Found> {
        let events = self.subject.peek()?;
        Ok(Found { events, lasts: matches!(end, End::Cut(_)) })
    }

    pub(super) fn reopen(&mut self) -> Checked {
        self.reopen_to(None)
    }

    /// Opens the store, through interruptions. What a recovery of a copy found before must be found.
    fn reopen_to(&mut self, mut found: Option<Found>) -> Checked {
        if self.random.percent(50) {
            self.subject.restore();
        }
        if self.random.percent(10) {
            self.pass_time();
        }
        if self.meddle() {
            let events = self.subject.peek_beside()?;
            let found = found.as_ref().map_or(&events, |found| &found.events);
            ensure(*found == events, Rule::Undecided, || {
                format!("{} events, and {} with other indexes", found.len(), events.len())
            })?;
        }
        self.tear_manifest();
        self.fill_up();
        for attempt in 0..OPENINGS_MAX {
            let disk = self.subject.disk().clone();
            if attempt > 0 {
                // Nothing was dropped on account of what could not be read.
                self.subject.restore();
            }
            if attempt < INTERRUPTIONS_MAX {
                self.interrupt();
            } else {
                // So that it is recovered at last.
                self.subject.faults.limit_room(&disk, None);
            }
            match self.subject.open()? {
                Opened::Yes => {
                    self.compare(found.as_ref())?;
                    return self.ask_around();
                }
                Opened::Unrecovered => {
                    if self.live_unrecovered(found.as_ref())? {
                        return self.ask_around();
                    }
                    found = Some(self.crash_again(found)?);
                }
                Opened::PowerOff => found = Some(self.crash_again(found)?),
                Opened::Failed(ErrorKind::Full) if self.subject.faults.is_full() => {
                    self.subject.faults.limit_room(&disk, None);
                }
                Opened::Failed(_) if self.subject.faults.is_stuck(disk.operations()) => {
                    found = Some(self.crash_again(found)?);
                }
                Opened::Failed(_) if found.is_none() => {
                    let events = self.subject.peek_beside()?;
                    found = Some(Found { events, lasts: false });
                }
                Opened::Failed(_) => {}
            }
        }
        Err(Violation::new(Rule::Opening, "it takes too many attempts"))
    }

    /// The disk has become full while nobody wrote the store.
    fn fill_up(&mut self) {
        let disk = self.subject.disk().clone();
        if self.subject.is_untold() {
            // Nobody but a recovery can tell what is left by a writer that could not say that it had failed.
            self.subject.faults.limit_room(&disk, None);
            return;
        }
        let is_calm = !self.subject.faults.is_armed(disk.operations());
        if is_calm && self.profile.errors > 0 && self.random.percent(6) {
            let room = if self.random.percent(50) { 0 } else { self.random.below(1 << 16) };
            self.subject.faults.limit_room(&disk, Some(room as u64));
        }
    }

    /// An opening ended in a crash. What was found before is found again, unless the power took it away.
    fn crash_again(&mut self, found: Option<Found>) -> Checked<Found> {
        let end = self.end();
        self.subject.crash(end)?;
        match found {
            Some(found) if found.lasts || end == End::Kill => Ok(found),
            _ => self.recover_copy(end),
        }
    }

    fn compare(&self, found: Option<&Found>) -> Checked {
        let Some(Found { events, .. }) = found else { return Ok(()) };
        ensure(self.subject.checker().is_exactly(events), Rule::Undecided, || {
            format!("{} events were found by another recovery of the same bytes", events.len())
        })
    }

    fn interrupt(&mut self) {
        let disk = self.subject.disk().clone();
        if self.subject.faults.is_armed(disk.operations()) {
            return;
        }
        let within = self.random.below(50) as u64;
        match self.random.below(100) {
            0..25 => self.subject.faults.plan_power_off(&disk, within),
            25..28 if self.profile.errors > 0 => {
                let failure = Failure::clean(self.errno());
                self.subject.faults.plan_error(&disk, failure, within, Sticky::No);
            }
            45..55 if self.misreads && self.profile.options.read_mode == ReadMode::Map => {
                self.subject.faults.plan_misread(&disk, within);
            }
            // A writer that tells nothing cannot say that it has failed, and a sync of others proves nothing then.
            30..45 if !self.subject.is_untold() => {
                self.expect_visitor(60);
            }
            28..30 if self.profile.errors > 0 => {
                let failure = Failure { errno: self.errno(), done: Done::Wholly };
                self.subject.faults.plan_error(&disk, failure, within, Sticky::No);
            }
            60..66 if self.profile.errors > 0 => {
                let sticky = if self.random.percent(50) { Sticky::Yes } else { Sticky::No };
                self.halve(within, sticky);
            }
            55..60 if self.profile.errors > 0 => {
                self.subject.faults.plan_bad_sector(&disk, within);
            }
            _ => {}
        }
    }
}
