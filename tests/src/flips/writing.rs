//! What whoever writes to a damaged store must be told.

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{AppendCondition, Appended, Durability, Error, ErrorKind, ExpectedVersion, Ticket};

use super::asking::unexplained;
use super::reading::{Found, View};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content::{self, STREAMS};
use crate::history::{Condition, Item, Seen};

/// Steps after which a store must have answered.
const STEPS_MAX: usize = 400;
/// Ids of the events that are appended: above all that were given before.
const FIRST_ID: u64 = 1 << 40;
/// Bytes of their payloads.
const PAYLOAD_BYTES: usize = 200;
/// Commits that are sent once more, of those that are lost and of those that are not.
const RETRIES: usize = 4;
/// To which a guarded commit appends.
const GUARDED: u16 = 9;

/// What a commit was told.
pub(super) enum Answer {
    Appended(Appended),
    Repeated(Appended),
    Refused(Error),
}

/// Who may be refused because something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concerned {
    /// Those whose question one of the lost events answers: an index knows of what these were.
    Some,
    /// Everybody: nobody knows.
    All,
}

/// A damaged store that was opened for writing.
pub(super) struct Writer<'w> {
    pub(super) stepper: Stepper,
    found: &'w Found,
    concerned: Concerned,
    /// All that was written, by whom ever.
    pub(super) events: Vec<Seen>,
    /// Of the last of them, as many are new.
    pub(super) appended: usize,
    next_id: u64,
}

impl<'w> Writer<'w> {
    /// Of a store with these events, up to the position at which it goes on.
    pub(super) fn new(
        stepper: Stepper,
        view: &View<'_>,
        found: &'w Found,
        concerned: Concerned,
    ) -> Writer<'w> {
        let next = stepper.next_position().0 as usize;
        let events = view.events[..next.min(view.events.len())].to_vec();
        Writer { stepper, found, concerned, events, appended: 0, next_id: FIRST_ID }
    }

    /// Appends with every expectation, under conditions, and again what was appended before.
    pub(super) fn write(&mut self, commits: &[&[Seen]]) -> Checked {
        self.retries(commits)?;
        for stream in 0..STREAMS.len() as u16 {
            self.wrong_expectations(stream)?;
            self.right_expectations(stream)?;
        }
        self.conditions()?;
        self.retries(commits)
    }

    fn head(&self, stream: u16) -> Option<u64> {
        let mut own = self.events.iter().filter(|event| event.stream == stream);
        own.next_back().map(|event| event.version)
    }

    /// Where damage is a reason: it is said that something is lost, and so is something that the answer depends on, or
    /// nobody knows whether it does.
    fn is_damage(&self, error: &Error, depends: impl Fn(&Seen) -> bool) -> bool {
        let is_lost = |event: &Seen| self.found.lost.contains(&event.position);
        let explained = match self.concerned {
            Concerned::Some => self.events.iter().any(|event| is_lost(event) && depends(event)),
            Concerned::All => !self.found.lost.is_empty(),
        };
        error.kind() == ErrorKind::Damaged && explained
    }

    fn wrong_expectations(&mut self, stream: u16) -> Checked {
        let head = self.head(stream);
        let mut wrong = match head {
            Some(last) => vec![ExpectedVersion::NoStream, ExpectedVersion::Exact(last + 1)],
            None => vec![ExpectedVersion::StreamExists, ExpectedVersion::Exact(0)],
        };
        wrong.extend(head.and_then(|last| last.checked_sub(1)).map(ExpectedVersion::Exact));
        for expected in wrong {
            let answer = self.append(stream, expected)?;
            let Answer::Refused(error) = answer else {
                let detail = format!("stream {stream} is at {head:?}, and {expected:?} holds");
                return Err(Violation::new(Rule::Expectation, detail));
            };
            let actual = error.conflict().map(|conflict| conflict.actual.map(|version| version.0));
            // What is there may have to be compared with what is sent.
            let is_damage = self.is_damage(&error, |event| event.stream == stream);
            ensure(actual == Some(head) || is_damage, Rule::Conflict, || {
                format!("stream {stream} is at {head:?}, {expected:?}: {error:?}")
            })?;
        }
        Ok(())
    }

    fn right_expectations(&mut self, stream: u16) -> Checked {
        for turn in 0..3 {
            let expected = match (self.head(stream), turn) {
                (_, 0) => ExpectedVersion::Any,
                (Some(_), 1) => ExpectedVersion::StreamExists,
                (Some(last), _) => ExpectedVersion::Exact(last),
                (None, _) => ExpectedVersion::NoStream,
            };
            match self.append(stream, expected)? {
                Answer::Appended(_) => {}
                Answer::Refused(error) if self.is_damage(&error, |_| false) => {}
                Answer::Refused(error) => return Err(unexplained(&error)),
                Answer::Repeated(told) => return Err(not_a_retry(&told)),
            }
        }
        Ok(())
    }

    fn conditions(&mut self) -> Checked {
        let item =
            |types: &[usize], tags: &[usize]| Item { types: types.into(), tags: tags.into() };
        let first = self.found.lost.first().map_or(0, |first| first.saturating_sub(1));
        let last = self.found.lost.last().copied().unwrap_or(first);
        let end = self.events.len() as u64 - 1;
        for after in [None, Some(first), Some(last), Some(end)] {
            for items in [[item(&[0], &[])], [item(&[1, 2], &[0])], [item(&[], &[2])]] {
                self.condition(&Condition { items: items.into(), after })?;
            }
        }
        Ok(())
    }

    /// No event is taken past one that its condition forbids, also if that is lost.
    fn condition(&mut self, condition: &Condition) -> Checked {
        let choice = super::asking::Choice::Query(condition.items.clone());
        let is_new = |at: u64| condition.after.is_none_or(|after| at > after);
        let own = self.events.iter().filter(|event| is_new(event.position) && choice.has(event));
        let forbidden: Vec<u64> = own.map(|event| event.position).collect();
        let demand = content::condition(condition);
        match self.submit(GUARDED, ExpectedVersion::Any, Some(&demand))? {
            Answer::Appended(_) => ensure(forbidden.is_empty(), Rule::Condition, || {
                format!("{condition:?} is forbidden by {forbidden:?}, {:?} lost", self.found.lost)
            }),
            Answer::Repeated(told) => Err(not_a_retry(&told)),
            Answer::Refused(error) => {
                let matched = error.matched().is_some_and(|at| forbidden.contains(&at.0));
                let is_forbidden = |event: &Seen| forbidden.contains(&event.position);
                let explained = matched || self.is_damage(&error, is_forbidden);
                ensure(explained, Rule::Conflict, || format!("{condition:?}: {error:?}"))
            }
        }
    }

    /// A commit that is there is recognised; one that is lost is neither taken a second time nor called there.
    fn retries(&mut self, commits: &[&[Seen]]) -> Checked {
        // What is dropped as never finished was never taken.
        let written = (self.events.len() - self.appended) as u64;
        let old = commits.iter().filter(|commit| commit.iter().all(|e| e.position < written));
        let is_lost = |commit: &&[Seen]| {
            commit.iter().any(|event| !self.found.served.contains(&event.position))
        };
        let (lost, whole): (Vec<&[Seen]>, Vec<&[Seen]>) = old.copied().partition(is_lost);
        for commit in whole.iter().rev().take(RETRIES) {
            match self.again(commit)? {
                Answer::Repeated(told) => {
                    let (first, last) = (commit.first(), commit.last());
                    let positions = (Some(told.first_position.0), Some(told.position.0));
                    let wanted = (first.map(|e| e.position), last.map(|e| e.position));
                    ensure(positions == wanted, Rule::Repeat, || {
                        format!("{told:?} instead of {wanted:?}")
                    })?;
                }
                Answer::Refused(error) if self.is_damage(&error, |_| false) => {}
                Answer::Refused(error) => return Err(unexplained(&error)),
                Answer::Appended(told) => return Err(taken_twice(&told)),
            }
        }
        for commit in lost.iter().take(RETRIES) {
            match self.again(commit)? {
                Answer::Refused(error) if self.is_damage(&error, |one| commit.contains(one)) => {}
                Answer::Refused(error) => {
                    let detail = format!("of {commit:?}, which is lost: {error:?}");
                    return Err(Violation::new(Rule::Repeat, detail));
                }
                Answer::Repeated(told) => return Err(not_a_retry(&told)),
                Answer::Appended(told) => return Err(taken_twice(&told)),
            }
        }
        Ok(())
    }

    /// Sends a commit of before once more, as one does that was told where its streams were.
    fn again(&mut self, commit: &[Seen]) -> Checked<Answer> {
        let mut parts: Vec<Part<'static>> = Vec::new();
        for event in commit {
            let name = STREAMS[usize::from(event.stream)];
            let (again, _) = content::event(event.id, PAYLOAD_BYTES);
            match parts.last_mut().filter(|part| part.stream == name) {
                Some(part) => part.events.push(again),
                None => {
                    let before = event.version.checked_sub(1);
                    let expected = before.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
                    parts.push(Part { stream: name, expected, events: vec![again] });
                }
            }
        }
        self.place(&parts, None)
    }

    fn append(&mut self, stream: u16, expected: ExpectedVersion) -> Checked<Answer> {
        self.submit(stream, expected, None)
    }

    /// Appends an event. What is acknowledged has the next version and the next position.
    fn submit(
        &mut self,
        stream: u16,
        expected: ExpectedVersion,
        condition: Option<&AppendCondition>,
    ) -> Checked<Answer> {
        let id = self.next_id;
        self.next_id += 1;
        let (event, written) = content::event(id, PAYLOAD_BYTES);
        let parts = [Part { stream: STREAMS[usize::from(stream)], expected, events: vec![event] }];
        let answer = self.place(&parts, condition)?;
        if let Answer::Appended(told) = &answer {
            let position = self.events.len() as u64;
            let version = self.head(stream).map_or(0, |last| last + 1);
            let got = (told.first_position.0, told.position.0, told.version.0);
            ensure(got == (position, position, version), Rule::Receipt, || {
                format!("{expected:?} of {stream}: {told:?}, not {position} and {version}")
            })?;
            let (digest, recorded) = (written.digest, told.recorded.0);
            self.events.push(Seen { position, stream, version, id, digest, recorded });
            self.appended += 1;
        }
        Ok(answer)
    }

    fn place(
        &mut self,
        parts: &[Part<'static>],
        condition: Option<&AppendCondition>,
    ) -> Checked<Answer> {
        let mut waiting = Waiting::default();
        for _ in 0..STEPS_MAX {
            let step = self.stepper.place(parts, condition, Durability::Sync, &mut waiting);
            match step.map_err(|error| unexplained(&error))? {
                Step::Placed(copy) => return self.wait(copy.finish()).map(Answer::Appended),
                Step::Repeated(ticket) => return self.wait(ticket).map(Answer::Repeated),
                Step::Refused(answer) => {
                    while answer.settled().is_none() && self.drive() {}
                    return Ok(Answer::Refused(answer.pending().clone()));
                }
                Step::Busy => drop(self.drive()),
            }
        }
        Err(Violation::new(Rule::Stuck, "a commit gets neither a place nor an answer"))
    }

    fn wait(&self, ticket: Ticket) -> Checked<Appended> {
        while !ticket.is_settled() && self.drive() {}
        ensure(ticket.is_settled(), Rule::Stuck, || "nobody answers".to_owned())?;
        ticket.wait().map_err(|error| unexplained(&error))
    }

    /// Has the store do something, if there is anything to do.
    fn drive(&self) -> bool {
        self.stepper.take_job();
        self.stepper.finish_job() | self.stepper.chore()
    }
}

fn not_a_retry(told: &Appended) -> Violation {
    Violation::new(Rule::Repeat, format!("a commit that is not there was told it is: {told:?}"))
}

fn taken_twice(told: &Appended) -> Violation {
    Violation::new(Rule::Twice, format!("what was taken before was taken again: {told:?}"))
}
