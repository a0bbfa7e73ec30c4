//! The store as it would be if nothing were hard: a list of events.

use super::operation::{About, Item, Read};

/// An event, as it was written and as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) stream: String,
    pub(super) version: u64,
    pub(super) position: u64,
    pub(super) event_type: String,
    pub(super) tags: Vec<String>,
    pub(super) id: u128,
    pub(super) payload: Vec<u8>,
}

/// A way in which a list can be wrong, so that it can be shown that this is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A read that begins somewhere and goes backward leaves out the event that it begins at.
    BackwardIsExclusive,
    /// A query's item has events of its types that carry any of its tags, not all of them.
    AnyTagWillDo,
    /// After a crash the last commit is gone.
    LastIsLost,
}

/// All events, and what is promised of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    pub(super) events: Vec<Told>,
    /// The positions between commits.
    pub(super) ends: Vec<usize>,
    /// So many events must be there after a power cut.
    pub(super) durable: usize,
    pub(super) flaw: Option<Flaw>,
}

impl Oracle {
    /// The last version of a stream.
    pub(super) fn head(&self, stream: &str) -> Option<u64> {
        self.events.iter().rfind(|event| event.stream == stream).map(|event| event.version)
    }

    /// Adds the events of a commit: stream, type, tags, id, payload.
    pub(super) fn commit(&mut self, events: Vec<Told>) {
        for event in events {
            let version = self.head(&event.stream).map_or(0, |version| version + 1);
            let position = self.events.len() as u64;
            self.events.push(Told { version, position, ..event });
        }
        self.ends.push(self.events.len());
    }

    /// Whether an event is asked for.
    fn selects(&self, about: &About, event: &Told) -> bool {
        let category = || event.stream.split_once('-').map(|(category, _)| category);
        match about {
            About::All => true,
            About::Stream(name) => event.stream == *name,
            About::Category(name) => category() == Some(name),
            About::Type(name) => event.event_type == *name,
            About::Tag(name) => event.tags.iter().any(|tag| tag == name),
            About::Query(items) => self.matches(items, event),
        }
    }

    pub(super) fn matches(&self, items: &[Item], event: &Told) -> bool {
        let carries = |tag: &&str| event.tags.iter().any(|own| own == tag);
        items.iter().any(|Item { types, tags }| {
            let typed = types.is_empty() || types.contains(&&*event.event_type);
            let tagged = match self.flaw {
                Some(Flaw::AnyTagWillDo) => tags.is_empty() || tags.iter().any(carries),
                _ => tags.iter().all(carries),
            };
            typed && tagged
        })
    }

    /// What a read gives.
    pub(super) fn read(&self, read: &Read) -> Vec<Told> {
        let Read { about, from, backward, limit } = read;
        let number = |event: &Told| match about {
            About::Stream(_) => event.version,
            _ => event.position,
        };
        let begun = |event: &&Told| match (*from, *backward) {
            (None, _) => true,
            (Some(from), false) => number(event) >= from,
            (Some(from), true) if self.flaw == Some(Flaw::BackwardIsExclusive) => {
                number(event) < from
            }
            (Some(from), true) => number(event) <= from,
        };
        let wanted = self.events.iter().filter(|event| self.selects(about, event)).filter(begun);
        let mut found: Vec<Told> = wanted.cloned().collect();
        if *backward {
            found.reverse();
        }
        found.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
        found
    }

    /// The names of all streams that begin so, in the order of their bytes.
    pub(super) fn streams(&self, prefix: &str) -> Vec<String> {
        let names = self.events.iter().map(|event| event.stream.clone());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A crash has left so many events.
    pub(super) fn cut(&mut self, mut events: usize) {
        if self.flaw == Some(Flaw::LastIsLost) {
            let before = self.ends.iter().filter(|end| **end < events);
            events = before.max().copied().unwrap_or(0);
        }
        self.events.truncate(events);
        self.ends.retain(|end| *end <= events);
        self.durable = events;
    }
}
