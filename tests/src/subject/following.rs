//! Following the store under test.

use std::task::Poll;

use quipu::stepping::Stepper;
use quipu::{Delivery, Error, ErrorKind, Position, Result, Subscription, Version};

use super::Subject;
use super::task::Task;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content;
use crate::history::{self, Entry, Seen, Selection};

/// Times that a task may be woken at once: each time it has looked at a thousand events.
const TURNS_MAX: usize = 1000;

/// A subscription, and what it is to.
pub(super) struct Follower {
    number: history::Follower,
    selection: Selection,
    subscription: Counted,
    /// What it asks as, if it does not only look now and then.
    task: Option<Task>,
    /// Up to here it was looked whether it sleeps on.
    checked: u64,
    /// It was told that there is no more, and has got no event since.
    is_caught_up: bool,
    /// It was told that there will be no more.
    is_over: bool,
}

enum Counted {
    ByPosition(Box<Subscription<Position>>),
    ByVersion(Box<Subscription<Version>>),
}

/// What a follower was delivered.
enum Got {
    Event(Seen),
    CaughtUp,
    Nothing,
    /// It was woken as soon as it was told to wait, again and again.
    Turned,
    /// There will be no more.
    Over,
}

fn got(delivery: Option<Delivery<'_>>, nothing: Got) -> Got {
    match delivery {
        Some(Delivery::Event(event)) => Got::Event(content::seen(&event)),
        Some(Delivery::CaughtUp) => Got::CaughtUp,
        None => nothing,
    }
}

impl Counted {
    fn new(stepper: &Stepper, selection: &Selection, from: Option<u64>) -> Result<Counted> {
        macro_rules! subscribe {
            ($read:expr, $number:expr) => {
                match from {
                    Some(from) => $read.from($number(from)).subscribe(),
                    None => $read.from_end().subscribe(),
                }
                .map(Box::new)
            };
        }
        Ok(match selection {
            Selection::All => Counted::ByPosition(subscribe!(stepper.all(), Position)?),
            Selection::Stream(stream) => {
                let name = content::stream_name(*stream);
                Counted::ByVersion(subscribe!(stepper.stream(name), Version)?)
            }
            Selection::Category(category) => {
                Counted::ByPosition(subscribe!(stepper.category(category), Position)?)
            }
            Selection::Query(items) => {
                Counted::ByPosition(subscribe!(stepper.query(content::query(items)), Position)?)
            }
        })
    }

    fn try_next(&mut self) -> Result<Got> {
        let delivery = match self {
            Counted::ByPosition(subscription) => subscription.try_next(),
            Counted::ByVersion(subscription) => subscription.try_next(),
        };
        match delivery {
            Err(error) if error.kind() == ErrorKind::Closed => Ok(Got::Over),
            delivery => Ok(got(delivery?, Got::Nothing)),
        }
    }

    /// The same as a task does it.
    fn poll(&mut self, task: &mut Task) -> Result<Got> {
        for _ in 0..TURNS_MAX {
            let told = task.poll(|context| match self {
                Counted::ByPosition(subscription) => {
                    subscription.poll_next(context).map(|next| Ok(got(next?, Got::Over)))
                }
                Counted::ByVersion(subscription) => {
                    subscription.poll_next(context).map(|next| Ok(got(next?, Got::Over)))
                }
            });
            match told {
                Poll::Ready(told) => return told,
                Poll::Pending if task.sleeps() => return Ok(Got::Nothing),
                Poll::Pending => {}
            }
        }
        Ok(Got::Turned)
    }

    fn checkpoint(&self) -> u64 {
        match self {
            Counted::ByPosition(subscription) => subscription.position().0,
            Counted::ByVersion(subscription) => subscription.version().0,
        }
    }
}

impl Subject {
    /// Number of followers.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.in_flight.followers.len()
    }

    /// Follows the store from now on. Not if a planned fault is in the way.
    ///
    /// # Errors
    /// What that breaks.
    pub fn follow(&mut self, selection: Selection, from: Option<u64>) -> Checked {
        let before = self.disk.operations();
        let visible = self.visible()?;
        let subscription = match Counted::new(self.stepper()?, &selection, from) {
            Ok(subscription) => subscription,
            Err(error) => return self.explain_read(before, &error),
        };
        let number = self.ids.follower();
        let task = number.is_multiple_of(2).then(Task::default);
        let (checked, is_caught_up, is_over) = (visible, false, false);
        self.in_flight.followers.push(Follower {
            number,
            selection: selection.clone(),
            subscription,
            task,
            checked,
            is_caught_up,
            is_over,
        });
        self.record(Entry::Follows { follower: number, selection, from, visible })
    }

    /// Has a follower go on with another subscription, from where it was.
    ///
    /// # Errors
    /// What that breaks.
    pub fn follow_anew(&mut self, index: usize) -> Checked {
        let before = self.disk.operations();
        let follower = &self.in_flight.followers[index];
        let from = Some(follower.subscription.checkpoint());
        match Counted::new(self.stepper()?, &follower.selection, from) {
            Ok(subscription) => {
                let follower = &mut self.in_flight.followers[index];
                follower.subscription = subscription;
                (follower.is_caught_up, follower.is_over) = (false, false);
                if let Some(task) = &mut follower.task {
                    *task = Task::default();
                }
                Ok(())
            }
            Err(error) => self.explain_read(before, &error),
        }
    }

    /// Delivers up to `count` events to a follower.
    ///
    /// # Errors
    /// What it gets and should not, or the other way round.
    pub fn deliver(&mut self, index: usize, count: usize) -> Checked {
        for _ in 0..count {
            let before = self.disk.operations();
            let visible = self.visible()?;
            let Follower { number, subscription, task, is_caught_up, is_over, .. } =
                &mut self.in_flight.followers[index];
            let follower = *number;
            let told = match task {
                Some(task) => subscription.poll(task),
                None => subscription.try_next(),
            };
            match told {
                Ok(Got::Over) => {
                    *is_over = true;
                    return self.record(Entry::CaughtUp { follower, visible });
                }
                Ok(_) if *is_over => {
                    let detail = format!("follower {follower} goes on behind the end");
                    return Err(Violation::new(Rule::Following, detail));
                }
                Ok(Got::Event(event)) => {
                    *is_caught_up = false;
                    self.counts.deliveries += 1;
                    self.record(Entry::Delivered { follower, visible, event })?;
                }
                Ok(Got::CaughtUp) => {
                    let again = std::mem::replace(is_caught_up, true);
                    ensure(!again, Rule::Stuck, || {
                        format!("follower {follower} is told twice that it has caught up")
                    })?;
                    self.record(Entry::CaughtUp { follower, visible })?;
                }
                Ok(Got::Turned) => {
                    let detail = format!("follower {follower} is woken, and gets nothing");
                    return Err(Violation::new(Rule::Stuck, detail));
                }
                Ok(Got::Nothing) => {
                    self.record(Entry::CaughtUp { follower, visible })?;
                    return self.expect_an_end(follower);
                }
                Err(error) => return self.follower_failed(index, before, &error),
            }
        }
        Ok(())
    }

    /// Delivers everything that is visible to all followers.
    ///
    /// # Errors
    /// As [`Subject::deliver`].
    pub fn deliver_all(&mut self) -> Checked {
        (0..self.in_flight.followers.len()).try_for_each(|index| self.deliver(index, usize::MAX))
    }

    /// Whoever sleeps has nothing to get, of what became visible since it was looked last.
    ///
    /// # Errors
    /// Somebody has, and was not woken.
    pub fn nobody_sleeps_on(&mut self) -> Checked {
        let Some(stepper) = &self.stepper else { return Ok(()) };
        let visible = stepper.next_position().0;
        for follower in &mut self.in_flight.followers {
            let Follower { number, task, checked, .. } = follower;
            if *checked == visible || !task.as_ref().is_some_and(Task::sleeps) {
                continue;
            }
            *checked = visible;
            let is_due = self.checker.is_due(*number, visible)?;
            ensure(!is_due, Rule::Stuck, || format!("follower {number} sleeps on at {visible}"))?;
        }
        Ok(())
    }

    /// Whoever follows a store that has come to its end was woken.
    pub(super) fn nobody_sleeps(&self) -> Checked {
        let mut followers = self.in_flight.followers.iter();
        let asleep = followers.find(|it| it.task.as_ref().is_some_and(Task::sleeps));
        ensure(asleep.is_none(), Rule::Stuck, || {
            let number = asleep.map(|follower| follower.number);
            format!("follower {number:?} sleeps on, and there will be no more")
        })
    }

    /// Whoever follows a store that was closed gets what became visible, and then learns that this is all.
    pub(super) fn let_followers_go(&mut self) -> Checked {
        self.nobody_sleeps()?;
        let before = self.disk.operations();
        for index in 0..self.in_flight.followers.len() {
            // What it cannot read because of a planned fault it does not get.
            self.deliver(index, usize::MAX)?;
            let &Follower { number, is_over, .. } = &self.in_flight.followers[index];
            let has_failed = self.faults.has_failed_since(before, self.disk.operations());
            let is_kept = has_failed || self.is_off() || self.is_spoiled();
            ensure(is_over || is_kept, Rule::Stuck, || {
                format!("follower {number} of a closed store")
            })?;
        }
        self.in_flight.followers.clear();
        Ok(())
    }

    /// Nobody follows a poisoned store for ever without being told.
    fn expect_an_end(&self, follower: history::Follower) -> Checked {
        let is_due = self.faults.is_poisoned && self.in_flight.job.is_none() && !self.is_off();
        ensure(!is_due, Rule::Stuck, || format!("follower {follower} of a poisoned store"))
    }

    fn follower_failed(&mut self, index: usize, before: u64, error: &Error) -> Checked {
        if error.kind() != ErrorKind::Poisoned {
            return self.explain_read(before, error);
        }
        let visible = self.visible()?;
        let Follower { number: follower, is_over, .. } = &mut self.in_flight.followers[index];
        let (follower, told) = (*follower, std::mem::replace(is_over, true));
        ensure(!told, Rule::Following, || format!("follower {follower} was told before"))?;
        ensure(self.may_be_poisoned(), Rule::Error, || format!("following: {error:?}"))?;
        self.record(Entry::CaughtUp { follower, visible })
    }
}
