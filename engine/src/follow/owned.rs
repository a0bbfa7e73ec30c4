//! A subscription as an iterator.

use std::task::{Context, Poll, ready};

use quipu_format::{Position, Version};

use super::{Delivery, Subscription};
use crate::{Event, OwnedEvent, Result};

/// The events of a subscription, each with bytes of its own. Made by [`Subscription::owned`].
///
/// As an iterator it waits for each event, and ends once the store is closed and everything that became
/// visible has been delivered.
///
/// ```
/// use quipu::{ExpectedVersion, NewEvent, Store};
///
/// let store = Store::builder("orders.quipu").in_memory().open()?;
/// let placed = NewEvent::new("Placed", b"".as_slice());
/// store.append("order-42", ExpectedVersion::NoStream, [placed])?;
/// for event in store.category("order").subscribe()? {
///     let event = event?;
///     println!("{} {}", event.stream, event.event_type);
///     # break;
/// }
/// # Ok::<(), quipu::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is delivered before it is asked for"]
pub struct OwnedEvents<From = Position> {
    subscription: Subscription<From>,
}

impl<From> OwnedEvents<From> {
    pub(super) fn new(subscription: Subscription<From>) -> OwnedEvents<From> {
        OwnedEvents { subscription }
    }

    /// The next event, for tasks of any runtime: the one function that a stream is built from, as by
    /// `futures::stream::poll_fn(move |context| events.poll_next(context))`. If there is none, the task is
    /// woken once there may be.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<OwnedEvent>>> {
        loop {
            let step = ready!(self.subscription.poll_step(context));
            match step.and_then(|step| self.subscription.deliver(&step)) {
                Ok(Some(Delivery::CaughtUp)) => {}
                delivered => return Poll::Ready(owned(delivered)),
            }
        }
    }
}

fn owned(delivered: Result<Option<Delivery<'_>>>) -> Option<Result<OwnedEvent>> {
    match delivered {
        Ok(Some(Delivery::Event(event))) => Some(Ok(Event::to_owned(&event))),
        Ok(Some(Delivery::CaughtUp) | None) => None,
        Err(error) => Some(Err(error)),
    }
}

impl<From> Iterator for OwnedEvents<From> {
    type Item = Result<OwnedEvent>;

    fn next(&mut self) -> Option<Result<OwnedEvent>> {
        loop {
            match self.subscription.next() {
                Ok(Some(Delivery::CaughtUp)) => {}
                delivered => return owned(delivered),
            }
        }
    }
}

impl OwnedEvents<Position> {
    /// As [`Subscription::position`].
    #[must_use]
    pub fn position(&self) -> Position {
        self.subscription.position()
    }
}

impl OwnedEvents<Version> {
    /// As [`Subscription::version`].
    #[must_use]
    pub fn version(&self) -> Version {
        self.subscription.version()
    }
}
