//! Asking the store under test for events by what they are about.

use quipu::stepping::Stepper;
use quipu::{Events, Position, Version};

use super::Subject;
use crate::checker::Checked;
use crate::content::{self, STREAMS};
use crate::history::{Entry, Order, Question, Selection};

impl Subject {
    /// Asks a question and has the answer checked. Nothing, where a planned fault explains it.
    ///
    /// # Errors
    /// What the answer breaks.
    pub fn ask(&mut self, question: Question) -> Checked {
        let before = self.disk.operations();
        let visible = self.visible()?;
        self.record(Entry::Looked { visible })?;
        let mut events = Vec::new();
        let answered = cursor(self.stepper()?, &question).and_then(|mut cursor| {
            while let Some(event) = cursor.next()? {
                events.push(content::seen(&event));
            }
            Ok(())
        });
        if let Err(error) = answered {
            return self.explain_read(before, &error);
        }
        self.counts.selections += 1;
        self.record(Entry::Selected { question, visible, events })
    }
}

fn cursor(stepper: &Stepper, question: &Question) -> quipu::Result<Events> {
    let Question { selection, order, from, limit } = question;
    let limit = *limit as u64;
    macro_rules! narrowed {
        ($read:expr, $number:expr) => {{
            let mut read = $read.limit(limit);
            if let Some(from) = from {
                read = read.from($number(*from));
            }
            if *order == Order::Backward {
                read = read.backward();
            }
            read.events()
        }};
    }
    match selection {
        Selection::All => narrowed!(stepper.all(), Position),
        Selection::Stream(stream) => {
            let name = STREAMS[usize::from(*stream) % STREAMS.len()];
            narrowed!(stepper.stream(name), Version)
        }
        Selection::Category(category) => narrowed!(stepper.category(category), Position),
        Selection::Query(items) => narrowed!(stepper.query(content::query(items)), Position),
    }
}
