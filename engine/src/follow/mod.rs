//! Following a store: what is there, and then what comes.
//!
//! A [`Subscription`] reads one [view](crate::segments::View) of the store to its end, then the next one
//! behind it. [`News`] is the one place where followers wait: whoever makes more visible tells it, and
//! those whom it may concern look. A follower of another process differs only there: in how it learns of
//! news.

mod desk;
mod feed;
mod news;
mod owned;
mod subscription;
#[cfg(test)]
mod tests;

pub use owned::OwnedEvents;
pub use subscription::{Delivery, Subscription};

pub(crate) use feed::{Feed, Next, Sought, Wanted};
pub(crate) use news::{Ear, Ending, News};
