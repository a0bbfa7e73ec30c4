//! Asking the store under test for events by what they are about.

use quipu::stepping::Stepper;
use quipu::{Events, Opening, Position, Query, Store, StreamHead, Streams, Version};

use super::Subject;
use crate::checker::Checked;
use crate::content;
use crate::history::{Entry, Order, Question, Seen, Selection};

impl Subject {
    /// Asks a question and has the answer checked. Nothing, where a planned fault explains it.
    ///
    /// # Errors
    /// What the answer breaks.
    pub fn ask(&mut self, question: Question) -> Checked {
        let before = self.disk.operations();
        let visible = self.visible()?;
        self.record(Entry::Looked { visible })?;
        match answer(self.stepper()?, &question) {
            Ok(events) => {
                self.counts.selections += 1;
                self.record(Entry::Selected { question, visible, events })
            }
            Err(error) => self.explain_read(before, &error),
        }
    }
}

/// Whoever can be asked for events.
pub(crate) trait Asked {
    fn opening(&self) -> &Opening;
    fn next_position(&self) -> Position;
    fn all(&self) -> quipu::Selection<'_>;
    fn stream(&self, name: &str) -> quipu::Selection<'_, Version>;
    fn category(&self, category: &str) -> quipu::Selection<'_>;
    fn event_type(&self, event_type: &str) -> quipu::Selection<'_>;
    fn tag(&self, tag: &str) -> quipu::Selection<'_>;
    fn query(&self, query: Query) -> quipu::Selection<'_>;
    fn head(&self, stream: &str) -> quipu::Result<Option<StreamHead>>;
    fn streams(&self, prefix: &str) -> quipu::Result<Streams>;
}

macro_rules! asked {
    ($($store:ty)*) => {
        $(impl Asked for $store {
            fn opening(&self) -> &Opening {
                self.opening()
            }

            fn next_position(&self) -> Position {
                self.next_position()
            }

            fn all(&self) -> quipu::Selection<'_> {
                self.all()
            }

            fn stream(&self, name: &str) -> quipu::Selection<'_, Version> {
                self.stream(name)
            }

            fn category(&self, category: &str) -> quipu::Selection<'_> {
                self.category(category)
            }

            fn event_type(&self, event_type: &str) -> quipu::Selection<'_> {
                self.event_type(event_type)
            }

            fn tag(&self, tag: &str) -> quipu::Selection<'_> {
                self.tag(tag)
            }

            fn query(&self, query: Query) -> quipu::Selection<'_> {
                self.query(query)
            }

            fn head(&self, stream: &str) -> quipu::Result<Option<StreamHead>> {
                self.head(stream)
            }

            fn streams(&self, prefix: &str) -> quipu::Result<Streams> {
                self.streams(prefix)
            }
        })*
    };
}

asked!(Stepper Store);

/// The events that answer a question.
pub(super) fn answer(store: &impl Asked, question: &Question) -> quipu::Result<Vec<Seen>> {
    let (mut cursor, mut events) = (cursor(store, question)?, Vec::new());
    while let Some(event) = cursor.next()? {
        events.push(content::seen(&event));
    }
    Ok(events)
}

fn cursor(store: &impl Asked, question: &Question) -> quipu::Result<Events> {
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
        Selection::All => narrowed!(store.all(), Position),
        Selection::Stream(stream) => {
            let name = content::stream_name(*stream);
            narrowed!(store.stream(name), Version)
        }
        Selection::Category(category) => narrowed!(store.category(category), Position),
        Selection::Query(items) => narrowed!(store.query(content::query(items)), Position),
    }
}
