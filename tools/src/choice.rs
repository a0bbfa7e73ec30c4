//! Which events are asked for, and how the index finds them.

use quipu::{Event, Events, Position, Query, QueryItem, Result, Selection, Store, Version};

use crate::cli::ChoiceArgs;

/// Events that the index finds: all that are asked for, and maybe others.
#[derive(Debug)]
pub(crate) enum Chosen<'s> {
    /// Those of a stream, which are counted by their versions.
    OfStream(Selection<'s, Version>),
    /// Others, which are counted by their positions.
    OfStore(Selection<'s>),
}

impl ChoiceArgs {
    /// Asks the index for as little as it can find. A stream says most, then tags, then a category: the
    /// types of events are few.
    pub(crate) fn select<'s>(&self, store: &'s Store) -> Chosen<'s> {
        if let Some(stream) = &self.stream {
            return Chosen::OfStream(store.stream(stream));
        }
        Chosen::OfStore(match &self.category {
            Some(category) if self.tags.is_empty() => store.category(category),
            _ if self.tags.is_empty() && self.types.is_empty() => store.all(),
            _ => store.query(Query::new().item(self.item())),
        })
    }

    fn item(&self) -> QueryItem {
        let item = self.types.iter().fold(QueryItem::new(), QueryItem::event_type);
        self.tags.iter().fold(item, QueryItem::tag)
    }

    /// Whether an event is asked for.
    pub(crate) fn admits(&self, event: &Event<'_>) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream == event.stream())
            && self
                .category
                .as_deref()
                .is_none_or(|wanted| category(event.stream()) == Some(wanted))
            && (self.types.is_empty()
                || self.types.iter().any(|wanted| wanted == event.event_type()))
            && self.tags.iter().all(|wanted| event.tags().any(|tag| tag == wanted))
    }
}

impl Chosen<'_> {
    /// Begins with this position, as far as the index counts by positions.
    pub(crate) fn starting_at(self, position: Position) -> Self {
        match self {
            Chosen::OfStream(selection) => Chosen::OfStream(selection),
            Chosen::OfStore(selection) => Chosen::OfStore(selection.from(position)),
        }
    }

    /// Begins with the newest.
    pub(crate) fn backward(self) -> Self {
        match self {
            Chosen::OfStream(selection) => Chosen::OfStream(selection.backward()),
            Chosen::OfStore(selection) => Chosen::OfStore(selection.backward()),
        }
    }

    pub(crate) fn events(self) -> Result<Events> {
        match self {
            Chosen::OfStream(selection) => selection.events(),
            Chosen::OfStore(selection) => selection.events(),
        }
    }
}

/// What stands before the first `-` of a stream's name.
fn category(stream: &str) -> Option<&str> {
    stream.split_once('-').map(|(category, _)| category)
}

#[cfg(test)]
mod tests;
