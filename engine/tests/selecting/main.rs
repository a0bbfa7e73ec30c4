//! Reading events by what they are about, compared with a plain list.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bounds;
mod concurrent;
mod damaged;
mod model;
mod random;
mod selections;
mod store;
