//! What whoever appends to a store that is harmed must be told.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{AppendCondition, Appended, Durability, Error, ErrorKind, ExpectedVersion, Ticket};

use super::ground::{Ground, Life, unexplained};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content::{self, STREAMS};
use crate::flips::asking::Choice;
use crate::history::{Condition, Seen};
use crate::random::Random;
use crate::subject::PATH;

/// Steps after which a store must have answered.
const STEPS_MAX: usize = 400;
/// Bytes of a payload, at most.
const PAYLOAD_BYTES: usize = 600;

/// What a commit was told.
enum Answer {
    Appended(Appended),
    Repeated(Appended),
    Refused(Error),
}

/// What is appended: the streams, what is expected of each, and the ids of the events.
type Wish = Vec<(u16, ExpectedVersion, Vec<u64>)>;

/// The store, open for writing.
pub(super) struct Writer {
    pub(super) stepper: Stepper,
    pub(super) life: Life,
    /// It has said that it takes no more commits.
    pub(super) is_poisoned: bool,
}

impl Writer {
    /// Opens the store for writing.
    ///
    /// # Errors
    /// What that says.
    pub(super) fn open(ground: &Ground, mut life: Life) -> Result<Writer, (Error, Life)> {
        life.writes = true;
        let disk = Arc::new(ground.seen_by(&life));
        match Stepper::open(disk, Path::new(PATH), &ground.options) {
            Ok(stepper) => Ok(Writer { stepper, life, is_poisoned: false }),
            Err(error) => Err((error, life)),
        }
    }

    /// Does all there is to do.
    pub(super) fn drain(&self) -> Checked {
        for _ in 0..STEPS_MAX {
            if !self.drive() {
                return Ok(());
            }
        }
        Err(Violation::new(Rule::Stuck, "there is always more to do"))
    }

    fn drive(&self) -> bool {
        let job = self.stepper.take_job();
        self.stepper.finish_job() | self.stepper.chore() | job
    }

    /// Appends something new, with expectations and perhaps a condition that hold or do not.
    pub(super) fn append(
        &mut self,
        ground: &mut Ground,
        random: &mut Random,
        ids: &mut u64,
    ) -> Checked {
        let first = random.below(STREAMS.len());
        let streams = if random.percent(20) { 2 } else { 1 };
        let wish: Wish = (0..streams)
            .map(|at| {
                let stream = ((first + at) % STREAMS.len()) as u16;
                let events = (0..random.between(1, 3)).map(|_| next(ids)).collect();
                (stream, expectation(ground, random, stream), events)
            })
            .collect();
        let condition = random.percent(20).then(|| condition(ground, random));
        self.commit(ground, random, &wish, condition.as_ref())
    }

    fn commit(
        &mut self,
        ground: &mut Ground,
        random: &mut Random,
        wish: &Wish,
        condition: Option<&Condition>,
    ) -> Checked {
        let demand = condition.map(content::condition);
        let (parts, digests) = parts(wish, random);
        self.life.fails_now = false;
        let answer = self.place(&parts, demand.as_ref(), ground.options.durability)?;
        self.answered(ground, &answer);
        let stands = |(stream, expected, _): &(u16, ExpectedVersion, Vec<u64>)| {
            holds(*expected, ground.ledger.head(*stream).map(|event| event.version))
        };
        let is_expected = wish.iter().all(stands);
        let forbidden = condition.map_or(Vec::new(), |condition| forbidden(ground, condition));
        match answer {
            Answer::Repeated(told) => {
                Err(Violation::new(Rule::Repeat, format!("nothing new was sent: {told:?}")))
            }
            Answer::Appended(told) => {
                ensure(is_expected, Rule::Expectation, || format!("{wish:?} was taken: {told:?}"))?;
                ensure(forbidden.is_empty(), Rule::Condition, || {
                    format!("{condition:?} is forbidden by {forbidden:?}: {told:?}")
                })?;
                let events = written(ground, wish, &digests, told.recorded.0);
                received(ground, &events, &told)?;
                ground.add(events);
                Ok(())
            }
            Answer::Refused(error) => {
                self.says_poison(&error)?;
                if error.kind() == ErrorKind::Unknown && !self.is_poisoned {
                    ground.say(|| format!("unknown: {wish:?}"));
                    ground.pending = written(ground, wish, &digests, 0);
                }
                let asked = format!("under {condition:?}");
                self.refused(ground, &error, (is_expected, &forbidden), wish)
                    .map_err(|broken| Violation::new(broken.rule, broken.detail + &asked))
            }
        }
    }

    /// What was refused is so for a reason that holds.
    fn refused(
        &mut self,
        ground: &mut Ground,
        error: &Error,
        (is_expected, forbidden): (bool, &[u64]),
        wish: &Wish,
    ) -> Checked {
        let explained = match error.kind() {
            ErrorKind::Conflict => match (error.conflict(), error.matched()) {
                (Some(conflict), _) => {
                    let stream = content::stream_of(&conflict.stream).unwrap_or_default();
                    let head = ground.ledger.head(stream).map(|event| event.version);
                    !is_expected && conflict.actual.map(|version| version.0) == head
                }
                (None, Some(at)) => forbidden.contains(&at.0),
                (None, None) => false,
            },
            ErrorKind::Damaged => {
                // Also one for which there is no room is looked for, as a retry would be.
                let concerns = |event: &Seen| {
                    let named = wish.iter().any(|(stream, ..)| *stream == event.stream);
                    let is_compared =
                        !is_expected || !forbidden.is_empty() || ground.may_lack_room();
                    is_compared && named || forbidden.contains(&event.position)
                };
                self.is_lost(ground, concerns)
            }
            _ => return self.failed(ground, error),
        };
        ensure(explained, Rule::Conflict, || {
            format!("{wish:?}, expected: {is_expected}, forbidden by {forbidden:?}: {error:?}")
        })
    }

    /// Whether an event was harmed that an answer depends on, or nobody knows whether one was.
    fn is_lost(&self, ground: &Ground, concerns: impl Fn(&Seen) -> bool) -> bool {
        let lost = |at: &u64| ground.ledger.events.get(*at as usize).is_some_and(&concerns);
        // What was written since to a file that has lost its name stands nowhere.
        let harmed: BTreeSet<u64> = &self.life.harmed | &ground.ledger.lost(&ground.disk);
        let is_asked = ground.options.id_segments > 0;
        !ground.harmed.keys.is_disjoint(&harmed)
            || is_asked && !ground.harmed.ids.is_disjoint(&harmed)
            || harmed.iter().any(lost)
    }

    /// Once a store has failed it says so, and not that events are damaged.
    fn says_poison(&self, error: &Error) -> Checked {
        let is_hidden = self.is_poisoned && error.kind() == ErrorKind::Damaged;
        ensure(!is_hidden, Rule::Poison, || format!("it has failed before: {error:?}"))
    }

    /// It failed for a reason of the system.
    fn failed(&mut self, ground: &mut Ground, error: &Error) -> Checked {
        match error.kind() {
            ErrorKind::Poisoned | ErrorKind::Unknown => {
                let explained = self.is_poisoned || ground.may_be_poisoned();
                self.is_poisoned = true;
                ensure(explained, Rule::Poison, || format!("{error:?}"))
            }
            _ => ground.explain(&mut self.life, error),
        }
    }

    /// Sends a commit of before once more: it gets the same answer, or is told why that cannot be said.
    pub(super) fn retry(&mut self, ground: &mut Ground, random: &mut Random) -> Checked {
        let commits = &ground.ledger.commits;
        let mut own = commits.clone();
        if random.percent(50) {
            own.retain(|commit| self.life.harmed.range(commit.clone()).next().is_some());
        }
        let Some(commit) = random.pick(&own).or_else(|| random.pick(commits)) else {
            return Ok(());
        };
        let events = ground.ledger.events[commit.start as usize..commit.end as usize].to_vec();
        let is_any = ground.options.id_segments > 0 && random.percent(50);
        let wish = again(&events, is_any);
        let (parts, _) = parts(&wish, random);
        self.life.fails_now = false;
        let answer = self.place(&parts, None, ground.options.durability)?;
        self.answered(ground, &answer);
        match answer {
            Answer::Appended(told) => {
                let detail = format!("{events:?} was taken again: {told:?}");
                Err(Violation::new(Rule::Twice, detail))
            }
            Answer::Repeated(told) => {
                ground.counts.repeated += 1;
                same_answer(&events, &told)
            }
            Answer::Refused(error) if error.kind() == ErrorKind::Damaged => {
                self.says_poison(&error)?;
                let concerns = |event: &Seen| commit.contains(&event.position);
                ensure(self.is_lost(ground, concerns), Rule::Repeat, || {
                    format!("{commit:?} is there: {error:?}, {:?} harmed", self.life.harmed)
                })
            }
            Answer::Refused(error)
                if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Overlap) =>
            {
                let detail = format!("{commit:?}, any: {is_any}, was taken before: {error:?}");
                Err(Violation::new(Rule::Repeat, detail))
            }
            Answer::Refused(error) => self.failed(ground, &error),
        }
    }

    fn answered(&mut self, ground: &mut Ground, answer: &Answer) {
        ground.catch_up(&mut self.life);
        let is_damaged =
            matches!(answer, Answer::Refused(error) if error.kind() == ErrorKind::Damaged);
        ground.counts.damaged += u64::from(is_damaged);
    }

    fn place(
        &self,
        parts: &[Part<'static>],
        condition: Option<&AppendCondition>,
        durability: Durability,
    ) -> Checked<Answer> {
        let mut waiting = Waiting::default();
        for _ in 0..STEPS_MAX {
            let step = self.stepper.place(parts, condition, durability, &mut waiting);
            match step.map_err(|error| unexplained(&error))? {
                Step::Placed(copy) => return self.wait(copy.finish(), Answer::Appended),
                Step::Repeated(ticket) => return self.wait(ticket, Answer::Repeated),
                Step::Refused(answer) => {
                    while answer.settled().is_none() && self.drive() {}
                    let error = answer.settled().unwrap_or_else(|| answer.pending().clone());
                    return Ok(Answer::Refused(error));
                }
                Step::Busy => drop(self.drive()),
            }
        }
        Err(Violation::new(Rule::Stuck, "a commit gets neither a place nor an answer"))
    }

    fn wait(&self, ticket: Ticket, answer: impl Fn(Appended) -> Answer) -> Checked<Answer> {
        while !ticket.is_settled() && self.drive() {}
        ensure(ticket.is_settled(), Rule::Stuck, || "nobody answers".to_owned())?;
        Ok(ticket.wait().map_or_else(Answer::Refused, answer))
    }
}

fn next(ids: &mut u64) -> u64 {
    *ids += 1;
    *ids
}

fn expectation(ground: &Ground, random: &mut Random, stream: u16) -> ExpectedVersion {
    let head = ground.ledger.head(stream).map(|event| event.version);
    let wrong = random.percent(20);
    match (random.below(3), head) {
        (0, _) if !wrong => ExpectedVersion::Any,
        (1, Some(_)) if !wrong => ExpectedVersion::StreamExists,
        (_, Some(last)) if !wrong => ExpectedVersion::Exact(last),
        (_, None) if !wrong => ExpectedVersion::NoStream,
        (0, Some(_)) => ExpectedVersion::NoStream,
        (1, Some(last)) if last > 0 => ExpectedVersion::Exact(last - 1),
        (_, Some(last)) => ExpectedVersion::Exact(last + 1),
        (0, None) => ExpectedVersion::StreamExists,
        (_, None) => ExpectedVersion::Exact(0),
    }
}

fn holds(expected: ExpectedVersion, head: Option<u64>) -> bool {
    match expected {
        ExpectedVersion::Any => true,
        ExpectedVersion::NoStream => head.is_none(),
        ExpectedVersion::StreamExists => head.is_some(),
        ExpectedVersion::Exact(version) => head == Some(version),
    }
}

fn condition(ground: &Ground, random: &mut Random) -> Condition {
    let mut choices = Choice::every();
    choices.retain(|choice| matches!(choice, Choice::Query(_)));
    let items = match random.pick(&choices) {
        Some(Choice::Query(items)) => items,
        _ => Vec::new(),
    };
    let next = ground.ledger.next() as usize;
    let after = match random.below(3) {
        0 => None,
        1 => Some(random.below(next) as u64),
        _ => next.checked_sub(1 + random.below(5)).map(|at| at as u64),
    };
    Condition { items, after }
}

/// The events that a condition does not allow, those that are lost included.
fn forbidden(ground: &Ground, condition: &Condition) -> Vec<u64> {
    let choice = Choice::Query(condition.items.clone());
    let is_new = |at: u64| condition.after.is_none_or(|after| at > after);
    let own = ground.ledger.events.iter().filter(|e| is_new(e.position) && choice.has(e));
    own.map(|event| event.position).collect()
}

/// The events of a wish as the store takes them, and the digest of each.
fn parts(wish: &Wish, random: &mut Random) -> (Vec<Part<'static>>, Vec<u64>) {
    let mut digests = Vec::new();
    let mut part = |(stream, expected, ids): &(u16, ExpectedVersion, Vec<u64>)| {
        let mut event = |id: &u64| {
            let (event, written) = content::event(*id, random.below(PAYLOAD_BYTES));
            digests.push(written.digest);
            event
        };
        let events = ids.iter().map(&mut event).collect();
        Part { stream: content::stream_name(*stream), expected: *expected, events }
    };
    let parts = wish.iter().map(&mut part).collect();
    (parts, digests)
}

/// What is there once a wish is granted.
fn written(ground: &Ground, wish: &Wish, digests: &[u64], recorded: i64) -> Vec<Seen> {
    let mut events: Vec<Seen> = Vec::new();
    let all = wish.iter().flat_map(|(stream, _, ids)| ids.iter().map(move |&id| (*stream, id)));
    for ((stream, id), &digest) in all.zip(digests) {
        let here = events.iter().rfind(|event| event.stream == stream);
        let before = here.or_else(|| ground.ledger.head(stream));
        let version = before.map_or(0, |event| event.version + 1);
        let position = ground.ledger.next() + events.len() as u64;
        events.push(Seen { position, stream, version, id, digest, recorded });
    }
    events
}

fn received(ground: &Ground, events: &[Seen], told: &Appended) -> Checked {
    let last = events.last().map(|event| (event.position, event.version));
    let got = (told.first_position.0, Some((told.position.0, told.version.0)));
    ensure(got == (ground.ledger.next(), last), Rule::Receipt, || format!("{told:?}: {events:?}"))
}

/// A commit as it is sent again.
fn again(events: &[Seen], is_any: bool) -> Wish {
    let mut wish: Wish = Vec::new();
    for event in events {
        match wish.iter_mut().find(|(stream, ..)| *stream == event.stream) {
            Some((.., ids)) => ids.push(event.id),
            None => {
                let before = event.version.checked_sub(1);
                let exact = before.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
                let expected = if is_any { ExpectedVersion::Any } else { exact };
                wish.push((event.stream, expected, vec![event.id]));
            }
        }
    }
    wish
}

fn same_answer(events: &[Seen], told: &Appended) -> Checked {
    let wanted = events.first().zip(events.last());
    let got = (told.first_position.0, told.position.0, told.version.0, told.recorded.0);
    let wanted =
        wanted.map(|(first, last)| (first.position, last.position, last.version, last.recorded));
    ensure(Some(got) == wanted, Rule::Repeat, || format!("{told:?} instead of {wanted:?}"))
}
