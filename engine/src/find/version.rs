//! Where in the store a version of a stream stands.

use quipu_format::{Position, Version};
use quipu_index::{Held, IndexError, Key, Part};

use super::chain::{Node, behind, newest, node, renewed};
use crate::Result;
use crate::segments::View;

/// The position at which the index has this version of a stream. It counts events, so behind events that
/// were lost it may be wrong: whoever goes there looks at the event. None where there are not so many.
pub(crate) fn position_of(view: &View, stream: Key, version: Version) -> Result<Option<Position>> {
    let table = &view.table;
    for index in (table.loose..table.segments.len()).rev() {
        if let Some(node) = node(view, index, stream)?
            && node.before() <= version.0
        {
            return within(view, &node, version);
        }
    }
    let Some(mut node) = newest(view, stream)? else { return Ok(None) };
    while node.before() > version.0 {
        // A jump is right where it leads to a segment that ends behind the version.
        let far = behind(view, &node, 0, 0)?.filter(|far| far.end() > version.0);
        let next = match far {
            Some(far) => Some(far),
            None => behind(view, &node, node.index, 0)?,
        };
        match next {
            Some(next) => node = next,
            None => return Ok(None),
        }
    }
    within(view, &node, version)
}

fn within(view: &View, node: &Node, version: Version) -> Result<Option<Position>> {
    let base = view.table.segments[node.index].base;
    let ordinal = match node.ordinal(version) {
        Ok(ordinal) => ordinal,
        Err(_) => {
            let question = |part: &Part, held: &Held| match nth(held, version) {
                Some(nth) => part.nth(held, nth).map(drop),
                None => Ok(()),
            };
            let Some(node) = renewed(view, node, question)? else { return Ok(None) };
            node.ordinal(version)?
        }
    };
    let position = ordinal.map(|ordinal| base.plus(u64::from(ordinal)));
    Ok(position.filter(|&position| position < view.visible_position))
}

/// Which of the events of a part has this version.
fn nth(held: &Held, version: Version) -> Option<u32> {
    let nth = version.0.checked_sub(held.before)?;
    u32::try_from(nth).ok().filter(|&nth| nth < held.count)
}

impl Node {
    /// Events of the stream before this segment.
    fn before(&self) -> u64 {
        self.held.iter().flatten().map(|(_, held)| held.before).min().unwrap_or(0)
    }

    /// Events of the stream up to the end of this segment.
    fn end(&self) -> u64 {
        let end = |held: &Held| held.before.saturating_add(u64::from(held.count));
        self.held.iter().flatten().map(|(_, held)| end(held)).max().unwrap_or(0)
    }

    fn ordinal(&self, version: Version) -> std::result::Result<Option<u32>, IndexError> {
        for (part, held) in self.held.iter().flatten() {
            if let Some(nth) = nth(held, version) {
                return part.nth(held, nth).map(Some);
            }
        }
        Ok(None)
    }
}
