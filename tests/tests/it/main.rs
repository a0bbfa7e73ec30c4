//! Whole stores: through every crash, from many seeds, on a full disk, and as the first version wrote them.
//!
//! The rules of the house are held by a binary of their own, `tidy`: it looks at the repository and runs no store.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod crash_points;
#[cfg(target_os = "linux")]
mod cut_under;
mod fixture;
mod flips;
mod full_disk;
mod model;
mod regressions;
mod running;
mod simulator;

/// The number that a variable of the environment gives, if it does.
fn wanted(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().expect("it is a number"))
}
