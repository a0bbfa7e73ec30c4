//! Commits of before, to be sent once more.

use std::collections::{HashSet, VecDeque};

use super::Submission;
use crate::checker::{has_a_place, is_named};
use crate::history::Part;
use crate::random::Random;

/// Commits that are kept to be repeated.
const PAST_MAX: usize = 12;

/// Commits of before that are repeated now and then.
#[derive(Default)]
pub(super) struct Past {
    submissions: VecDeque<Submission>,
    /// The first events of commits that were taken.
    taken: HashSet<u64>,
}

impl Past {
    /// Notes that a commit was taken, and keeps it to be repeated.
    pub(super) fn take(&mut self, submission: &Submission, by_id: bool) {
        let is_new = first_id(&submission.parts).is_some_and(|id| self.taken.insert(id));
        if is_new {
            self.remember(submission, by_id);
        }
    }

    /// Keeps a commit whose retry is not taken for another one: it says where it must stand, or the store knows its
    /// events by their ids.
    fn remember(&mut self, submission: &Submission, by_id: bool) {
        let parts = &submission.parts;
        if has_a_place(parts) || (by_id && is_named(parts)) {
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
