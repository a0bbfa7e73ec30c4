//! How the events that are asked for are found: cursors over positions, joined.

use quipu_format::Position;
use quipu_index::{Key, Way};

use super::{Leaf, nearer};
use crate::Result;
use crate::query::{Compiled, CompiledItem};
use crate::segments::View;

/// A cursor over the positions of the events that are asked for, in one direction.
pub(crate) enum Plan {
    /// Every event.
    Every(Way),
    /// Those with a key.
    Key(Box<Leaf>),
    /// Those that all of the plans find.
    AllOf(Vec<Plan>),
    /// Those that any of the plans finds.
    AnyOf(Vec<Plan>, Way),
}

impl Plan {
    /// A plan for the events with a key.
    pub(crate) fn key(key: Key, way: Way) -> Plan {
        Plan::Key(Box::new(Leaf::new(key, way)))
    }

    /// A plan for the events that a query matches.
    pub(crate) fn query(query: &Compiled, way: Way) -> Plan {
        if query.items.iter().any(|item| item.types.is_empty() && item.tags.is_empty()) {
            return Plan::Every(way);
        }
        Plan::any(query.items.iter().map(|item| Plan::item(item, way)).collect(), way)
    }

    fn item(item: &CompiledItem, way: Way) -> Plan {
        let mut plans: Vec<Plan> = item.tags.iter().map(|&key| Plan::key(key, way)).collect();
        if !item.types.is_empty() {
            plans.push(Plan::any(item.types.iter().map(|&key| Plan::key(key, way)).collect(), way));
        }
        if plans.len() == 1 { plans.remove(0) } else { Plan::AllOf(plans) }
    }

    fn any(mut plans: Vec<Plan>, way: Way) -> Plan {
        if plans.len() == 1 { plans.remove(0) } else { Plan::AnyOf(plans, way) }
    }

    /// Begins anew, in a later view.
    pub(crate) fn restart(&mut self) {
        match self {
            Plan::Every(_) => {}
            Plan::Key(leaf) => leaf.restart(),
            Plan::AllOf(plans) | Plan::AnyOf(plans, _) => plans.iter_mut().for_each(Plan::restart),
        }
    }

    /// The first position at or behind `target`, in the direction of reading, that is visible. Targets
    /// never go against that direction from one call to the next.
    pub(crate) fn seek(&mut self, view: &View, target: Position) -> Result<Option<Position>> {
        match self {
            Plan::Every(way) => Ok(every(view, *way, target)),
            Plan::Key(leaf) => leaf.seek(view, target),
            Plan::AllOf(plans) => all_of(plans, view, target),
            Plan::AnyOf(plans, way) => any_of(plans, *way, view, target),
        }
    }
}

fn every(view: &View, way: Way, target: Position) -> Option<Position> {
    let end = view.visible_position;
    match way {
        Way::Forward => (target < end).then_some(target),
        Way::Backward => end.0.checked_sub(1).map(|last| target.min(Position(last))),
    }
}

/// Leaps from plan to plan until all of them stand at one position.
fn all_of(plans: &mut [Plan], view: &View, mut target: Position) -> Result<Option<Position>> {
    let (plans_in_all, mut standing) = (plans.len(), 0);
    while standing < plans_in_all {
        for plan in plans.iter_mut() {
            let Some(position) = plan.seek(view, target)? else { return Ok(None) };
            standing = if position == target { standing + 1 } else { 1 };
            target = position;
            if standing == plans_in_all {
                break;
            }
        }
    }
    Ok(Some(target))
}

fn any_of(plans: &mut [Plan], way: Way, view: &View, target: Position) -> Result<Option<Position>> {
    let mut nearest = None;
    for plan in plans {
        let found = plan.seek(view, target)?;
        nearest = nearer(nearest, found, way);
    }
    Ok(nearest)
}
