//! A store that is open on a full disk, and was not recovered for want of room.

use quipu::ErrorKind;

use super::World;
use super::crashes::Found;
use crate::checker::{Checked, Rule, ensure};
use crate::subject::Attempt;

/// What is done to it before there is room again, at most.
const STEPS_MAX: usize = 12;

impl World {
    /// Reads the store, follows it and asks it; then there is room, and the first commit has it recovered. False if its
    /// life is to end before that.
    pub(super) fn live_unrecovered(&mut self, found: Option<&Found>) -> Checked<bool> {
        for _ in 0..self.random.below(STEPS_MAX) {
            // Somebody who came between two calls may have had the power go off.
            if self.subject.is_off() {
                break;
            }
            match self.random.below(10) {
                0..3 => self.read()?,
                3..5 => self.ask()?,
                5..9 => self.follow_here()?,
                _ => self.append_in_vain()?,
            }
        }
        let disk = self.subject.disk().clone();
        let operations = disk.operations();
        let is_armed = self.subject.faults.is_armed(operations);
        if is_armed || self.subject.is_off() || self.random.percent(30) {
            self.forget()?;
            return Ok(false);
        }
        self.subject.faults.limit_room(&disk, None);
        let (wishes, durability) = self.wishes();
        self.subject.press(&wishes, durability)?;
        if self.subject.is_spoiled() && !self.subject.is_recovered() {
            self.forget()?;
            return Ok(false);
        }
        ensure(self.subject.is_recovered(), Rule::Stuck, || {
            "there is room, and it is not recovered".to_owned()
        })?;
        if let Some(Found { events, .. }) = found {
            ensure(self.subject.checker().has_recovered(events), Rule::Undecided, || {
                format!("{} events were found by another recovery of the same bytes", events.len())
            })?;
        }
        self.subject.deliver_all()?;
        self.subject.read_from(0)?;
        Ok(true)
    }

    /// There may be as much room as recovering takes.
    fn append_in_vain(&mut self) -> Checked {
        let (wishes, durability) = self.wishes();
        let submission = self.subject.compose(&wishes, None, durability);
        if let Attempt::Refused(kind) = self.subject.place(submission)? {
            let subject = &self.subject;
            let is_broken = subject.has_failed() || subject.is_off();
            // There may be no room to recover what cannot be read, or room and no reading it.
            let is_unread = kind == ErrorKind::Io && subject.is_spoiled();
            let is_right =
                kind == ErrorKind::Full || subject.is_recovered() || is_broken || is_unread;
            ensure(is_right, Rule::Error, || format!("{kind:?} of a store without room"))?;
        }
        Ok(())
    }
}
