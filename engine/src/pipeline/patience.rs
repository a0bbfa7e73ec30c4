//! How long a caller waits for room.

/// What a caller puts up with before it is told that there is no room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Patience {
    /// It waits, and has not begun to.
    #[default]
    Fresh,
    /// It waits for an attempt at making room that is begun after this many. One that was under way as it
    /// came says nothing of the room there is by now.
    Since(u64),
    /// It does not wait: what was tried last counts.
    None,
}
