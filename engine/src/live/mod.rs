//! Readers in other processes: how far the writer has come, told through the page `live`.
//!
//! The [`Teller`] of a store that is open for writing stores in the page what is durable and visible, after
//! each group and before anybody is told of it. A [`Follower`] of a store that is open for reading looks
//! there whenever something is asked, and reads the rest from the log itself. A [`look`] finds out where
//! things stand where there is no page to be believed: as a store is opened, and when the writer has changed.
//!
//! The page is never evidence about the log. It is believed only while the writer's lock is held and its
//! epoch is that of the last opening in the manifest, and never beyond what the log bears out; by who follows already,
//! who has no need to look for more than it tells, never beyond what a file has room for. Of a writer that tells nothing
//! it is looked, now and then, what its later frames call durable.

mod follower;
mod look;
mod roll;
mod sight;
mod stamp;
mod teller;
mod trouble;
mod vouched;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use follower::{Follower, refuse_loss};
pub(crate) use look::{Look, assemble, bounds_unrecovered, look};
pub(crate) use sight::Sight;
pub(crate) use teller::{Teller, warn};
