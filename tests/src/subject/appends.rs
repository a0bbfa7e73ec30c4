//! Appending to the store under test.

use std::future::Future;
use std::pin::Pin;

use quipu::stepping::{Answer, Copy, Part as StoreParts, Step, Waiting};
use quipu::{Appended, Durability, Error, ErrorKind, ExpectedVersion, Ticket};

use super::Subject;
use super::elsewhere::Vouched;
use super::following::Follower;
use super::task::Task;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content::{self, UNNAMED};
use crate::history::{Commit, Condition, Entry, Outcome, Part, Receipt, Stream};
use crate::random::Random;

/// What a writer wants to do to one stream.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The stream.
    pub stream: Stream,
    /// What is expected of it.
    pub expected: ExpectedVersion,
    /// Sizes of the payloads of the events; none for a stream that is only checked.
    pub payloads: Vec<usize>,
}

/// A commit on its way to its place.
#[derive(Clone)]
pub struct Submission {
    pub(super) commit: Commit,
    pub(super) parts: Vec<Part>,
    pub(super) store_parts: Vec<StoreParts<'static>>,
    pub(super) condition: Option<Condition>,
    pub(super) durability: Durability,
    pub(super) waiting: Waiting,
    /// The disk's operation before which it was tried first.
    pub(super) since: Option<u64>,
}

/// What came of an attempt to give a commit its place.
pub enum Attempt {
    /// It has its place.
    Placed,
    /// It must be tried again.
    Busy(Submission),
    /// It was refused.
    Refused(ErrorKind),
}

struct Copying {
    commit: Commit,
    /// How many were placed before.
    number: u64,
    copy: Box<Copy>,
    durability: Durability,
}

struct Waiter {
    commit: Commit,
    /// What a commit would have done that was taken before.
    retries: Option<Vec<Part>>,
    ticket: Ticket,
    durability: Durability,
    /// Awaits the ticket.
    task: Task,
}

impl Waiter {
    fn new(commit: Commit, ticket: Ticket, durability: Durability) -> Waiter {
        let task = Task::default();
        let mut waiter = Waiter { commit, retries: None, ticket, durability, task };
        waiter.ask();
        waiter
    }

    /// The answer is taken later, all at once; here the task only has itself woken.
    fn ask(&mut self) {
        let Waiter { ticket, task, .. } = self;
        let _ = task.poll(|context| Pin::new(ticket).poll(context));
    }
}

/// Everything that is under way.
#[derive(Default)]
pub(super) struct InFlight {
    copies: Vec<Copying>,
    tickets: Vec<Waiter>,
    answers: Vec<(Commit, Answer)>,
    pub(super) placed: u64,
    /// A job was taken when so many commits had their place.
    pub(super) job: Option<u64>,
    pub(super) segments: usize,
    pub(super) vouched: Vouched,
    /// The store can tell other processes how far it has come.
    pub(super) tells: bool,
    /// Whoever follows the store.
    pub(super) followers: Vec<Follower>,
}

impl InFlight {
    pub(super) fn is_settled(&self) -> bool {
        self.tickets.is_empty() && self.answers.is_empty()
    }

    /// Whether a job was taken that needs no copy any more.
    pub(super) fn is_copied(&self) -> bool {
        let is_before = |job: u64| self.copies.iter().any(|copy| copy.number < job);
        self.job.is_some_and(|job| !is_before(job))
    }
}

impl Subject {
    /// Makes a commit out of wishes.
    pub fn compose(
        &mut self,
        wishes: &[Wish],
        condition: Option<Condition>,
        durability: Durability,
    ) -> Submission {
        self.compose_marked(wishes, condition, durability, &mut || 0)
    }

    /// The same, some of its events without an id.
    pub fn compose_unnamed(
        &mut self,
        wishes: &[Wish],
        condition: Option<Condition>,
        durability: Durability,
        random: &mut Random,
    ) -> Submission {
        let mark = &mut || if random.percent(50) { UNNAMED } else { 0 };
        self.compose_marked(wishes, condition, durability, mark)
    }

    fn compose_marked(
        &mut self,
        wishes: &[Wish],
        condition: Option<Condition>,
        durability: Durability,
        mark: &mut dyn FnMut() -> u64,
    ) -> Submission {
        let commit = self.ids.commit();
        let mut parts = Vec::with_capacity(wishes.len());
        let mut store_parts = Vec::with_capacity(wishes.len());
        for Wish { stream, expected, payloads } in wishes {
            let made =
                payloads.iter().map(|&bytes| content::event(self.ids.event() | mark(), bytes));
            let (store_events, events) = made.unzip();
            let name = content::stream_name(*stream);
            store_parts.push(StoreParts {
                stream: name,
                expected: *expected,
                events: store_events,
            });
            parts.push(Part { stream: *stream, expected: *expected, events });
        }
        let waiting = Waiting::default();
        let since = None;
        Submission { commit, parts, store_parts, condition, durability, waiting, since }
    }

    /// Tries to give a commit its place.
    ///
    /// # Errors
    /// What the answer breaks.
    pub fn place(&mut self, mut submission: Submission) -> Checked<Attempt> {
        let (was_recovered, before) = (self.is_recovered(), self.disk.operations());
        submission.since.get_or_insert(before);
        let unharmed = self.between.door.failures();
        let Submission { store_parts, condition, durability, waiting, .. } = &mut submission;
        let demand = condition.as_ref().map(content::condition);
        let stepper = self.stepper()?;
        let step = match stepper.place(store_parts, demand.as_ref(), *durability, waiting) {
            Ok(step) => step,
            Err(error) => return Err(Violation::new(Rule::Error, format!("placing: {error:?}"))),
        };
        self.notice_recovery(was_recovered, before)?;
        if !was_recovered {
            self.note_failures_since(unharmed);
        }
        let poisoned = self.faults.is_poisoned;
        match step {
            Step::Refused(answer) => self.refused(submission, answer, before),
            Step::Repeated(ticket) => {
                let Submission { commit, parts, durability, .. } = submission;
                self.counts.retries += 1;
                let waiter = Waiter::new(commit, ticket, durability);
                self.in_flight.tickets.push(Waiter { retries: Some(parts), ..waiter });
                Ok(Attempt::Placed)
            }
            Step::Placed(_) | Step::Busy if poisoned => {
                Err(Violation::new(Rule::Poison, "a poisoned store takes a commit"))
            }
            Step::Busy => {
                self.counts.busy += 1;
                Ok(Attempt::Busy(submission))
            }
            Step::Placed(copy) => {
                self.faults.commit_taken();
                self.past.take(&submission, self.options.id_segments > 0);
                let Submission { commit, parts, condition, durability, .. } = submission;
                let number = self.in_flight.placed;
                self.in_flight.placed += 1;
                self.in_flight.copies.push(Copying { commit, number, copy, durability });
                self.counts.commits += 1;
                self.record(Entry::Placed { commit, parts, condition })?;
                Ok(Attempt::Placed)
            }
        }
    }

    fn refused(&mut self, submission: Submission, answer: Answer, before: u64) -> Checked<Attempt> {
        let error = answer.pending().clone();
        if let (Some(position), Some(condition)) = (error.matched(), &submission.condition)
            && error.kind() == ErrorKind::Conflict
        {
            let (condition, position) = (condition.clone(), position.0);
            let Submission { commit, parts, .. } = submission;
            self.counts.barred += 1;
            self.record(Entry::Barred { commit, parts, condition, position })?;
            self.in_flight.answers.push((commit, answer));
            return Ok(Attempt::Refused(ErrorKind::Conflict));
        }
        if let (Some(position), ErrorKind::Overlap) = (error.matched(), error.kind()) {
            let Submission { commit, parts, .. } = submission;
            self.counts.overlaps += 1;
            self.record(Entry::Overlaps { commit, parts, position: position.0 })?;
            self.in_flight.answers.push((commit, answer));
            return Ok(Attempt::Refused(ErrorKind::Overlap));
        }
        let Some(conflict) = error.conflict() else {
            let now = self.disk.operations();
            let explained = match error.kind() {
                // What a commit is judged by may have to be read, and what is sealed to make room.
                ErrorKind::Io => self.may_fail_since(submission.since.unwrap_or(before), &error),
                // Unknown is what a retry is told whose first attempt was under way.
                ErrorKind::Poisoned | ErrorKind::Unknown => self.may_be_poisoned(),
                // Who waits for room is told of an attempt at making some that was begun since it came.
                ErrorKind::Full => {
                    self.faults.was_full_since(submission.since.unwrap_or(before), now)
                }
                ErrorKind::Damaged => self.faults.has_misread(now),
                _ => false,
            };
            ensure(explained, Rule::Error, || format!("placing: {error:?}"))?;
            self.faults.is_poisoned |=
                matches!(error.kind(), ErrorKind::Poisoned | ErrorKind::Unknown);
            // Where what is stored could not be read, whatever the error was, nobody knows whether this is a retry.
            let has_failed = self.faults.has_failed_since(before, self.disk.operations())
                || error.kind() == ErrorKind::Unknown
                    && (self.disk.has_bad_sectors() || self.is_off());
            if error.kind() != ErrorKind::Io && !has_failed {
                let Submission { commit, parts, durability, .. } = submission;
                self.record(Entry::Declined { commit, parts, durability })?;
            }
            return Ok(Attempt::Refused(error.kind()));
        };
        ensure(!self.faults.is_poisoned, Rule::Poison, || "it judges a commit".to_owned())?;
        let stream = content::stream_of(&conflict.stream);
        let Submission { commit, parts, .. } = submission;
        self.counts.conflicts += 1;
        self.record(Entry::Conflict {
            commit,
            parts,
            stream: stream.unwrap_or(content::UNKNOWN_STREAM),
            expected: conflict.expected,
            actual: conflict.actual.map(|version| version.0),
        })?;
        self.in_flight.answers.push((commit, answer));
        Ok(Attempt::Refused(ErrorKind::Conflict))
    }

    /// Commits that have their place and are not copied.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.in_flight.copies.len()
    }

    /// Copies one of the commits that have their place.
    pub fn copy(&mut self, index: usize) {
        let Copying { commit, copy, durability, .. } = self.in_flight.copies.swap_remove(index);
        let ticket = copy.finish();
        self.in_flight.tickets.push(Waiter::new(commit, ticket, durability));
    }

    /// Copies all of them.
    pub fn copy_all(&mut self) {
        while !self.in_flight.copies.is_empty() {
            self.copy(0);
        }
    }

    /// Takes every answer that is there.
    ///
    /// # Errors
    /// What an answer breaks.
    pub fn settle(&mut self) -> Checked {
        let visible = self.visible()?;
        for mut waiter in std::mem::take(&mut self.in_flight.tickets) {
            if waiter.ticket.is_settled() {
                ensure(!waiter.task.sleeps(), Rule::Stuck, || {
                    format!("commit {} is answered, and its task sleeps", waiter.commit)
                })?;
                self.told(waiter, visible)?;
            } else {
                if waiter.task.is_woken() {
                    waiter.ask();
                }
                self.in_flight.tickets.push(waiter);
            }
        }
        for (commit, answer) in std::mem::take(&mut self.in_flight.answers) {
            match answer.settled() {
                None => self.in_flight.answers.push((commit, answer)),
                Some(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Overlap) => {
                    self.record(Entry::Told { commit, visible })?;
                }
                Some(error) => self.explain_failure(&error).map(drop)?,
            }
        }
        Ok(())
    }

    fn told(&mut self, waiter: Waiter, visible: u64) -> Checked {
        let Waiter { commit, retries, ticket, durability, .. } = waiter;
        match (ticket.wait(), retries) {
            (Ok(appended), Some(parts)) => {
                let receipt = receipt(appended);
                self.record(Entry::Repeated { parts, durability, receipt, visible })
            }
            (Err(error), Some(_)) => self.explain_failure(&error).map(drop),
            (Ok(appended), None) => {
                self.counts.acknowledged += 1;
                let receipt = receipt(appended);
                self.record(Entry::Acknowledged { commit, durability, receipt, visible })
            }
            (Err(error), None) => {
                let outcome = self.explain_failure(&error)?;
                self.record(Entry::Failed { commit, outcome })
            }
        }
    }

    fn explain_failure(&mut self, error: &Error) -> Checked<Outcome> {
        ensure(self.may_be_poisoned(), Rule::Error, || format!("{error:?}"))?;
        self.faults.is_poisoned = true;
        match error.kind() {
            ErrorKind::Unknown => Ok(Outcome::Unknown),
            ErrorKind::Poisoned => Ok(Outcome::NotWritten),
            _ => Err(Violation::new(Rule::Error, format!("{error:?}"))),
        }
    }
}

fn receipt(appended: Appended) -> Receipt {
    Receipt {
        first_position: appended.first_position.0,
        position: appended.position.0,
        version: appended.version.0,
        recorded: appended.recorded.0,
    }
}
