//! Reads and conditions by what events are about.

use super::log::Event;
use super::{Checked, Checker, Rule, ensure};
use crate::content::{self, Labels};
use crate::history::{Commit, Condition, Item, Order, Question, Seen, Selection};

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
    fn answer(&self, question: &Question, visible: u64) -> Vec<u64> {
        let Question { selection, order, from, limit } = question;
        let positions = (0..visible).filter(|&position| {
            self.log.get(position).is_some_and(|event| matches(selection, event))
        });
        let number = |position: u64| match (selection, self.log.get(position)) {
            (Selection::Stream(_), Some(event)) => event.version,
            _ => position,
        };
        let mut positions: Vec<u64> = match order {
            Order::Forward => {
                let from = from.unwrap_or(0);
                positions.filter(|&position| number(position) >= from).collect()
            }
            Order::Backward => {
                let from = from.unwrap_or(u64::MAX);
                let mut found: Vec<u64> =
                    positions.filter(|&position| number(position) <= from).collect();
                found.reverse();
                found
            }
        };
        positions.truncate(*limit);
        positions
    }

    /// A commit with this condition may be taken.
    pub(super) fn allowed(&self, commit: Commit, condition: Option<&Condition>) -> Checked {
        let Some(condition) = condition else { return Ok(()) };
        let first = condition.after.map_or(0, |after| after + 1);
        let forbidden =
            (first..self.log.len()).find(|&position| self.is_forbidden(condition, position));
        ensure(forbidden.is_none(), Rule::Condition, || {
            format!("commit {commit} was taken, {condition:?} forbids it by {forbidden:?}")
        })
    }

    fn is_forbidden(&self, condition: &Condition, position: u64) -> bool {
        let is_new = condition.after.is_none_or(|after| position > after);
        let event = self.log.get(position).filter(|_| is_new);
        event.is_some_and(|event| condition.items.iter().any(|item| item_matches(item, event)))
    }

    /// A commit was refused for an event that its condition forbids.
    pub(super) fn barred(
        &mut self,
        commit: Commit,
        condition: &Condition,
        position: u64,
    ) -> Checked {
        ensure(self.is_forbidden(condition, position), Rule::Conflict, || {
            format!("commit {commit} was refused, {condition:?} does not forbid {position}")
        })?;
        self.conflicts.insert(commit, Some(position));
        Ok(())
    }
}

pub(super) fn matches(selection: &Selection, event: &Event) -> bool {
    match selection {
        Selection::All => true,
        Selection::Stream(stream) => event.stream == *stream,
        Selection::Category(category) => {
            let name = content::stream_name(event.stream);
            name.split_once('-').is_some_and(|(own, _)| own == *category)
        }
        Selection::Query(items) => items.iter().any(|item| item_matches(item, event)),
    }
}

fn item_matches(item: &Item, event: &Event) -> bool {
    let labels = Labels::of(event.written.id);
    (item.types.is_empty() || item.types.contains(&labels.event_type))
        && item.tags.iter().all(|&tag| tag < labels.tags)
}
