//! The built command, from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests make and read the files that the command works on"
)]

mod append;
mod bench;
mod damage;
<<<<<<< HEAD
mod descriptors;
=======
mod demo;
>>>>>>> 44a082c (Nothing is left of a demo or a load test that is interrupted, and tail -f ends with its reader)
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
