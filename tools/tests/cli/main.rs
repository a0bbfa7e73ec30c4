//! The built command, from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests make and read the files that the command works on"
)]

mod append;
mod bench;
mod damage;
mod demo;
mod descriptors;
mod examples;
mod export;
mod import;
mod load;
mod planted;
mod read;
mod rebuild;
mod refusals;
mod salvage;
mod stat;
mod streams;
mod tail;
mod usage;
mod verbose;
