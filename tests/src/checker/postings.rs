//! Where the events stand that somebody asks for.

use std::collections::BTreeMap;
use std::ops::Range;

use super::looks::look;
use crate::content::{self, Labels};
use crate::history::{Item, Order, Selection, Stream};

/// What events are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    All,
    Stream(Stream),
    Category(&'static str),
    Labels(Labels),
}

/// The positions of all events that have a key, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Postings(BTreeMap<Key, Vec<u64>>);

impl Postings {
    /// Notes an event behind all others.
    pub(super) fn push(&mut self, position: u64, stream: Stream, id: u64) {
        for key in keys_of(stream, id) {
            self.0.entry(key).or_default().push(position);
        }
    }

    /// Takes away the last event, which is this one.
    pub(super) fn pop(&mut self, stream: Stream, id: u64) {
        for key in keys_of(stream, id) {
            self.0.get_mut(&key).and_then(Vec::pop);
        }
    }

    /// The positions of a stream's events, by version.
    pub(super) fn of_stream(&self, stream: Stream) -> &[u64] {
        self.list(Key::Stream(stream))
    }

    /// The first `limit` positions, in this order, of the selected events that stand within a range.
    pub(super) fn select(
        &self,
        selection: &Selection,
        within: Range<u64>,
        order: Order,
        limit: usize,
    ) -> Vec<u64> {
        if within.is_empty() {
            return Vec::new();
        }
        let lists = keys_for(selection).into_iter().map(|key| self.list(key));
        let parts = lists.map(|list| part(list, &within, order, limit));
        let mut positions: Vec<u64> = parts.flatten().inspect(|_| look()).copied().collect();
        positions.sort_unstable();
        if order == Order::Backward {
            positions.reverse();
        }
        positions.truncate(limit);
        positions
    }

    /// The position of the first selected event that stands within a range.
    pub(super) fn first(&self, selection: &Selection, within: Range<u64>) -> Option<u64> {
        self.select(selection, within, Order::Forward, 1).first().copied()
    }

    /// Where what is selected goes on with this number, which in a stream is a version: behind everything, if that is
    /// not there yet.
    pub(super) fn position_of(&self, selection: &Selection, number: u64) -> u64 {
        let Selection::Stream(stream) = selection else { return number };
        let version = usize::try_from(number).ok();
        let position = version.and_then(|version| self.of_stream(*stream).get(version));
        position.copied().unwrap_or(u64::MAX)
    }

    fn list(&self, key: Key) -> &[u64] {
        look();
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// As [`Postings::select`], of one list.
fn part<'l>(list: &'l [u64], within: &Range<u64>, order: Order, limit: usize) -> &'l [u64] {
    let before = |bound: u64| {
        list.partition_point(|&position| {
            look();
            position < bound
        })
    };
    let (first, end) = (before(within.start), before(within.end));
    let part = match order {
        Order::Forward => first..end.min(first.saturating_add(limit)),
        Order::Backward => first.max(end.saturating_sub(limit))..end,
    };
    &list[part]
}

/// The keys of an event.
fn keys_of(stream: Stream, id: u64) -> impl Iterator<Item = Key> {
    let category = content::stream_name(stream).split_once('-');
    let category = category.map(|(category, _)| Key::Category(category));
    [Key::All, Key::Stream(stream), Key::Labels(Labels::of(id))].into_iter().chain(category)
}

/// The keys of what is selected. An event has one of them at most.
fn keys_for(selection: &Selection) -> Vec<Key> {
    match selection {
        Selection::All => vec![Key::All],
        Selection::Stream(stream) => vec![Key::Stream(*stream)],
        Selection::Category(category) => vec![Key::Category(category)],
        Selection::Query(items) => {
            let matching = Labels::all().filter(|labels| matches(items, *labels));
            matching.map(Key::Labels).collect()
        }
    }
}

/// Whether any of the items matches an event with these labels.
pub(super) fn matches(items: &[Item], labels: Labels) -> bool {
    items.iter().any(|item| {
        (item.types.is_empty() || item.types.contains(&labels.event_type))
            && item.tags.iter().all(|&tag| tag < labels.tags)
    })
}
