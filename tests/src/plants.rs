//! The bugs that can be put in, each with the harness that must find it, and how soon.

use std::ops::Range;

use quipu::plant::{Bug, put_in};

use crate::checker::Rule::{
    Bytes, Condition, Conflict, Error, Expectation, Following, Lost, Opening, Phantom, Poison,
    Receipt, Recreated, Repeat, Salvage, Selection, Stuck, Told, Torn, Twice, Unbounded,
    Verification,
};
use crate::checker::{Rule, Violation};
use crate::flips;
use crate::fuzzing::{Changed, Target};
use crate::model;
use crate::simulator::{self, Setting};

/// A bug, and what finds it.
#[derive(Debug)]
pub struct Plant {
    /// The bug.
    pub bug: Bug,
    /// What has to find it.
    pub harness: Harness,
    /// How it has to show. Whatever else a try ends with, another may have caused.
    pub sign: Sign,
    /// In so many tries.
    pub within: u64,
}

/// What a bug is known by.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// One of these rules is broken. None, of a harness that knows no rules.
    rules: &'static [Rule],
    /// One of these stands in what is said. None, if the rule says it all.
    words: &'static [&'static str],
}

/// What looks for bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harness {
    /// The simulator; a try is a seed.
    Simulator,
    /// Damaged stores; a try is a store.
    Flips,
    /// A list of events, compared with a store; a try is a life.
    Model,
    /// A fuzz target of this name, without a fuzzer; a try is an input changed at random.
    Changed(&'static str),
}

/// What came of looking for a bug.
#[derive(Debug)]
pub enum Search {
    /// It was found, and without it the same try finds nothing.
    Caught(Found),
    /// The try that found it does so without it too: something else is wrong.
    WithoutIt(Found),
    /// It was not found. The tries that ended in another way were so many, and the first of them in this.
    Missed(u64, Option<Found>),
}

/// How something was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// At which try, from 1.
    pub at: u64,
    /// What was seen.
    pub what: String,
    /// The rule that was broken, of a harness that knows rules.
    rule: Option<Rule>,
}

/// All bugs. Each gets at least five times the tries that it takes on average, so that a change of the schedule, which
/// draws other seeds, loses none.
pub const PLANTS: &[Plant] = &[
    by_simulator(Bug::AcknowledgedBeforeSync, &[Lost], 60),
    by_simulator(Bug::ShortWriteIgnored, &[Error, Opening], 150).saying(&["damaged"]),
    by_simulator(Bug::FailedSyncRetried, &[Poison], 200),
    by_simulator(Bug::VisibleBeforeSync, &[Lost], 40),
    by_simulator(Bug::RolledBeforeSync, &[Opening], 150).saying(&["damaged"]),
    by_simulator(Bug::ConditionJudgedOutside, &[Condition], 10),
    by_simulator(Bug::QueuedNotTold, &[Stuck], 50),
    by_simulator(Bug::RefusedEarly, &[Told], 10),
    by_simulator(Bug::HandedOverEarly, &[Following], 10),
    by_simulator(Bug::ExpectationOfReaders, &[Conflict, Expectation], 10),
    by_simulator(Bug::HeadOfFirstEvent, &[Conflict, Receipt], 10),
    by_simulator(Bug::RetryOfOneEvent, &[Repeat], 30),
    by_simulator(Bug::RetryStoredAgain, &[Twice], 40),
    by_simulator(Bug::RetryNamedOnce, &[Repeat], 20),
    by_simulator(Bug::RetryOnItsWayUnknown, &[Repeat], 50),
    by_simulator(Bug::RetryAfterFailureRefused, &[Repeat], 600),
    by_simulator(Bug::OneIdTwice, &[Twice], 10),
    by_simulator(Bug::FirstTaskNotWoken, &[Stuck], 10),
    by_simulator(Bug::CaughtUpAgain, &[Stuck], 10).saying(&["has caught up"]),
    by_simulator(Bug::TurnHandedBackForEver, &[Stuck], 10).saying(&["is woken"]),
    by_simulator(Bug::EndNotTold, &[Stuck], 300).saying(&["there will be no more"]),
    by_simulator(Bug::FailedWriterBelieved, &[Lost], 8000),
    by_simulator(Bug::PageOfTheDead, &[Lost], 150),
    by_simulator(Bug::LostPageBelieved, &[Following], 2500).saying(&["damaged"]),
    by_simulator(Bug::SilentWriterBelieved, &[Following], 500),
    by_simulator(Bug::SilentWriterLeft, &[Following], 300),
    by_simulator(Bug::ShortagePoisons, &[Error, Poison], 10).saying(&["No space left"]),
    by_simulator(Bug::IndexPoisons, &[Error], 400),
    by_simulator(Bug::NoDirectorySync, &[Lost, Recreated, Opening], 10),
    // What was there before comes back, and what was promised since goes with it.
    by_simulator(Bug::TailNotScrubbed, &[Phantom, Lost, Opening, Verification], 300),
    by_simulator(Bug::ManifestInPlace, &[Opening], 3000).saying(&["/manifest"]),
    by_simulator(Bug::StaleIndexBelieved, &[Error, Following, Selection], 800)
        .saying(&["missing", "instead of"]),
    by_simulator(Bug::SavedIndexBelieved, &[Opening], 100).saying(&["damaged"]),
    by_simulator(Bug::RunCoversMore, &[Selection, Conflict, Receipt], 40),
    by_simulator(Bug::HeadsNotFilled, &[Conflict, Receipt, Selection, Expectation], 20),
    by_simulator(Bug::NamedBeforeSync, &[Opening], 20).saying(&["damaged"]),
    by_simulator(Bug::PositionReused, &[Lost, Torn], 10),
    by_simulator(Bug::TornTailRefused, &[Opening], 50).saying(&["damaged"]),
    by_flips(Bug::DamageTakenForTail, &[Lost], 250),
    by_simulator(Bug::SealedBeforeSync, &[Verification], 800).saying(&["the seal"]),
    by_simulator(Bug::RemovedBeforeRetired, &[Opening], 800).saying(&["the segment is missing"]),
    by_flips(Bug::ChecksumSkipped, &[Bytes], 20),
    by_flips(Bug::RecycledSegment, &[Lost, Selection], 200).saying(&["in the place of"]),
    by_flips(Bug::LengthUnbounded, &[Unbounded], 120),
    by_flips(Bug::DamagedCommitKept, &[Salvage], 20).saying(&["events, not"]),
    by_flips(Bug::LossByKeyNotTold, &[Lost], 100).saying(&["nobody is told"]),
    by_flips(Bug::UnknownHeadBelieved, &[Receipt, Twice, Expectation], 2500),
    by_flips(Bug::LossAtEndNotCounted, &[Verification], 1000).saying(&["is lost"]),
    by_flips(Bug::LossNotListed, &[Salvage], 20).saying(&["nobody is told"]),
    by_flips(Bug::SoundIndexSetAside, &[Error, Conflict, Opening], 100).saying(&["writing: "]),
    by_flips(Bug::TurnHandedBackForEver, &[Stuck], 10),
    // Found by the simulator too: these show that the model finds what it is there for.
    by_model(Bug::HeadOfFirstEvent, &["an acknowledgement", "is refused: conflict"], 30),
    by_model(Bug::RetryOfOneEvent, &["a retry: "], 200),
    by_model(Bug::PositionReused, &["were promised"], 50),
    by_model(Bug::ExpectationOfReaders, &["a commit is refused"], 200),
    by_model(Bug::NoDirectorySync, &["were promised", "is missing"], 50),
    by_model(Bug::CaughtUpAgain, &["following: the store gives None"], 50),
    // That the fuzz targets see what is wrong.
    by_changed(Bug::PositionReused, "segment", &["and there is"], 60),
    by_changed(Bug::PositionReused, "manifest", &["and there is"], 60),
    by_changed(Bug::NoDirectorySync, "operations", &["is missing", "Recreated", "no manifest"], 20),
    by_changed(Bug::ChecksumSkipped, "operations", &["Bytes: "], 20),
    by_changed(Bug::DamagedCommitKept, "operations", &["events, not"], 40),
    by_changed(Bug::DamageTakenForTail, "operations", &["and not served", "nobody is told"], 60),
    by_changed(Bug::TailNotScrubbed, "operations", &["were promised"], 400),
];

/// Bugs that show only where threads meet: `interleave --plants` finds them.
pub const BY_SCENES: &[Bug] = &[
    Bug::LeftoversNotHandedOver,
    Bug::RoomNotTold,
    Bug::PositionBeforeBounds,
    Bug::TicketNotAskedAgain,
    Bug::NewsInBetweenMissed,
    Bug::StopToldTooEarly,
];

/// Bugs that show only where memory is weak: loom finds them in the engine's own models, and ThreadSanitizer.
pub const BY_LOOM: &[Bug] = &[Bug::SlotNotReleased];

/// The bugs that nobody is meant to find.
#[must_use]
pub fn unclaimed() -> Vec<Bug> {
    let by_others = [BY_SCENES, BY_LOOM].concat();
    let is_claimed = |bug| by_others.contains(bug) || PLANTS.iter().any(|plant| plant.bug == *bug);
    Bug::ALL.iter().filter(|bug| !is_claimed(bug)).copied().collect()
}

const fn by_simulator(bug: Bug, rules: &'static [Rule], within: u64) -> Plant {
    let sign = Sign { rules, words: &[] };
    Plant { bug, harness: Harness::Simulator, sign, within }
}

const fn by_flips(bug: Bug, rules: &'static [Rule], within: u64) -> Plant {
    let sign = Sign { rules, words: &[] };
    Plant { bug, harness: Harness::Flips, sign, within }
}

const fn by_changed(
    bug: Bug,
    target: &'static str,
    words: &'static [&'static str],
    within: u64,
) -> Plant {
    let sign = Sign { rules: &[], words };
    Plant { bug, harness: Harness::Changed(target), sign, within }
}

const fn by_model(bug: Bug, words: &'static [&'static str], within: u64) -> Plant {
    let sign = Sign { rules: &[], words };
    Plant { bug, harness: Harness::Model, sign, within }
}

impl Harness {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Harness::Simulator => "the simulator",
            Harness::Flips => "damaged stores",
            Harness::Model => "the model",
            Harness::Changed(_) => "changed inputs",
        }
    }

    /// One try after the other, each by its number.
    fn attempts(self) -> Box<dyn Fn(u64) -> Option<Found>> {
        match self {
            Harness::Simulator => Box::new(|number| {
                simulator::run(number, Setting::default()).violation.map(Found::from)
            }),
            Harness::Flips => Box::new(|number| flips::run(number).map(Found::from)),
            Harness::Model => Box::new(|number| {
                model::run(number, 1, None).err().map(|difference| Found::from(difference.what))
            }),
            Harness::Changed(name) => match Target::named(name).map(Changed::of) {
                Some(inputs) => Box::new(move |number| inputs.judge(number).err().map(Found::from)),
                None => Box::new(|_| None),
            },
        }
    }
}

impl From<Violation> for Found {
    fn from(violation: Violation) -> Found {
        Found { at: 0, what: violation.to_string(), rule: Some(violation.rule) }
    }
}

impl From<String> for Found {
    fn from(what: String) -> Found {
        Found { at: 0, what, rule: None }
    }
}

impl Sign {
    /// Whether this is what was seen.
    fn is_shown(self, found: &Found) -> bool {
        let Sign { rules, words } = self;
        let is_broken = match found.rule {
            Some(rule) => rules.contains(&rule),
            None => rules.is_empty(),
        };
        is_broken && (words.is_empty() || words.iter().any(|word| found.what.contains(word)))
    }
}

impl Plant {
    /// It is known by one of these words too.
    const fn saying(self, words: &'static [&'static str]) -> Plant {
        Plant { sign: Sign { words, ..self.sign }, ..self }
    }

    /// Puts the bug in and looks for its sign; then takes it out and looks again.
    #[must_use]
    pub fn find(&self, tries: Range<u64>) -> Search {
        let attempt = self.harness.attempts();
        let (mut others, mut first) = (0, None);
        for (number, at) in tries.zip(1..) {
            put_in(Some(self.bug));
            let seen = attempt(number);
            put_in(None);
            let Some(found) = seen.map(|seen| Found { at, ..seen }) else { continue };
            if self.sign.is_shown(&found) {
                let control = attempt(number).map(|seen| Found { at, ..seen });
                return control.map_or(Search::Caught(found), Search::WithoutIt);
            }
            others += 1;
            first.get_or_insert(found);
        }
        Search::Missed(others, first)
    }
}
