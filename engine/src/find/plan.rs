//! How the events that are asked for are found: cursors over positions, joined.

use quipu_format::Position;
use quipu_index::{Key, Way};

use super::{Budget, Leaf, Sight, nearer};
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
    /// never go against that direction from one call to the next. What cursors have answered before costs no look, so
    /// every look leads on.
    pub(crate) fn seek(
        &mut self,
        view: &View,
        target: Position,
        budget: &mut Budget,
    ) -> Result<Sight<Position>> {
        match self {
            Plan::Every(way) => Ok(every(view, *way, target).into()),
            Plan::Key(leaf) => leaf.look(view, target, budget),
            Plan::AllOf(plans) => all_of(plans, view, target, budget),
            Plan::AnyOf(plans, way) => any_of((plans, *way), view, target, budget),
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
fn all_of(
    plans: &mut [Plan],
    view: &View,
    mut target: Position,
    budget: &mut Budget,
) -> Result<Sight<Position>> {
    let (plans_in_all, mut standing) = (plans.len(), 0);
    while standing < plans_in_all {
        for plan in plans.iter_mut() {
            let position = match plan.seek(view, target, budget)? {
                Sight::Found(position) => position,
                none => return Ok(none),
            };
            standing = if position == target { standing + 1 } else { 1 };
            target = position;
            if standing == plans_in_all {
                break;
            }
        }
    }
    Ok(Sight::Found(target))
}

/// Takes the nearest that any of the plans finds, unless one of them has not come as far.
fn any_of(
    (plans, way): (&mut [Plan], Way),
    view: &View,
    target: Position,
    budget: &mut Budget,
) -> Result<Sight<Position>> {
    let (mut nearest, mut reached) = (None, None);
    for plan in plans {
        match plan.seek(view, target, budget)? {
            Sight::Found(position) => nearest = nearer(nearest, Some(position), way),
            Sight::Paused(position) => reached = nearer(reached, Some(position), way),
            Sight::Nothing => {}
        }
    }
    Ok(match reached {
        Some(reached) if nearest.is_none_or(|nearest| !is_at_most(nearest, reached, way)) => {
            Sight::Paused(reached)
        }
        _ => nearest.into(),
    })
}

/// Whether a position is met no later than another.
fn is_at_most(position: Position, other: Position, way: Way) -> bool {
    nearer(Some(position), Some(other), way) == Some(position)
}
