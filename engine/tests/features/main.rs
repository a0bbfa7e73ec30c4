//! Feature bits that this version does not know: what each lets it do, in every file that has them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod indexes;
mod segment;
#[path = "../small/mod.rs"]
mod small;
mod store;
mod table;
