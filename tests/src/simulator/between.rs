//! Who comes between two calls to the disk.

use super::World;
use crate::checker::Checked;
use crate::subject::{Visit, When, Work};

/// Commits that are placed before the store goes on between the calls of somebody else.
const COMMITS_MAX: usize = 4;
/// What the store does then.
const WORKS_MAX: usize = 12;

impl World {
    /// Another process comes between two calls of the store, or the store goes on between two of its calls.
    pub(super) fn come_between(&mut self) -> Checked {
        if !self.subject.is_calm() {
            return Ok(());
        }
        match self.random.below(10) {
            0..2 if self.subject.can_finish_job() => {
                self.expect_visitor(2);
                self.finish_job()
            }
            0..5 => {
                self.expect_visitor(12);
                self.chore()
            }
            5..8 => {
                let (works, when) = (self.works()?, self.when(80));
                let question = self.question();
                self.subject.read_beside(works, when, &question)
            }
            _ => {
                let (works, when) = (self.works()?, self.when(80));
                self.subject.verify_beside(works, when, &self.harmed())
            }
        }
    }

    /// Another process comes before one of the next so many calls of what the store does next, and perhaps again. Now
    /// and then the power goes off soon after.
    pub(super) fn expect_visitor(&mut self, calls: usize) {
        let (when, question) = (self.when(calls), self.question());
        let power_off = self.random.percent(40).then(|| self.random.below(20) as u64);
        self.subject.expect_visit(Visit { when, question, power_off });
    }

    fn when(&mut self, calls: usize) -> When {
        let (after, every) = (self.random.below(calls) as u64, self.random.below(8) as u64);
        let times = if self.random.percent(50) { 1 } else { 3 };
        When { after, every, times }
    }

    /// Places some commits, so that there is something to do.
    fn works(&mut self) -> Checked<Vec<Work>> {
        for _ in 0..self.random.below(COMMITS_MAX) {
            self.write()?;
        }
        let count = self.random.below(WORKS_MAX);
        let work = |job: bool| if job { Work::Job } else { Work::Chore };
        Ok((0..count).map(|_| work(self.random.percent(60))).collect())
    }
}
