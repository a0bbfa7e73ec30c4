//! Who comes between two calls of the store under test to its disk, or between whose calls the store goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use quipu::stepping::Stepper;
use quipu::{Error, ErrorKind, Options, Result, verify_on};
use quipu_disk::{Disk, Fault, FaultDisk, FaultKind};

use super::elsewhere::{A_LONG_WHILE, A_WHILE, Elsewhere, LOOKS, open_for_reading};
use super::questions::answer;
use super::verifying::is_sound;
use super::{PATH, Subject};
use crate::attended::{Attended, Door};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::history::{Entry, Question, Seen};

/// When somebody comes, and how often.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Calls before it comes.
    pub after: u64,
    /// Calls before it comes again.
    pub every: u64,
    /// How often it comes.
    pub times: u32,
}

/// What another process does that comes between two calls of the store.
#[derive(Clone, Debug)]
pub struct Visit {
    /// When it comes.
    pub when: When,
    /// What it asks, having read all there is.
    pub question: Question,
    /// The power goes off so many calls after it was there last.
    pub power_off: Option<u64>,
}

/// What the store does between two calls of another process.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// The committer's next job.
    Job,
    /// A chore.
    Chore,
}

/// Those who may come.
#[derive(Default)]
pub(super) struct Between {
    pub(super) door: Arc<Door>,
    expected: Option<Visit>,
    visitor: Arc<Mutex<Visitor>>,
}

/// Another process, and what it saw.
#[derive(Default)]
struct Visitor {
    elsewhere: Option<Elsewhere>,
    glimpses: Vec<Result<Checked<Glimpse>>>,
    /// The operation at which the power goes off.
    power_off: Option<u64>,
}

/// What another process saw at a moment.
struct Glimpse {
    from: u64,
    events: Vec<Seen>,
    asked: Option<(Question, Vec<Seen>)>,
}

impl Between {
    /// Who was to come next, and does not.
    pub(super) fn expected(&mut self) -> Option<Visit> {
        self.expected.take()
    }

    pub(super) fn expect(&mut self, visit: Option<Visit>) {
        self.expected = visit;
    }
}

impl Subject {
    /// Has another process come between two calls of what the store does next: an opening, a job, a chore, a close.
    /// Not where anything is planned or has gone wrong: it would be told of that, and not the store.
    pub fn expect_visit(&mut self, visit: Visit) {
        self.between.expected = self.is_calm().then_some(visit);
    }

    /// Whether nothing has gone wrong in this life, and nothing will.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let now = self.disk.operations();
        !self.faults.is_armed(now)
            && !self.faults.was_full()
            && !self.has_failed()
            && !self.is_spoiled()
            && !self.is_off()
    }

    /// The visitor that is expected waits for its call.
    pub(super) fn await_visit(&mut self) {
        let Some(visit) = self.between.expected().filter(|_| self.is_calm()) else { return };
        let visitor = Arc::clone(&self.between.visitor);
        *locked(&visitor) = Visitor { elsewhere: self.elsewhere.take(), ..Visitor::default() };
        let (disk, options) = (self.disk.clone(), self.options.clone());
        // So that the last look of several is one at all of the store.
        let time = if self.in_flight.tells { A_WHILE } else { A_LONG_WHILE / LOOKS as u32 };
        let Visit { when: When { after, every, mut times }, question, power_off } = visit;
        let act = move || {
            let mut visitor = locked(&visitor);
            let pause = || disk.advance(time);
            visitor.look(&disk, &options, &pause, &question);
            times = times.saturating_sub(1);
            if times == 0 {
                visitor.end(&disk, power_off);
            }
            (times > 0).then_some(every)
        };
        self.between.door.invite(after, Box::new(act));
    }

    /// Nobody comes any more. Whoever came saw what it was promised: all that was visible before, or what frames vouched
    /// for, unless the store is not open, and nothing that is not visible now.
    pub(super) fn judge_visit(&mut self, before: Option<u64>) -> Checked {
        self.between.door.dismiss();
        let Visitor { elsewhere, glimpses, power_off } =
            std::mem::take(&mut *locked(&self.between.visitor));
        if elsewhere.is_some() {
            self.elsewhere = elsewhere;
        }
        if let Some(at) = power_off {
            self.faults.will_be_off(at);
        }
        for glimpse in glimpses {
            match glimpse {
                Ok(glimpse) => self.judge_glimpse(glimpse?, before)?,
                Err(error) => self.judge_no_glimpse(&error)?,
            }
        }
        Ok(())
    }

    fn judge_glimpse(&mut self, glimpse: Glimpse, before: Option<u64>) -> Checked {
        let Glimpse { from, events, asked } = glimpse;
        let seen = from + events.len() as u64;
        self.counts.others.glimpses += 1;
        self.record(Entry::Glimpsed { from, events, asked })?;
        let Some(before) = before else {
            let least = if self.is_doubtful { 0 } else { self.left };
            return ensure(seen >= least, Rule::Following, || {
                format!("{seen} seen elsewhere in an opening, {least} at least")
            });
        };
        let now = self.visible()?;
        let least = if self.in_flight.tells { before } else { self.in_flight.vouched.sure };
        ensure((least..=now).contains(&seen), Rule::Following, || {
            format!(
                "{seen} seen elsewhere in between, {before} were visible before, {least} at least, and {now} are now"
            )
        })
    }

    fn judge_no_glimpse(&mut self, error: &Error) -> Checked {
        let explained = match error.kind() {
            ErrorKind::NoStore => self.checker.next_position() == 0,
            // What was seen there before is lost: so is what had not been synced here.
            ErrorKind::Poisoned => self.lost_unsynced,
            _ => false,
        };
        self.elsewhere = None;
        ensure(explained, Rule::Following, || format!("elsewhere in between: {error:?}"))
    }

    /// Another process opens the store and reads it, and between its calls the store goes on. What it sees is judged as
    /// what a visitor sees.
    ///
    /// # Errors
    /// What it saw and should not have, or the other way round.
    pub fn read_beside(&mut self, works: Vec<Work>, when: When, question: &Question) -> Checked {
        let options = self.options.clone();
        let read = |disk: Attended| {
            let mut visitor = Visitor::default();
            visitor.look(&disk, &options, &|| {}, question);
            visitor.glimpses
        };
        let (before, glimpses) = self.go_on_beside(works, when, read)?;
        self.counts.others.read_beside += 1;
        glimpses.into_iter().try_for_each(|glimpse| match glimpse {
            Ok(glimpse) => self.judge_glimpse(glimpse?, Some(before)),
            Err(error) => self.judge_no_glimpse(&error),
        })
    }

    /// Another process verifies the store, which goes on between its calls: nothing of it is damaged but the index files
    /// that were harmed, and all is found that was visible before.
    ///
    /// # Errors
    /// The verification fails, tells of damage, or counts something else.
    pub fn verify_beside(&mut self, works: Vec<Work>, when: When, harmed: &[PathBuf]) -> Checked {
        let verify = |disk: Attended| verify_on(&disk, Path::new(PATH), &mut |_| {});
        let (visible, report) = self.go_on_beside(works, when, verify)?;
        self.counts.others.verified_beside += 1;
        let failed = |error| Violation::new(Rule::Verification, format!("beside: {error:?}"));
        let events = visible..=self.checker.next_position();
        is_sound(&report.map_err(failed)?, harmed, events, "beside its writer")
    }

    /// Does something on the store's disk as another process does, while the store does its work in between. Gives how
    /// far the store was visible before, too.
    fn go_on_beside<T>(
        &mut self,
        works: Vec<Work>,
        when: When,
        act: impl FnOnce(Attended) -> T,
    ) -> Checked<(u64, T)> {
        self.copy_all();
        self.finish_job()?;
        self.settle()?;
        let before = self.visible()?;
        let stepper = self.stepper.clone();
        let door = Arc::new(Door::default());
        let mut works = works.into_iter();
        let work = move || {
            let (stepper, work) = (stepper.as_ref()?, works.next()?);
            go_on(stepper, work);
            Some(when.every)
        };
        door.invite(when.after, Box::new(work));
        let done = act(Attended::new(&self.disk, &door));
        door.dismiss();
        self.count_rolls()?;
        self.settle()?;
        Ok((before, done))
    }
}

/// Every copy is finished, so no job waits for one.
fn go_on(stepper: &Stepper, work: Work) {
    match work {
        Work::Job => {
            stepper.take_job();
            stepper.finish_job();
        }
        Work::Chore => {
            stepper.chore();
        }
    }
}

impl Visitor {
    /// Reads all there is that it has not seen yet, and asks its question.
    fn look(
        &mut self,
        disk: &(impl Disk + Clone + 'static),
        options: &Options,
        pause: &dyn Fn(),
        question: &Question,
    ) {
        let glimpse = match &mut self.elsewhere {
            Some(elsewhere) => elsewhere.glimpse(pause, question),
            None => open_for_reading(disk, options)
                .and_then(Elsewhere::new)
                .and_then(|elsewhere| self.elsewhere.insert(elsewhere).glimpse(pause, question)),
        };
        self.glimpses.push(glimpse);
    }

    /// It was there for the last time.
    fn end(&mut self, disk: &FaultDisk, power_off: Option<u64>) {
        let at = power_off.map(|calls| disk.operations() + calls);
        if let Some(at) = at {
            disk.plan(Fault { at, kind: FaultKind::PowerOff, sticky: false });
        }
        self.power_off = at;
    }
}

impl Elsewhere {
    /// What came since it looked last, and the answer to a question.
    fn glimpse(&mut self, pause: &dyn Fn(), question: &Question) -> Result<Checked<Glimpse>> {
        let from = self.next;
        let events = match self.look(pause)? {
            Ok(events) => events,
            Err(endless) => return Ok(Err(endless)),
        };
        let asked = answer(&self.store, question)?;
        // What is asked for looks for news too.
        let is_same = self.store.next_position().0 == self.next;
        Ok(Ok(Glimpse { from, events, asked: is_same.then(|| (question.clone(), asked)) }))
    }
}

fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
