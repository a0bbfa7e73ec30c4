//! A commit on its way: wait for it, ask for it, or await it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use quipu_format::{Position, Timestamp, Version};

use crate::draft::Draft;
use crate::outline::Posted;
use crate::pipeline::{Group, Progress};
use crate::{Durability, Error, Result};

/// What a commit became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Version of the last event of the stream that the commit named last.
    pub version: Version,
    /// Position of the last event.
    pub position: Position,
    /// Position of the first event.
    pub first_position: Position,
    /// When the store committed it.
    pub recorded: Timestamp,
}

/// A commit that has its place in the log and is on its way to the disk.
///
/// Dropping a ticket takes nothing back: the commit goes its way, and nobody learns how it went. Wait for it, ask
/// for it, or await it: it is a plain future, which any runtime drives.
///
/// ```
/// use quipu::{ExpectedVersion, NewEvent, Store};
///
/// let store = Store::builder("orders.quipu").in_memory().open()?;
/// let event = || [NewEvent::new("Paid", b"".as_slice())];
/// let first = store.append_async("order-1", ExpectedVersion::Any, event())?;
/// let second = store.append_async("order-2", ExpectedVersion::Any, event())?;
/// assert_eq!(second.wait()?.position.0, 1);
/// assert!(first.is_settled(), "positions become durable in their order");
/// assert_eq!(first.wait()?.position.0, 0);
/// # Ok::<(), quipu::Error>(())
/// ```
#[must_use = "a commit is acknowledged only once its ticket says so"]
pub struct Ticket {
    /// The group to wait for: the commit's own, or the one that a refusal refers to.
    group: Arc<Group>,
    durability: Durability,
    outcome: Result<Appended>,
}

impl Ticket {
    pub(crate) fn new(draft: &Draft<'_>, group: Arc<Group>, posted: &Posted) -> Ticket {
        let Posted { first_position, time: recorded, first_versions, .. } = posted;
        let (first_position, recorded) = (*first_position, *recorded);
        let streams = draft.streams.iter().zip(first_versions);
        let last =
            streams.filter(|(stream, _)| stream.events > 0).max_by_key(|(s, _)| s.last_ordinal);
        let version = last.map_or(Version(0), |(s, first)| first.plus(u64::from(s.events) - 1));
        let position = first_position.plus(u64::from(draft.events()) - 1);
        let appended = Appended { version, position, first_position, recorded };
        Ticket { group, durability: draft.durability, outcome: Ok(appended) }
    }

    /// A commit that is refused because of another one, which is not visible yet.
    pub(crate) fn refused(error: Error, group: Arc<Group>, durability: Durability) -> Ticket {
        Ticket { group, durability, outcome: Err(error) }
    }

    /// A commit that was taken before; nothing is waited for if it is as durable as it should be.
    pub(crate) fn repeated(
        appended: Appended,
        until: Option<(Arc<Group>, Durability)>,
        durability: Durability,
    ) -> Ticket {
        let (group, durability) = until.unwrap_or_else(|| {
            let settled = Group::new();
            settled.advance(&Progress::Durable);
            (settled, durability)
        });
        Ticket { group, durability, outcome: Ok(appended) }
    }

    fn settle(&self, group: Result<()>) -> Result<Appended> {
        match (group, &self.outcome) {
            (Ok(()), outcome) => outcome.clone(),
            // Nothing of a refused commit was written, whatever became of the other one.
            (Err(failed), Err(_)) => Err(failed.not_written()),
            (Err(failed), Ok(_)) => Err(failed),
        }
    }

    /// Waits until the commit is acknowledged.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) where what it conflicts with was itself still on
    /// its way; [`ErrorKind::Unknown`](crate::ErrorKind::Unknown) or
    /// [`ErrorKind::Poisoned`](crate::ErrorKind::Poisoned) when a write or sync failed.
    pub fn wait(self) -> Result<Appended> {
        let group = self.group.wait(self.durability);
        self.settle(group)
    }

    /// Waits until the commit is acknowledged, or for this long.
    pub(crate) fn wait_for(&self, most: Duration) {
        self.group.wait_for(self.durability, most);
    }

    /// Whether [`Ticket::wait`] would return at once.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.group.reached(self.durability).is_some()
    }
}

impl Future for Ticket {
    type Output = Result<Appended>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Appended>> {
        self.group.poll(self.durability, context).map(|group| self.settle(group))
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}
