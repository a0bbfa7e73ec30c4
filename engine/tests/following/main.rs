//! Following a store: what is there, then what comes, each event once and in order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a waker that panics is what one test is about")]

mod beside;
mod bounds;
mod brief;
mod crowd;
mod damaged;
mod ends;
mod follower;
mod hints;
mod late;
mod live;
mod newer;
mod patience;
#[path = "../selecting/random.rs"]
mod random;
mod succession;
mod tasks;
