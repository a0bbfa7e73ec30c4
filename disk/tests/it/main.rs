//! What the disks promise, held against each of them.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod bell;
mod conformance;
mod damage;
mod every_call;
mod faults;
mod forked;
mod gate;
mod lies;
mod memory;
