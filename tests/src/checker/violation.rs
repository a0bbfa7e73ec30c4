//! How a store can break its word.

use std::fmt;

/// The rules, each as it reads when it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// P1: an acknowledged commit, or one that was seen, is gone after a crash.
    Lost,
    /// P2: a part of a commit is there and the rest is not.
    Torn,
    /// P3: positions are not dense.
    Gap,
    /// P3: an event has another stream or version than it was given.
    Version,
    /// P4: an event is there that was never submitted, or was given up by an earlier opening.
    Phantom,
    /// P3: an event stands a second time.
    Twice,
    /// P4: an event is there although one before it is not.
    Hole,
    /// P4: a commit is there that was said not to be written.
    Unwritten,
    /// P6: an event's bytes are not what was submitted.
    Bytes,
    /// P5: a reader gets less or more than what is visible.
    Reading,
    /// P5: more is visible than was sequenced, or less than was before.
    Watermark,
    /// An acknowledged commit cannot be read.
    Unreadable,
    /// Recorded time goes backwards, or changes.
    Time,
    /// What an acknowledgement says is not where the commit stands.
    Receipt,
    /// A commit was sequenced although a stream was not as expected.
    Expectation,
    /// A commit was refused for a reason that is not true.
    Conflict,
    /// P5: a read by what events are about gives others than it should.
    Selection,
    /// P5: a follower is not delivered the next event that it asked for.
    Following,
    /// A commit was taken although its condition forbids it.
    Condition,
    /// A retry was answered otherwise than the commit that it repeats.
    Repeat,
    /// A writer was told of a conflict with an event that nobody can read yet.
    Told,
    /// P1: a store that exists was created anew.
    Recreated,
    /// The store does not open.
    Opening,
    /// An error that nothing explains.
    Error,
    /// P7: a failed write or sync, and the store goes on as if nothing were.
    Poison,
    /// Somebody waits for ever.
    Stuck,
    /// P4: two recoveries of the same bytes come to different ends.
    Undecided,
    /// A salvage of an undamaged store keeps other events than its recovery.
    Salvage,
    /// P6: verification calls a sound store damaged, or a damaged one sound.
    Verification,
    /// P9: more is read at once than there can be.
    Unbounded,
    /// P9: the engine panicked.
    Panic,
    /// The history makes no sense: a mistake of the test.
    Nonsense,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// How.
    pub detail: String,
}

impl Violation {
    /// This rule, broken in this way.
    #[must_use]
    pub fn new(rule: Rule, detail: impl Into<String>) -> Violation {
        Violation { rule, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

impl std::error::Error for Violation {}

/// `Ok` if it holds, else the violation.
///
/// # Errors
/// The violation of `rule`.
pub fn ensure(
    holds: impl Into<bool>,
    rule: Rule,
    detail: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds.into() { Ok(()) } else { Err(Violation::new(rule, detail())) }
}
