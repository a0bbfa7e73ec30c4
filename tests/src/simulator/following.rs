//! Those who follow the store as long as it is open.

use super::World;
use crate::checker::Checked;

const FOLLOWERS_MAX: usize = 4;

impl World {
    /// Somebody begins to follow the store, or gets some events, or goes on with another subscription.
    pub(super) fn follow(&mut self) -> Checked {
        let followers = self.subject.followers();
        if followers == 0 || (followers < FOLLOWERS_MAX && self.random.percent(10)) {
            let question = self.question();
            let from = if self.random.percent(40) { Some(0) } else { question.from };
            return self.subject.follow(question.selection, from);
        }
        let chosen = self.random.below(followers);
        let count = self.random.between(1, 30);
        self.subject.deliver(chosen, count)?;
        if self.random.percent(10) { self.subject.follow_anew(chosen) } else { Ok(()) }
    }
}
