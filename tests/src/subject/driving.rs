//! What is done until something has come to its end.

use quipu::{Durability, ErrorKind};

use super::{Attempt, Subject, Submission, Wish};
use crate::checker::{Checked, Rule, Violation, ensure};

/// Steps after which a store without faults must have done all it was asked.
const STEPS_MAX: usize = 400;

impl Subject {
    /// Does all there is to do. Afterwards every commit is answered.
    ///
    /// # Errors
    /// What breaks on the way; [`Rule::Stuck`] if it does not come to an end.
    pub fn drain(&mut self) -> Checked {
        for _ in 0..STEPS_MAX {
            self.copy_all();
            self.finish_job()?;
            let job = self.take_job()?;
            let chore = self.chore()?;
            if self.is_off() {
                return Ok(());
            }
            if !job && !chore {
                self.settle()?;
                return ensure(self.in_flight.is_settled(), Rule::Stuck, || {
                    "nothing left to do, and not everybody has an answer".to_owned()
                });
            }
        }
        Err(Violation::new(Rule::Stuck, "there is always more to do"))
    }

    /// Places a commit and drives the store until it has its place or is refused.
    ///
    /// # Errors
    /// What breaks on the way; [`Rule::Stuck`] if neither comes.
    pub fn press(&mut self, wishes: &[Wish], durability: Durability) -> Checked<Option<ErrorKind>> {
        let submission = self.compose(wishes, None, durability);
        self.push(submission)
    }

    /// Drives the store until a commit has its place or is refused.
    ///
    /// # Errors
    /// As [`Subject::press`].
    pub fn push(&mut self, mut submission: Submission) -> Checked<Option<ErrorKind>> {
        for _ in 0..STEPS_MAX {
            match self.place(submission)? {
                Attempt::Placed => return Ok(None),
                Attempt::Refused(kind) => return Ok(Some(kind)),
                Attempt::Busy(again) => submission = again,
            }
            self.copy_all();
            self.finish_job()?;
            self.take_job()?;
            self.chore()?;
            if self.is_off() {
                return Ok(Some(ErrorKind::Unknown));
            }
        }
        Err(Violation::new(Rule::Stuck, "a commit gets neither a place nor an answer"))
    }
}
