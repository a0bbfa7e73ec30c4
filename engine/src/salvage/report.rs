//! What a salvage says of itself.

use std::ops::Range;
use std::path::PathBuf;

use quipu_format::{Position, Version};

use crate::{Damage, Unreadable};

/// What was kept, and what is lost. Positions and versions are those of the damaged store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// Commits that were kept.
    pub commits: u64,
    /// Events in them.
    pub events: u64,
    /// Streams of these events.
    pub streams: u64,
    /// Bytes of these commits in the log.
    pub bytes: u64,
    /// Bytes at the end of the log that hold commits which were never finished. No loss: recovery drops them too.
    pub unfinished_bytes: u64,
    /// What is lost, in the order of the log, up to ten thousand pieces.
    pub lost: Vec<Lost>,
    /// Pieces beyond those.
    pub more_lost: u64,
    /// The first position whose event has another position in the new store; `None` if all keep theirs.
    pub moved_from: Option<Position>,
    /// Streams of which some events have other versions in the new store, up to ten thousand.
    pub renumbered: Vec<Renumbered>,
    /// Streams beyond those.
    pub more_renumbered: u64,
    /// What is wrong with the manifest, if anything is: there may then have been segments behind those that were found,
    /// which nothing in this list tells of.
    pub manifest: Option<Damage>,
    /// Parts of files that the system could not read, whether or not anything is lost with them.
    pub unreadable: Vec<Unreadable>,
}

impl SalvageReport {
    /// Whether nothing is lost, and that is certain.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.more_lost == 0 && self.manifest.is_none()
    }

    /// Events that are lost, as far as the list goes and their number is known.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        let events = |lost: &Lost| lost.positions.end.0 - lost.positions.start.0;
        self.lost.iter().map(events).fold(0, u64::saturating_add)
    }
}

/// A piece of the log that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The file.
    pub file: PathBuf,
    /// Where the piece begins.
    pub offset: u64,
    /// Its bytes; 0 where that cannot be told.
    pub bytes: u64,
    /// Positions of the events that are lost with it. Empty where nothing is left that says how many they were.
    pub positions: Range<Position>,
    /// What is wrong, in words.
    pub what: String,
}

/// A stream that has lost events and goes on behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renumbered {
    /// The stream.
    pub stream: String,
    /// The first version whose event has a lower one in the new store; all behind it have, too.
    pub from: Version,
}

/// What a salvage is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SalvageStep {
    /// Reading the damaged store, and writing what is left of it.
    Copying,
    /// Verifying the new store.
    Verifying,
}

/// How far a salvage has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SalvageProgress {
    /// What it is doing.
    pub step: SalvageStep,
    /// Bytes of this step that are done.
    pub done_bytes: u64,
    /// All of them.
    pub total_bytes: u64,
}
