//! The built command, from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests make and read the files that the command works on"
)]

#[path = "cli/append.rs"]
mod append;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/damage.rs"]
mod damage;
#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/read.rs"]
mod read;
#[path = "cli/rebuild.rs"]
mod rebuild;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/salvage.rs"]
mod salvage;
#[path = "cli/stat.rs"]
mod stat;
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/tail.rs"]
mod tail;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/verbose.rs"]
mod verbose;
