//! What the index answers, from memory and from files, held against plain maps.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod check;
mod concurrent;
mod damage;
mod events;
mod hostile;
mod identity;
mod large;
mod layers;
mod segments;
mod source;
