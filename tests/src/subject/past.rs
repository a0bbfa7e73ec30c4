//! Commits of before, to be sent once more.

use std::collections::{HashMap, VecDeque};

use quipu::ExpectedVersion;

use super::Submission;
use crate::history::{Commit, Part};
use crate::random::Random;

/// Commits that are kept to be repeated.
const PAST_MAX: usize = 12;

/// Commits of before that are repeated now and then.
#[derive(Default)]
pub(super) struct Past {
    submissions: VecDeque<Submission>,
    /// Under which number the commit with this first event was taken last.
    numbers: HashMap<u64, Commit>,
}

impl Past {
    /// Notes that a commit was taken, and keeps it to be repeated.
    pub(super) fn take(&mut self, submission: &Submission, by_id: bool) {
        let number = first_id(&submission.parts).map(|id| (id, submission.commit));
        if number.is_some_and(|(id, commit)| self.numbers.insert(id, commit).is_none()) {
            self.remember(submission, by_id);
        }
    }

    /// The number under which a commit of these parts was taken.
    pub(super) fn taken_as(&self, parts: &[Part]) -> Option<Commit> {
        self.numbers.get(&first_id(parts)?).copied()
    }

    /// Keeps a commit whose retry the store can recognise: one that expects an exact version of a stream that
    /// it appends to, or any if the store knows its events by id.
    fn remember(&mut self, submission: &Submission, by_id: bool) {
        let exact = |part: &Part| {
            let expects =
                matches!(part.expected, ExpectedVersion::NoStream | ExpectedVersion::Exact(_));
            expects && !part.events.is_empty()
        };
        if by_id || submission.parts.iter().any(exact) {
            self.submissions.push_back(submission.clone());
        }
        if self.submissions.len() > PAST_MAX {
            self.submissions.pop_front();
        }
    }

    pub(super) fn pick(&self, random: &mut Random) -> Option<Submission> {
        if self.submissions.is_empty() {
            return None;
        }
        self.submissions.get(random.below(self.submissions.len())).cloned()
    }
}

fn first_id(parts: &[Part]) -> Option<u64> {
    parts.iter().flat_map(|part| &part.events).map(|event| event.id).next()
}
