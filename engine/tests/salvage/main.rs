//! What is left of damaged stores: exactly the commits that are whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checker;
mod copies;
mod ends;
mod flips;
mod lost;
#[path = "../small/mod.rs"]
mod small;
mod store;
