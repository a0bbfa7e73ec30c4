//! Reads and conditions by what events are about.

use super::postings::matches;
use super::{Checked, Checker, Rule, ensure};
use crate::content::Labels;
use crate::history::{Commit, Condition, Order, Question, Seen, Selection};

impl Checker {
    /// What was read must be exactly what was asked for.
    pub(super) fn selected(
        &mut self,
        question: &Question,
        visible: u64,
        events: &[Seen],
    ) -> Checked {
        ensure(visible <= self.visible, Rule::Nonsense, || "a cursor of the future".to_owned())?;
        self.answered(question, visible, events)
    }

    /// What was read by whoever saw so much must be exactly what was asked for.
    pub(super) fn answered(&self, question: &Question, visible: u64, events: &[Seen]) -> Checked {
        let wanted = self.answer(question, visible);
        events.iter().try_for_each(|seen| self.log.compare_event(seen))?;
        let got: Vec<u64> = events.iter().map(|seen| seen.position).collect();
        ensure(got == wanted, Rule::Selection, || {
            format!("{question:?} with {visible} visible: {got:?} instead of {wanted:?}")
        })
    }

    /// The positions that answer a question.
    pub(super) fn answer(&self, question: &Question, visible: u64) -> Vec<u64> {
        let Question { selection, order, from, limit } = question;
        let postings = self.log.postings();
        let position_of = |number: u64| postings.position_of(selection, number);
        let within = match order {
            Order::Forward => position_of(from.unwrap_or(0))..visible,
            Order::Backward => {
                let behind = from.and_then(|last| last.checked_add(1)).map_or(visible, position_of);
                0..visible.min(behind)
            }
        };
        postings.select(selection, within, *order, *limit)
    }

    /// A commit with this condition may be taken.
    pub(super) fn allowed(&self, commit: Commit, condition: Option<&Condition>) -> Checked {
        let Some(condition) = condition else { return Ok(()) };
        let selection = Selection::Query(condition.items.clone());
        let first = condition.after.map_or(0, |after| after.saturating_add(1));
        let forbidden = self.log.postings().first(&selection, first..self.log.len());
        ensure(forbidden.is_none(), Rule::Condition, || {
            format!("commit {commit} was taken, {condition:?} forbids it by {forbidden:?}")
        })
    }

    /// A commit was refused for an event that its condition forbids.
    pub(super) fn barred(
        &mut self,
        commit: Commit,
        condition: &Condition,
        position: u64,
    ) -> Checked {
        let is_new = condition.after.is_none_or(|after| position > after);
        let event = self.log.get(position).filter(|_| is_new);
        let labels = event.map(|event| Labels::of(event.written.id));
        let is_forbidden = labels.is_some_and(|labels| matches(&condition.items, labels));
        ensure(is_forbidden, Rule::Conflict, || {
            format!("commit {commit} was refused, {condition:?} does not forbid {position}")
        })?;
        self.conflicts.insert(commit, Some(position));
        Ok(())
    }
}
