//! What the index answers, and what its files cost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod budget;
mod files;
