//! Events from some position on, and all that come after.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use quipu_format::{Position, Version};

use super::{Ear, Ending, Feed, OwnedEvents, Sought};
use crate::find::Budget;
use crate::plant::{self, Bug};
use crate::{Error, ErrorKind, Event, Result};

/// Events from some position on, then those that are appended from now on, in the same order: none is
/// skipped, none comes twice. Made by [`Selection::subscribe`](crate::Selection::subscribe).
///
/// A subscription is asked for its events one by one and keeps no queue, so a slow one costs nothing and
/// loses nothing. Nothing is delivered that readers do not see: in a store of
/// [`Durability::Sync`](crate::Durability::Sync) nothing that is not durable.
///
/// It does not borrow the store and can be moved into a thread of its own. It may outlive the store: once
/// that is closed or dropped, the subscription delivers what became visible and is over then.
///
/// ```
/// use quipu::{Delivery, ExpectedVersion, NewEvent, Store};
///
/// let store = Store::builder("orders.quipu").in_memory().open()?;
/// let mut orders = store.category("order").subscribe()?;
/// let follower = std::thread::spawn(move || {
///     let mut placed = 0;
///     while let Some(delivery) = orders.next()? {
///         match delivery {
///             Delivery::Event(event) => placed += u64::from(event.event_type() == "Placed"),
///             Delivery::CaughtUp => println!("{placed} orders up to {}", orders.position()),
///         }
///     }
///     Ok::<u64, quipu::Error>(placed)
/// });
/// let placed = NewEvent::new("Placed", b"".as_slice());
/// store.append("order-42", ExpectedVersion::NoStream, [placed])?;
/// store.close()?;
/// assert_eq!(follower.join().expect("it does not panic")?, 1);
/// # Ok::<(), quipu::Error>(())
/// ```
///
/// # Errors
/// Damage is reported once, with the positions that cannot be served; the next call goes on behind it. What
/// the system refuses is tried again by the next call. When a write or sync of the store fails, what is
/// visible is delivered, then [`ErrorKind::Poisoned`] is reported once, and the subscription is over.
/// [`ErrorKind::Unsupported`] ends it at an event that only a newer version can read; whoever goes on from what
/// it says finds that event again.
#[must_use = "nothing is delivered before it is asked for"]
pub struct Subscription<From = Position> {
    feed: Feed,
    pace: Pace,
    ear: Ear,
    counted: PhantomData<fn() -> From>,
}

/// What a subscription delivers.
#[derive(Clone, Copy, Debug)]
pub enum Delivery<'a> {
    /// The next event.
    Event(Event<'a>),
    /// Everything that is visible at this moment has been delivered. Comes once each time that happens, and
    /// not again before another event; also if there was none to begin with.
    CaughtUp,
}

/// How a subscription stands to what is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// There may be more.
    Behind,
    /// There was no more, and it was told so.
    CaughtUp,
    /// There will be no more, and it was told why if that is an error.
    Over,
}

/// What comes next.
pub(super) enum Step {
    /// The event that the feed has found.
    Event,
    CaughtUp,
    /// Nothing at this moment.
    Nothing,
    /// Nothing among all that was looked at in this call. There may be more.
    Paused,
    /// Nothing any more.
    Over,
}

impl<From> Subscription<From> {
    pub(crate) fn new(feed: Feed, ear: Ear) -> Subscription<From> {
        Subscription { feed, pace: Pace::Behind, ear, counted: PhantomData }
    }

    /// What comes next; waits for it. `None` once the store is closed and everything that became visible has
    /// been delivered: there will be no more.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] for events that cannot be served: the next call goes on behind them;
    /// [`ErrorKind::Poisoned`] once if a write or sync failed; [`ErrorKind::Unsupported`] once; what the system
    /// refuses.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Result<Option<Delivery<'_>>> {
        let step = self.wait(None)?;
        self.deliver(&step)
    }

    /// What comes next, if it comes within this time. `None` if it does not.
    ///
    /// ```
    /// use std::time::Duration;
    /// use quipu::{Delivery, Store};
    ///
    /// let store = Store::builder("orders.quipu").in_memory().open()?;
    /// let mut orders = store.category("order").subscribe()?;
    /// assert!(matches!(orders.next_within(Duration::from_millis(1))?, Some(Delivery::CaughtUp)));
    /// assert!(orders.next_within(Duration::from_millis(1))?.is_none());
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Subscription::next`], and [`ErrorKind::Closed`] once there will be no more; after
    /// [`ErrorKind::Unsupported`] that again.
    pub fn next_within(&mut self, most: Duration) -> Result<Option<Delivery<'_>>> {
        match self.wait(Some(most))? {
            Step::Over => Err(self.end()),
            step => self.deliver(&step),
        }
    }

    /// What comes next, if it is there already. `None` if it is not, or not among the next thousand events, or
    /// places of an index, that have to be looked at: a call takes no longer however much there is that was not asked
    /// for. Everything has been delivered once [`Delivery::CaughtUp`] says so.
    ///
    /// # Errors
    /// As [`Subscription::next_within`].
    pub fn try_next(&mut self) -> Result<Option<Delivery<'_>>> {
        match self.pace.advance(&mut self.feed)? {
            Step::Over => Err(self.end()),
            step => self.deliver(&step),
        }
    }

    /// As [`Subscription::next`], for tasks of any runtime. It may read from the disk, as all reading does.
    /// Nothing is lost if it is dropped while it waits.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub async fn next_async(&mut self) -> Result<Option<Delivery<'_>>> {
        let step = std::future::poll_fn(|context| self.poll_step(context)).await?;
        self.deliver(&step)
    }

    /// As [`Subscription::next_async`], to build on. If there is nothing, the task is woken once there may
    /// be; a subscription wakes the one that asked last. A call looks at a thousand events, or places of an
    /// index, at most: where none of them was asked for, it has the task woken at once.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Delivery<'_>>>> {
        self.poll_step(context).map(|step| self.deliver(&step?))
    }

    /// The events alone, each with bytes of its own. `for event in subscription` does the same.
    pub fn owned(self) -> OwnedEvents<From> {
        OwnedEvents::new(self)
    }

    /// Why there will be no more.
    fn end(&self) -> Error {
        self.feed.over().cloned().unwrap_or_else(Error::closed)
    }

    /// Waits for something to tell, or for so long.
    fn wait(&mut self, most: Option<Duration>) -> Result<Step> {
        let Subscription { feed, pace, ear, .. } = self;
        let disk = Arc::clone(&feed.segments().shelf.disk);
        // A time beyond what the clock can count is none.
        let deadline = most.and_then(|most| disk.elapsed().checked_add(most));
        let left = || deadline.map(|deadline| deadline.saturating_sub(disk.elapsed()));
        loop {
            let mut step = pace.advance(feed)?;
            if let Step::Nothing = step {
                feed.segments().watch()?;
                let told = ear.wait(left(), || match pace.advance(feed) {
                    Ok(Step::Nothing) => None,
                    step => Some(step),
                });
                step = told.unwrap_or(Ok(Step::Nothing))?;
            }
            match step {
                Step::Paused if left() == Some(Duration::ZERO) => return Ok(Step::Nothing),
                Step::Paused => {}
                step => return Ok(step),
            }
        }
    }

    pub(super) fn poll_step(&mut self, context: &Context<'_>) -> Poll<Result<Step>> {
        let mut step = self.pace.advance(&mut self.feed);
        if let Ok(Step::Nothing) = step {
            self.feed.segments().watch()?;
            self.ear.register(context.waker());
            // There may be news since it looked.
            if !plant::is_in(Bug::NewsInBetweenMissed) {
                step = self.pace.advance(&mut self.feed);
            }
        }
        match step {
            Ok(Step::Nothing) => Poll::Pending,
            Ok(Step::Paused) => {
                // Others get their turn before it goes on.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            step => Poll::Ready(step),
        }
    }

    pub(super) fn deliver(&mut self, step: &Step) -> Result<Option<Delivery<'_>>> {
        match step {
            Step::Event => {
                let event = self.feed.take()?;
                self.pace = Pace::Behind;
                Ok(Some(Delivery::Event(event)))
            }
            Step::CaughtUp => Ok(Some(Delivery::CaughtUp)),
            Step::Nothing | Step::Paused | Step::Over => Ok(None),
        }
    }
}

impl Pace {
    /// Goes on as far as there is something to be told, or the budget of one call allows.
    fn advance(&mut self, feed: &mut Feed) -> Result<Step> {
        if feed.over().is_some() {
            *self = Pace::Over;
        }
        if *self == Pace::Over {
            return Ok(Step::Over);
        }
        let mut budget = Budget::new();
        loop {
            match feed.find(&mut budget)? {
                Sought::Found => return Ok(Step::Event),
                Sought::Paused => return Ok(Step::Paused),
                Sought::Exhausted => {}
            }
            // Asked first: whatever became visible before the end is seen by the next look.
            let ending = feed.segments().news().ending().cloned();
            if self.renew(feed)? {
                if budget.spend() {
                    continue;
                }
                return Ok(Step::Paused);
            }
            if *self == Pace::Behind {
                if plant::is_in(Bug::TurnHandedBackForEver) {
                    return Ok(Step::Paused);
                }
                let told = !plant::is_in(Bug::CaughtUpAgain);
                *self = if told { Pace::CaughtUp } else { Pace::Behind };
                return Ok(Step::CaughtUp);
            }
            return self.finish(ending);
        }
    }

    fn renew(&mut self, feed: &mut Feed) -> Result<bool> {
        feed.renew().inspect_err(|error| {
            // Another process has lost what was seen here.
            if error.kind() == ErrorKind::Poisoned {
                *self = Pace::Over;
            }
        })
    }

    fn finish(&mut self, ending: Option<Ending>) -> Result<Step> {
        let Some(ending) = ending else { return Ok(Step::Nothing) };
        *self = Pace::Over;
        match ending {
            Ending::Closed => Ok(Step::Over),
            Ending::Poisoned(error) => {
                let detail = format!("no more events until the store is opened anew: {error}");
                Err(Error::new(ErrorKind::Poisoned, detail))
            }
        }
    }
}

impl Subscription<Position> {
    /// Where another subscription goes on that is to deliver what this one has not: everything before was
    /// delivered, reported as damaged, or is none of what was asked for. A consumer that keeps it keeps a
    /// checkpoint.
    ///
    /// ```
    /// # use quipu::{Delivery, ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// # let events = ["A", "B"].map(|kind| NewEvent::new(kind, b"".as_slice()));
    /// # store.append("letter-1", ExpectedVersion::NoStream, events)?;
    /// let mut letters = store.category("letter").subscribe()?;
    /// assert!(matches!(letters.next()?, Some(Delivery::Event(event)) if event.event_type() == "A"));
    /// let mut rest = store.category("letter").from(letters.position()).subscribe()?;
    /// assert!(matches!(rest.next()?, Some(Delivery::Event(event)) if event.event_type() == "B"));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    #[must_use]
    pub fn position(&self) -> Position {
        self.feed.next().position
    }
}

impl Subscription<Version> {
    /// Where another subscription to this stream goes on that is to deliver what this one has not. Behind
    /// damage it is still the version after the last one that was delivered.
    #[must_use]
    pub fn version(&self) -> Version {
        self.feed.next().version
    }
}

impl<From> Drop for Subscription<From> {
    fn drop(&mut self) {
        self.feed.segments().news().leave(&self.ear);
    }
}

impl<From> IntoIterator for Subscription<From> {
    type Item = Result<crate::OwnedEvent>;
    type IntoIter = OwnedEvents<From>;

    fn into_iter(self) -> OwnedEvents<From> {
        self.owned()
    }
}

impl<From> fmt::Debug for Subscription<From> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = self.feed.next();
        f.debug_struct("Subscription")
            .field("next", &next)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
