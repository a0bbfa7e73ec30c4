//! Which keys an event is found by.

use quipu_index::{Key, Keys, Kind};

use crate::Event;

/// A stream's category: what stands before the first `-` of its name; a name without one has none.
pub(crate) fn category(stream: &str) -> Option<&str> {
    stream.split_once('-').map(|(category, _)| category)
}

/// The keys of an event, its stream's first.
pub(crate) fn keys_of<'t>(
    keys: &Keys,
    stream: (Key, &str),
    event_type: &str,
    tags: impl Iterator<Item = &'t str>,
    all: &mut Vec<Key>,
) {
    let (key, name) = stream;
    all.clear();
    all.push(key);
    all.push(keys.key(Kind::EventType, event_type));
    all.extend(category(name).map(|category| keys.key(Kind::Category, category)));
    all.extend(tags.map(|tag| keys.key(Kind::Tag, tag)));
}

/// The keys of an event that was read.
pub(crate) fn keys_of_event(keys: &Keys, event: &Event<'_>, all: &mut Vec<Key>) {
    let stream = (keys.key(Kind::Stream, event.stream()), event.stream());
    keys_of(keys, stream, event.event_type(), event.tags(), all);
}

/// The key under which events are posted that cannot be read: whoever reads by any key must learn of them.
pub(crate) fn lost(keys: &Keys) -> Key {
    keys.key(Kind::Lost, "")
}
