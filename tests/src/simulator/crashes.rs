//! How lives end, and how the next one begins.

use std::io;

use quipu::ErrorKind;
use quipu_disk::PowerCut;

use super::World;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::subject::{End, Opened, Sticky, judge};

/// Openings that may be interrupted one after another.
const INTERRUPTIONS_MAX: usize = 5;
/// Every so many crashes, a copy of what is left is salvaged: that takes as long as many steps.
const SALVAGE_EVERY: u64 = 7;
/// Openings until one must succeed: what was planned before may interrupt some more.
const OPENINGS_MAX: usize = 10;

impl World {
    pub(super) fn crash_or_close(&mut self) -> Checked {
        match self.random.below(10) {
            0..2 => self.close(),
            2..6 => {
                let within = self.random.below(30) as u64;
                let disk = self.subject.disk().clone();
                if !self.subject.faults.is_armed(disk.operations()) {
                    self.subject.faults.plan_power_off(&disk, within);
                }
                Ok(())
            }
            _ => self.crash(),
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
        self.forget();
        self.subject.abandon()?;
        self.reopen()
    }

    fn forget(&mut self) {
        self.waiting.clear();
        self.cursors.clear();
    }

    pub(super) fn crash(&mut self) -> Checked {
        let end = self.end();
        self.forget();
        let operations = self.subject.disk().operations();
        let is_armed = self.subject.faults.is_armed(operations);
        let is_calm = !is_armed && !self.subject.is_off() && !self.subject.has_failed();
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
            return self.reopen();
        }
        let end = End::Cut(PowerCut::Random);
        self.subject.crash(end)?;
        self.reopen_after(end)
    }

    /// The life of the store ends. Somebody may read what is left before it is opened again, and the power may
    /// go off only then.
    fn crash_by(&mut self, mut end: End) -> Checked {
        // Of a writer that has failed, also because the power went off under it, no more is shown than it told.
        let is_sound = !self.subject.is_off() && !self.subject.has_failed();
        self.subject.crash(end)?;
        if is_sound && self.random.percent(20) {
            self.subject.read_unwritten()?;
            if end == End::Kill && self.random.percent(50) {
                end = End::Cut(PowerCut::Random);
                self.subject.crash(end)?;
            }
        }
        self.reopen_after(end)
    }

    pub(super) fn close(&mut self) -> Checked {
        self.forget();
        self.subject.close()?;
        // The power may go off later than that: while followers read the rest.
        if !self.subject.is_off() {
            if self.subject.faults.is_stuck(self.subject.disk().operations()) {
                let end = self.end();
                return self.crash_by(end);
            }
            return self.reopen();
        }
        let end = self.end();
        self.crash_by(end)
    }

    /// Opens the store again; what a copy of its disk shows is what must be found, unless there is
    /// more to lose on the way.
    fn reopen_after(&mut self, end: End) -> Checked {
        if self.subject.faults.is_full() || self.random.percent(50) {
            return self.reopen();
        }
        let found = self.subject.peek()?;
        if self.subject.counts.crashes.is_multiple_of(SALVAGE_EVERY) {
            judge(&self.subject.salvage()?, &found)?;
        }
        let lasts = matches!(end, End::Cut(_));
        match self.reopen_through(lasts)? {
            true => ensure(self.subject.checker().is_exactly(&found), Rule::Undecided, || {
                format!("{} events were found by another recovery of the same bytes", found.len())
            }),
            false => Ok(()),
        }
    }

    pub(super) fn reopen(&mut self) -> Checked {
        self.reopen_through(true).map(drop)
    }

    /// Opens the store, through interruptions. True if nothing could be lost on the way.
    fn reopen_through(&mut self, lasts: bool) -> Checked<bool> {
        let mut same = true;
        self.meddle();
        for attempt in 0..OPENINGS_MAX {
            let disk = self.subject.disk().clone();
            if attempt < INTERRUPTIONS_MAX {
                self.interrupt();
            }
            match self.subject.open()? {
                Opened::Yes => {
                    self.ask_around()?;
                    return Ok(same);
                }
                Opened::PowerOff => {
                    let end = self.end();
                    same &= lasts || end == End::Kill;
                    self.subject.crash(end)?;
                }
                Opened::Failed(ErrorKind::Full) if self.subject.faults.is_full() => {
                    self.subject.faults.limit_room(&disk, None);
                }
                Opened::Failed(_) if self.subject.faults.is_stuck(disk.operations()) => {
                    same &= lasts;
                    let end = self.end();
                    self.subject.crash(end)?;
                }
                Opened::Failed(_) => {}
            }
        }
        Err(Violation::new(Rule::Opening, "it takes too many attempts"))
    }

    fn interrupt(&mut self) {
        let disk = self.subject.disk().clone();
        if self.subject.faults.is_armed(disk.operations()) {
            return;
        }
        let within = self.random.below(50) as u64;
        match self.random.below(100) {
            0..25 => self.subject.faults.plan_power_off(&disk, within),
            25..30 if self.profile.errors > 0 => {
                self.subject.faults.plan_error(&disk, io::ErrorKind::Other, within, Sticky::No);
            }
            _ => {}
        }
    }
}
