//! Index files: written and used, mended where they fail a check, and never needed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that was served something else has failed")]

mod counting;
mod forging;
mod lost;
mod mending;
mod opening;
mod rebuilding;
mod rolling;
mod room;
#[path = "../small/mod.rs"]
mod small;
mod store;
mod upkeep;
