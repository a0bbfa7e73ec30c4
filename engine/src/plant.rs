//! Bugs that can be put in on purpose, so that whoever looks for bugs can be shown to find them.
//!
//! Only a build with `--cfg quipu_plant` can have one. In any other [`is_in`] is `false` before the program runs, and
//! nothing of a bug is left in it; a test looks for `MARK` in the command to be sure.

/// Declares the bugs, each by what is wrong then.
macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident = $name:literal,)*) => {
        /// A bug that can be put in, by what is wrong then.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(quipu_plant), allow(unreachable_pub, reason = "nobody outside puts one in"))]
        pub enum Bug { $($(#[$doc])* $bug,)* }

        #[cfg(quipu_plant)]
        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)*];

            /// Its name on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Bug::$bug => $name,)* }
            }
        }
    };
}

bugs! {
    /// A commit is acknowledged once it is written.
    AcknowledgedBeforeSync = "acknowledged-before-sync",
    /// The directory is not synced, so a file may lose its name.
    NoDirectorySync = "no-directory-sync",
    /// After a crash the log goes on in the segment it ends in, before what a torn write has left there.
    TailNotScrubbed = "tail-not-scrubbed",
    /// The manifest is written anew in place.
    ManifestInPlace = "manifest-in-place",
    /// The index of a sealed segment is used although it covers less than the segment.
    StaleIndexBelieved = "stale-index-believed",
    /// The index of a sealed segment is made anew although nothing is wrong with it.
    SoundIndexSetAside = "sound-index-set-aside",
    /// The index that a close has saved is used although the log does not bear it out.
    SavedIndexBelieved = "saved-index-believed",
    /// A run of heads is taken to cover one segment more.
    RunCoversMore = "run-covers-more",
    /// What a recovery finds in segments that are not sealed is unknown to the heads of streams, and to readers by key.
    HeadsNotFilled = "heads-not-filled",
    /// A file gets its name before its bytes are durable.
    NamedBeforeSync = "named-before-sync",
    /// After a recovery the log goes on one position too early.
    PositionReused = "position-reused",
    /// A torn tail is called damage.
    TornTailRefused = "torn-tail-refused",
    /// Damage before frames that call it durable is called a torn tail.
    DamageTakenForTail = "damage-taken-for-tail",
    /// The manifest calls a segment sealed before its seal is durable.
    SealedBeforeSync = "sealed-before-sync",
    /// A segment is removed while the manifest lists it.
    RemovedBeforeRetired = "removed-before-retired",
    /// A read does not sum what it serves.
    ChecksumSkipped = "checksum-skipped",
    /// Whoever reads by key is not told of lost events whose keys nobody knows.
    LossByKeyNotTold = "loss-by-key-not-told",
    /// A writer believes the last versions of streams though nobody knows of which the lost events were.
    UnknownHeadBelieved = "unknown-head-believed",
    /// Verification names damage at the end of a segment, and not the events that are lost with it.
    LossAtEndNotCounted = "loss-at-end-not-counted",
    /// Salvage leaves a damaged commit out and does not say so.
    LossNotListed = "loss-not-listed",
    /// Salvage keeps what is left of a damaged commit.
    DamagedCommitKept = "damaged-commit-kept",
    /// The segment after one need not name it as the one before.
    RecycledSegment = "recycled-segment",
    /// A frame's length is believed before it is compared with the file.
    LengthUnbounded = "length-unbounded",
    /// A group counts as written however much of it the system took.
    ShortWriteIgnored = "short-write-ignored",
    /// A sync that failed is called again, and believed.
    FailedSyncRetried = "failed-sync-retried",
    /// Readers see what is written, though the store promises that it is durable.
    VisibleBeforeSync = "visible-before-sync",
    /// The next segment is written before the last groups of the one before are synced.
    RolledBeforeSync = "rolled-before-sync",
    /// A condition is judged by what is visible, and not again by what was sequenced since.
    ConditionJudgedOutside = "condition-judged-outside",
    /// After a failure those whose groups were not begun are told nothing.
    QueuedNotTold = "queued-not-told",
    /// Whoever is refused because of a commit that is on its way is told before that has arrived.
    RefusedEarly = "refused-early",
    /// A subscription that has caught up goes on from the watermark, and not from where it has come.
    HandedOverEarly = "handed-over-early",
    /// An expectation is judged by the head that readers see, and not by the last commit that has its place.
    ExpectationOfReaders = "expectation-of-readers",
    /// After a commit of several events its stream's head is the first of them, so versions are given twice.
    HeadOfFirstEvent = "head-of-first-event",
    /// A commit is taken for one of before as soon as one of its events is found.
    RetryOfOneEvent = "retry-of-one-event",
    /// Whether a commit was taken before is looked up among what is visible only.
    RetryStoredAgain = "retry-stored-again",
    /// Of a stream that a commit names twice only one of the two says where a retry must stand.
    RetryNamedOnce = "retry-named-once",
    /// A commit that is not written yet is not known by its ids.
    RetryOnItsWayUnknown = "retry-on-its-way-unknown",
    /// After a failure a commit that is there is not known again.
    RetryAfterFailureRefused = "retry-after-failure-refused",
    /// A commit may have one id twice.
    OneIdTwice = "one-id-twice",
    /// What a failed sync has left in memory is shown to readers, once another sync succeeds.
    FailedWriterBelieved = "failed-writer-believed",
    /// Whoever has left a page `live` is taken for a writer that is still there.
    PageOfTheDead = "page-of-the-dead",
    /// Beside a recovery, the page `live` of before a power cut is believed.
    LostPageBelieved = "lost-page-believed",
    /// Beside a writer that does not tell, all that is found in the log is shown.
    SilentWriterBelieved = "silent-writer-believed",
    /// Beside a writer that does not tell, nothing is looked for any more.
    SilentWriterLeft = "silent-writer-left",
    /// Want of room for a segment poisons.
    ShortagePoisons = "shortage-poisons",
    /// An index file that cannot be written poisons.
    IndexPoisons = "index-poisons",
    /// A caller that commits by itself leaves what others have added meanwhile, and calls nobody.
    LeftoversNotHandedOver = "leftovers-not-handed-over",
    /// Those who wait for room are not told that a job has made some.
    RoomNotTold = "room-not-told",
    /// The position of the watermark is raised before the places in the log that go with it.
    PositionBeforeBounds = "position-before-bounds",
    /// A task that waits for its commit does not ask again once it can be woken.
    TicketNotAskedAgain = "ticket-not-asked-again",
    /// A subscription that is polled does not look again once its task can be woken.
    NewsInBetweenMissed = "news-in-between-missed",
    /// A subscription that has caught up says so again and again.
    CaughtUpAgain = "caught-up-again",
    /// A subscription that has caught up hands back the turn, as one does that has still much to look at.
    TurnHandedBackForEver = "turn-handed-back-for-ever",
    /// Followers are not told that the store was closed.
    EndNotTold = "end-not-told",
    /// Of the tasks that wait for the same, the first is not woken.
    FirstTaskNotWoken = "first-task-not-woken",
    /// The store's threads are called before they are to stop, and not after.
    StopToldTooEarly = "stop-told-too-early",
    /// A writer gives its slot back without the order in memory by which the committer sees what it holds.
    SlotNotReleased = "slot-not-released",
}

/// Whether a bug is in.
#[cfg(not(quipu_plant))]
pub(crate) const fn is_in(_: Bug) -> bool {
    false
}

#[cfg(quipu_plant)]
pub(crate) use planted::is_in;
#[cfg(quipu_plant)]
pub use planted::{MARK, put_in};

#[cfg(quipu_plant)]
mod planted {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Bug;

    /// Stands in every program that can have a bug put in.
    pub const MARK: &str = "this program can have bugs put in on purpose";

    /// The bug that is in, counted from 1; 0 for none.
    static IN: AtomicUsize = AtomicUsize::new(0);

    /// Puts a bug into every store of this process, instead of the one before, or takes that out.
    pub fn put_in(bug: Option<Bug>) {
        IN.store(bug.map_or(0, |bug| bug as usize + 1), Ordering::Relaxed);
    }

    pub(crate) fn is_in(bug: Bug) -> bool {
        // Whatever asks holds the mark.
        std::hint::black_box(MARK);
        IN.load(Ordering::Relaxed) == bug as usize + 1
    }
}
