//! Reads by stream, category, type and tags.

use super::World;
use crate::checker::Checked;
use crate::content;
use crate::history::{Order, Question, Selection, Stream};

/// Questions that are asked whenever the store was opened: its index has been read or made anew.
const QUESTIONS_AFTER_OPENING: usize = 2;

impl World {
    /// Asks for some events and checks the answer.
    pub(super) fn ask(&mut self) -> Checked {
        let question = self.question();
        self.subject.ask(question)
    }

    /// Asks some questions about a store that was just opened.
    pub(super) fn ask_around(&mut self) -> Checked {
        (0..QUESTIONS_AFTER_OPENING).try_for_each(|_| self.ask())
    }

    pub(super) fn question(&mut self) -> Question {
        let stream = self.random.below(self.profile.streams);
        let number = Stream::try_from(stream).unwrap_or_default();
        let selection = match self.random.below(10) {
            0..4 => Selection::Stream(number),
            4..6 => {
                let category = content::stream_name(number).split_once('-');
                Selection::Category(category.map_or("none", |(category, _)| category))
            }
            6 => Selection::All,
            _ => Selection::Query(self.items()),
        };
        let order = if self.random.percent(50) { Order::Forward } else { Order::Backward };
        let next = usize::try_from(self.subject.checker().next_position()).unwrap_or(usize::MAX);
        let from = self.random.percent(50).then(|| self.random.below(next + 3) as u64);
        let limit = if self.random.percent(50) { usize::MAX } else { self.random.below(20) };
        Question { selection, order, from, limit }
    }
}
