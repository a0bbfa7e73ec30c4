//! Those who follow the store as long as it is open.

use super::World;
use crate::checker::Checked;

const FOLLOWERS_MAX: usize = 4;

impl World {
    /// Somebody begins to follow the store, or gets some events, or goes on with another subscription.
    pub(super) fn follow(&mut self) -> Checked {
        if self.random.percent(40) {
            return self.follow_elsewhere();
        }
        self.follow_here()
    }

    /// In the writer's process.
    pub(super) fn follow_here(&mut self) -> Checked {
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

    /// The same in another process.
    fn follow_elsewhere(&mut self) -> Checked {
        if !self.subject.is_read_elsewhere() {
            return self.subject.open_elsewhere();
        }
        match self.random.below(20) {
            0 => {
                self.subject.leave_elsewhere();
                Ok(())
            }
            1..10 => {
                let question = self.question();
                self.subject.ask_elsewhere(question)
            }
            _ => {
                let count = self.random.between(1, 60);
                self.subject.deliver_elsewhere(count)
            }
        }
    }
}
