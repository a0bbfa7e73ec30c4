//! What a store did, in numbers.

use std::time::Duration;

/// What a store did since it was opened: plain counters, each for itself right at some moment of the call.
///
/// They count what this opening for writing does from the moment on that it takes commits, and begin at zero. What
/// opening itself writes is not among them, and a store that was opened to be read does nothing: all are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits that got their place in the log. One that is recognised as a retry is no new commit.
    pub commits: u64,
    /// Their events.
    pub events: u64,
    /// Streams that got their first event.
    pub streams_created: u64,
    /// Groups that were written, each with one call: commits that came together, or a mark.
    pub groups: u64,
    /// Bytes of those groups: frames, with links and marks among them. Seals, index files and the manifest are not.
    pub bytes_written: u64,
    /// Syncs of segments, each tried once: those that make groups durable, and one for each seal. Those of new
    /// segments, index files and the manifest are not counted.
    pub syncs: u64,
    /// Syncs that took as long as [`Options::slow_sync`](crate::Options::slow_sync), or longer.
    pub slow_syncs: u64,
    /// The longest of all syncs, in whole microseconds.
    pub longest_sync: Duration,
    /// How often the log went on in another segment.
    pub rolls: u64,
    /// Segments that were sealed.
    pub seals: u64,
    /// Index files of sealed segments that were written anew while the store was open, because they failed a check,
    /// or late, because they could not be written before.
    pub indexes_remade: u64,
    /// Commits refused because a stream was not at the expected version.
    pub conflicts: u64,
    /// Commits refused because an event matches their condition.
    pub conditions_failed: u64,
    /// How often a commit had to wait for room: for a free buffer, or for the next segment.
    pub waits: u64,
}
