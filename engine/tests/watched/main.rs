//! What a store tells the program's log, and that nobody waits for ever if that, or a disk, panics.
//!
//! The subscriber is that of the whole process, because a store's own threads know no other. So these tests are a
//! binary of their own, and run one after the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "panics are what most of these tests are about")]

#[path = "../it/attended.rs"]
mod attended;
mod events;
mod mood;
#[path = "../it/panicking.rs"]
mod panicking;
mod panics;
mod reentry;
#[path = "../it/small.rs"]
mod sizes;
mod stats;
mod subscriber;

use std::time::Duration;

use quipu::{ExpectedVersion, NewEvent, Options};

/// Segments so small that a few events fill one.
fn small() -> Options {
    Options {
        segment_bytes_min: 16 << 10,
        segment_bytes_max: 16 << 10,
        mark_after: Duration::from_secs(3600),
        ..sizes::options()
    }
}

const ANY: ExpectedVersion = ExpectedVersion::Any;

/// An event of about a kilobyte: some twelve fill a segment.
fn large() -> [NewEvent<'static>; 1] {
    [NewEvent::new("T", vec![7; 900])]
}
