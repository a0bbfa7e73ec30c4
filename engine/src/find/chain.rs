//! The segments that hold a key, followed from the newest back.

use quipu_format::{Position, SegmentId};
use quipu_index::{Held, IndexError, Key, Part};

use super::ask;
use crate::Result;
use crate::index_files::covered;
use crate::segments::View;

/// A segment that holds a key.
pub(super) struct Node {
    /// The segment's index in the view's table.
    pub(super) index: usize,
    pub(super) key: Key,
    /// The parts that hold the key, and what they hold: a file, then what is in memory.
    pub(super) held: Holding,
}

pub(super) type Holding = [Option<(Part, Held)>; 2];

/// Index of the segment in which a position lies, or would.
pub(crate) fn segment_of(view: &View, position: Position) -> usize {
    let after = view.table.segments.partition_point(|segment| segment.base <= position);
    after.saturating_sub(1)
}

/// What a segment holds of a key.
pub(super) fn node(view: &View, index: usize, key: Key) -> Result<Option<Node>> {
    let held = ask(view, index, |parts| hold(parts, key))?;
    Ok(Node::new(index, key, held))
}

/// What a segment holds of a key, after a question about it failed: its index is made anew if the question
/// fails again.
pub(super) fn renewed(
    view: &View,
    node: &Node,
    question: impl Fn(&Part, &Held) -> std::result::Result<(), IndexError>,
) -> Result<Option<Node>> {
    let held = ask(view, node.index, |parts| {
        let held = hold(parts, node.key)?;
        held.iter().flatten().try_for_each(|(part, held)| question(part, held))?;
        Ok(held)
    })?;
    Ok(Node::new(node.index, node.key, held))
}

fn hold(parts: &[Part], key: Key) -> std::result::Result<Holding, IndexError> {
    let mut holding = [None, None];
    for (slot, part) in holding.iter_mut().zip(parts) {
        *slot = part.find(key)?.map(|held| (part.clone(), held));
    }
    Ok(holding)
}

/// The last of the segments before the loose ones that holds a key.
pub(super) fn newest(view: &View, key: Key) -> Result<Option<Node>> {
    let table = &view.table;
    let Some(head) = covered(view, &table.heads, key)? else { return Ok(None) };
    match linked(view, head.segment, table.loose, key)? {
        Some(node) => Ok(Some(node)),
        None => probe(view, key, 0, table.loose),
    }
}

/// The next segment back that holds the key: by the jump where that does not go past index `wanted`, else
/// the one right before. None where that lies below index `floor`.
pub(super) fn behind(
    view: &View,
    node: &Node,
    wanted: usize,
    floor: usize,
) -> Result<Option<Node>> {
    let segments = &view.table.segments;
    let Some(held) = node.links() else { return probe(view, node.key, floor, node.index) };
    let reaches = |segment: SegmentId, least: usize| segment >= segments[least].id;
    if let Some(jump) = held.jump.filter(|&jump| reaches(jump, wanted))
        && let Some(found) = linked(view, jump, node.index, node.key)?
    {
        return Ok(Some(found));
    }
    let Some(prev) = held.prev.filter(|&prev| reaches(prev, floor)) else { return Ok(None) };
    match linked(view, prev, node.index, node.key)? {
        Some(found) => Ok(Some(found)),
        None => probe(view, node.key, floor, node.index),
    }
}

/// The last segment of a range that holds a key, by looking into one after the other: where no link says which
/// it is, or the one that it leads to has lost its events.
fn probe(view: &View, key: Key, floor: usize, end: usize) -> Result<Option<Node>> {
    for index in (floor..end).rev() {
        if let Some(found) = node(view, index, key)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The node that an index leads to, which must lie below index `below`.
fn linked(view: &View, segment: SegmentId, below: usize, key: Key) -> Result<Option<Node>> {
    match view.table.segments.binary_search_by_key(&segment, |segment| segment.id) {
        Ok(index) if index < below => node(view, index, key),
        _ => Ok(None),
    }
}

impl Node {
    fn new(index: usize, key: Key, held: Holding) -> Option<Node> {
        held.iter().any(Option::is_some).then_some(Node { index, key, held })
    }

    /// What knows the way back: only a file does.
    fn links(&self) -> Option<Held> {
        match &self.held[0] {
            Some((Part::File(_), held)) => Some(*held),
            _ => None,
        }
    }
}
