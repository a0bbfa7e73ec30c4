//! What the engine promises, held against stores in memory and on disks that fail: a module a subject.
//!
//! They are one binary, because linking one takes as long as running most of them. Tests that need a process for
//! themselves are in a binary of their own, `watched`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that meets something else has failed")]

#[cfg(feature = "rkyv")]
mod archived;
mod attended;
mod bad_sectors;
mod closed_before;
mod commits;
mod conditions;
mod copying;
mod damage;
mod features;
mod files;
mod following;
mod forked;
mod frames;
mod full;
mod holes;
mod indexes;
mod layout;
mod lost;
mod manifest;
mod mending;
mod panicking;
#[cfg(quipu_plant)]
mod race;
mod random;
mod reading;
mod recovering;
mod resuming;
mod retries;
mod retries_later;
mod salvage;
mod selecting;
mod shortage;
mod small;
mod store;
mod twice;
mod waiting;
mod whole_pages;
