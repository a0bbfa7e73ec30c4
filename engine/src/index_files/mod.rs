//! Index files: found by their names, used where they hold, made anew from the log where they do not.
//!
//! A sealed segment has an index file of its own. What many segments say together of a key stands in *runs*,
//! so that nobody looks into each of them. The active segment gets a file as the store is closed, which covers
//! what it holds by then. None of these files is listed anywhere: the directory says which there are, and each
//! says itself what it is of and how much of that it covers.
//!
//! What is absent: no file here is evidence about the log. One that is missing, torn, of another segment or
//! flipped costs the time to read that segment once, and never an event.

mod file;
mod gather;
mod ids;
mod lineage;
mod lost;
mod mend;
mod names;
mod runs;
mod source;
mod upkeep;

pub(crate) use file::{held_index, index_on, load_index, open_index, open_run, try_run, write};
pub(crate) use gather::{Missing, covers, gather, segment, sweep};
pub(crate) use ids::complete_ids;
pub(crate) use lineage::{Ancestors, Trouble};
pub(crate) use mend::{
    covered, for_each, index_bytes, lost_events, make, mend, open_sealed, write_again,
};
pub(crate) use names::IndexNames;
pub(crate) use runs::Merge;
pub(crate) use upkeep::{Task, Upkeep};
