//! Finding events by key: which segments hold it, and where in them.

mod chain;
mod leaf;
mod lost;
mod parts;
mod plan;
mod sight;
#[cfg(test)]
mod tests;
mod version;

use quipu_format::Position;
use quipu_format::record::Check;
use quipu_index::{Head, Key, Way};

use crate::index_files::covered;
use crate::query::Compiled;
use crate::read::{Picks, Search, Selected};
use crate::segments::View;
use crate::{Query, Result};

pub(crate) use chain::segment_of;
pub(crate) use leaf::Leaf;
pub(crate) use lost::Lost;
pub(crate) use parts::{ask, parts};
pub(crate) use plan::Plan;
pub(crate) use sight::{Budget, Sight};
pub(crate) use version::position_of;

/// What is known of a key: how many events have it, and where the last one is. Everything that is posted
/// counts, visible or not.
pub(crate) fn head(view: &View, key: Key) -> Result<Option<Head>> {
    for index in (view.table.loose..view.table.segments.len()).rev() {
        if let Some(head) = head_in(view, index, key)? {
            return Ok(Some(head));
        }
    }
    covered(view, &view.table.heads, key)
}

/// What a loose segment knows of a key. Counts only what it holds of keys other than streams'.
fn head_in(view: &View, index: usize, key: Key) -> Result<Option<Head>> {
    let segment = &view.table.segments[index];
    let held = ask(view, index, |parts| {
        for part in parts.iter().rev() {
            if let Some(held) = part.find(key)? {
                return Ok(Some(held));
            }
        }
        Ok(None)
    })?;
    Ok(held.map(|held| Head {
        count: held.before.saturating_add(u64::from(held.count)),
        position: segment.base.plus(u64::from(held.last)),
        segment: segment.id,
        depth: held.depth,
    }))
}

/// The one of two positions that is met first.
pub(crate) fn nearer(one: Option<Position>, other: Option<Position>, way: Way) -> Option<Position> {
    match (one, other, way) {
        (None, position, _) | (position, None, _) => position,
        (Some(one), Some(other), Way::Forward) => Some(one.min(other)),
        (Some(one), Some(other), Way::Backward) => Some(one.max(other)),
    }
}

/// Position of the first visible event at or after `from` that a query matches.
///
/// # Errors
/// Damage where an event that may be the one cannot be read: nobody knows whether it matches.
pub(crate) fn first_match(
    view: &View,
    query: &Query,
    compiled: &Compiled,
    from: Position,
) -> Result<Option<Position>> {
    let plan = Plan::query(compiled, Way::Forward);
    let range = from..view.visible_position;
    let search = Search::new(view, plan, Way::Forward, range, Check::Sum);
    let mut picks = Picks::new(view.clone(), Selected::Query(query.clone()), search);
    Ok(picks.next()?.map(|found| found.position))
}
