//! How a store under test begins to live, and how that ends.

use std::sync::Arc;

use quipu::{Durability, ErrorKind};

use super::appends::InFlight;
use super::{End, Opened, Subject, open, reads};
use crate::attended::Attended;
use crate::checker::{Checked, Rule, ensure};
use crate::history::{Crash, Entry};

impl Subject {
    /// Opens the store and checks all that is in it.
    ///
    /// # Errors
    /// What opening or the store's content breaks.
    pub fn open(&mut self) -> Checked<Opened> {
        self.await_visit();
        self.faults.log_has_failed = false;
        let before = self.disk.operations();
        let disk = Attended::new(&self.disk, &self.between.door);
        let opened = open(disk, &self.options).and_then(|stepper| {
            let events = reads::everything(&stepper)?;
            Ok((stepper, events))
        });
        self.judge_visit(None)?;
        match opened {
            Ok((stepper, events)) => {
                let created = stepper.opening().created;
                let visible = stepper.next_position().0;
                let is_recovered = stepper.is_recovered();
                self.in_flight = InFlight::default();
                // The first segment of a store is none that another rolled into.
                self.in_flight.segments = stepper.segments().max(1);
                self.in_flight.tells = self.can_tell_since(before);
                self.count_files();
                self.counts.openings += 1;
                if let Some(recovered) = &stepper.opening().recovered {
                    self.counts.recoveries += 1;
                    self.counts.carried += recovered.carried_events;
                    self.counts.dropped += recovered.dropped_bytes;
                }
                self.stepper = Some(Arc::new(stepper));
                if !is_recovered {
                    let full = self.faults.is_full_since(before, self.disk.operations());
                    ensure(full, Rule::Opening, || "not recovered, with room".to_owned())?;
                    self.opened_unrecovered(visible, events, before)?;
                    return Ok(Opened::Unrecovered);
                }
                self.is_doubtful = false;
                self.record(Entry::Opened { created, visible, events })?;
                Ok(Opened::Yes)
            }
            Err(_) if self.is_off() => Ok(Opened::PowerOff),
            Err(error) => {
                let explained = match error.kind() {
                    ErrorKind::Full => self.faults.is_full_since(before, self.disk.operations()),
                    ErrorKind::Io => self.may_fail_since(before, &error),
                    _ => false,
                };
                // Whoever was shown something wrong refuses to go on, in whichever words.
                let explained = explained || self.faults.has_misread(self.disk.operations());
                ensure(explained, Rule::Opening, || format!("{error:?}"))?;
                Ok(Opened::Failed(error.kind()))
            }
        }
    }

    /// Ends this life of the store, open or not; all that could be known before is known.
    ///
    /// # Errors
    /// What the answers that were still due break.
    pub fn crash(&mut self, end: End) -> Checked {
        let was_open = self.is_open();
        self.count_files();
        if was_open {
            self.settle()?;
            self.is_doubtful |= self.may_have_failed();
        }
        self.is_doubtful &= end == End::Kill;
        self.stepper = None;
        self.in_flight.followers.clear();
        self.elsewhere = None;
        self.lost_unsynced = false;
        self.counts.crashes += 1;
        self.crash_into(end, was_open)
    }

    pub(super) fn crash_into(&mut self, end: End, was_open: bool) -> Checked {
        self.left = match end {
            // The frames that vouch may be lost with the power.
            End::Cut(_) => 0,
            End::Kill if was_open => self.in_flight.vouched.sure,
            End::Kill => self.left,
        };
        let (disk, crash) = match end {
            End::Kill => (self.disk.kill(), Crash::Killed),
            End::Cut(how) => (self.disk.power_cut(how), Crash::PowerCut),
        };
        self.disk = disk;
        self.faults = self.faults.after_crash();
        self.in_flight = InFlight::default();
        if was_open {
            self.record(Entry::Crashed(crash))
        } else {
            if crash == Crash::PowerCut {
                self.checker.cut_again();
            }
            Ok(())
        }
    }

    /// Lets go of the store without closing it, as a program does that gives up; the disk stays.
    ///
    /// # Errors
    /// What the answers that were still due break.
    pub fn abandon(&mut self) -> Checked {
        self.settle()?;
        self.is_doubtful |= self.may_have_failed();
        self.stepper = None;
        self.left = self.in_flight.vouched.sure;
        self.in_flight = InFlight::default();
        // A kill takes nothing. What a failed write or sync has left may be gone once somebody else writes.
        self.lost_unsynced |=
            self.options.durability == Durability::Os && self.faults.log_has_failed;
        self.faults.forget_failures(self.disk.operations());
        self.record(Entry::Crashed(Crash::Killed))
    }

    /// Closes the store in order. False if that failed, as a planned fault explains; the store is
    /// let go of then.
    ///
    /// # Errors
    /// What closing breaks.
    pub fn close(&mut self) -> Checked<bool> {
        self.copy_all();
        self.count_files();
        let visitor = self.between.expected();
        self.finish_job()?;
        let visible = self.visible()?;
        self.between.expect(visitor);
        self.await_visit();
        let (before, unharmed) = (self.disk.operations(), self.between.door.failures());
        let closed = self.stepper()?.close();
        self.note_failures_since(unharmed);
        self.judge_visit(Some(visible))?;
        self.settle()?;
        ensure(self.in_flight.is_settled(), Rule::Stuck, || format!("closing: {closed:?}"))?;
        self.let_followers_go()?;
        self.stepper = None;
        let operations = self.disk.operations();
        let explained = match closed.as_ref().map_err(quipu::Error::kind) {
            Err(ErrorKind::Full) => self.faults.is_full_since(before, operations),
            Err(ErrorKind::Poisoned | ErrorKind::Unknown) => self.may_be_poisoned(),
            Err(_) => closed.as_ref().is_err_and(|error| self.may_fail_since(before, error)),
            Ok(()) => true,
        };
        ensure(explained, Rule::Error, || format!("closing: {closed:?}"))?;
        self.is_doubtful |= closed.is_err();
        self.left = if closed.is_ok() { visible } else { 0 };
        self.faults.forget_failures(operations);
        self.record(if closed.is_ok() { Entry::Closed } else { Entry::Crashed(Crash::Killed) })?;
        Ok(closed.is_ok())
    }
}
