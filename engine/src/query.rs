//! Queries: which events are asked for, by type and tags.

use quipu_format::limits::{TAG_BYTES_MAX, TAGS_MAX, TYPE_BYTES_MAX};
use quipu_index::{Key, Keys, Kind};

use crate::{Error, Event, Result};

/// Items of a query, and types of an item, at most.
const ITEMS_MAX: usize = 256;

/// Which events are asked for: those that any of the items matches, as in the specification of dynamic
/// consistency boundaries (<https://dcb.events/specification/>).
///
/// ```
/// use quipu::{Query, QueryItem};
///
/// let query = Query::new()
///     .item(QueryItem::new().event_type("SeatReserved").tag("show:7"))
///     .item(QueryItem::new().tag("customer:42"));
/// # let _ = query;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    items: Vec<QueryItem>,
}

/// One item of a query: it matches events of *any of* its types that carry *all of* its tags. Without
/// types it matches those of every type, without tags whatever their tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryItem {
    pub(crate) types: Vec<String>,
    pub(crate) tags: Vec<String>,
}

impl Query {
    /// A query without items, which matches nothing.
    #[must_use]
    pub fn new() -> Query {
        Query::default()
    }

    /// A query that matches every event.
    #[must_use]
    pub fn all() -> Query {
        Query::new().item(QueryItem::new())
    }

    /// Adds an item; what it matches is matched too. At most 256.
    #[must_use]
    pub fn item(mut self, item: QueryItem) -> Query {
        self.items.push(item);
        self
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if self.items.len() > ITEMS_MAX {
            return Err(Error::invalid("a query takes at most 256 items"));
        }
        self.items.iter().try_for_each(QueryItem::validate)
    }

    pub(crate) fn matches(&self, event: &Event<'_>) -> bool {
        self.items.iter().any(|item| item.matches(event))
    }
}

impl QueryItem {
    /// An item that matches every event.
    #[must_use]
    pub fn new() -> QueryItem {
        QueryItem::default()
    }

    /// Adds a type: events of any of the types match. At most 256.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> QueryItem {
        self.types.push(event_type.into());
        self
    }

    /// Adds a tag: events that carry all of the tags match. At most 32.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> QueryItem {
        self.tags.push(tag.into());
        self
    }

    fn validate(&self) -> Result<()> {
        let fits = |name: &String, most| (1..=most).contains(&name.len());
        if self.types.len() > ITEMS_MAX || !self.types.iter().all(|name| fits(name, TYPE_BYTES_MAX))
        {
            return Err(Error::invalid("an item takes at most 256 types of 1 to 255 bytes"));
        }
        if self.tags.len() > TAGS_MAX || !self.tags.iter().all(|name| fits(name, TAG_BYTES_MAX)) {
            return Err(Error::invalid("an item takes at most 32 tags of 1 to 255 bytes"));
        }
        Ok(())
    }

    fn matches(&self, event: &Event<'_>) -> bool {
        (self.types.is_empty() || self.types.iter().any(|name| name == event.event_type()))
            && self.tags.iter().all(|tag| event.tags().any(|carried| carried == tag))
    }
}

/// A query by keys.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) items: Vec<CompiledItem>,
}

/// An item by keys: any of the types, all of the tags.
#[derive(Clone, Debug)]
pub(crate) struct CompiledItem {
    /// Sorted.
    pub(crate) types: Vec<Key>,
    pub(crate) tags: Vec<Key>,
}

impl Compiled {
    pub(crate) fn new(query: &Query, keys: &Keys) -> Compiled {
        let all = |kind, names: &[String]| names.iter().map(|name| keys.key(kind, name)).collect();
        let items = query.items.iter().map(|item| {
            let mut types: Vec<Key> = all(Kind::EventType, &item.types);
            types.sort_unstable();
            CompiledItem { types, tags: all(Kind::Tag, &item.tags) }
        });
        Compiled { items: items.collect() }
    }

    /// Keys of which each event that is asked for has at least one; nothing where it may have none of them.
    pub(crate) fn needed(&self) -> Option<Vec<Key>> {
        let mut needed = Vec::new();
        for CompiledItem { types, tags } in &self.items {
            match (tags.first(), &types[..]) {
                (Some(&tag), _) => needed.push(tag),
                (None, []) => return None,
                (None, types) => needed.extend(types),
            }
        }
        Some(needed)
    }

    /// Whether an event with these keys is asked for.
    pub(crate) fn matches(&self, event: &[Key]) -> bool {
        let is_any = |types: &[Key]| event.iter().any(|key| types.binary_search(key).is_ok());
        self.items.iter().any(|item| {
            (item.types.is_empty() || is_any(&item.types))
                && item.tags.iter().all(|key| event.contains(key))
        })
    }

    /// Comparisons that an event with few keys takes.
    pub(crate) fn terms(&self) -> usize {
        self.items
            .iter()
            .map(|item| 1 + item.tags.len() + usize::from(!item.types.is_empty()))
            .sum()
    }
}

/// What must not have happened for a commit to be taken: the dynamic consistency boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendCondition {
    /// The commit fails if any event matches this.
    pub fail_if: Query,
    /// Events up to this position, itself included, do not count: the writer has seen them.
    pub after: Option<quipu_format::Position>,
}

impl Query {
    /// The condition that no event matches this query.
    #[must_use]
    pub fn absent(self) -> AppendCondition {
        AppendCondition { fail_if: self, after: None }
    }

    /// The condition that no event after this position matches this query.
    #[must_use]
    pub fn after(self, position: impl Into<quipu_format::Position>) -> AppendCondition {
        AppendCondition { fail_if: self, after: Some(position.into()) }
    }
}
