//! The events that are lost: whoever reads by key must learn of them.

use quipu_format::Position;
use quipu_index::{Keys, Way};

use super::{Leaf, nearer};
use crate::Result;
use crate::keys::lost;
use crate::segments::View;

/// A cursor over the positions of events that cannot be read and whose keys nobody knows, in one direction: damaged
/// ones, and those of segments that are missing. Some that it gives may be sound.
pub(crate) struct Lost {
    leaf: Leaf,
    way: Way,
}

impl Lost {
    pub(crate) fn new(keys: &Keys, way: Way) -> Lost {
        Lost { leaf: Leaf::new(lost(keys), way), way }
    }

    /// Begins anew, in a later view.
    pub(crate) fn restart(&mut self) {
        self.leaf.restart();
    }

    /// As [`Leaf::seek`]. Events that an index knew until a moment ago are found if whoever asks has met that
    /// index before.
    pub(crate) fn seek(&mut self, view: &View, target: Position) -> Result<Option<Position>> {
        let posted = self.leaf.seek(view, target)?;
        let known = view.store.upkeep.lost_events().nearest(target, self.way);
        let known = known.filter(|&position| position < view.visible_position);
        let missing = view.table.holes.nearest(target, self.way);
        let missing = missing.filter(|&position| position < view.visible_position);
        Ok(nearer(nearer(posted, known, self.way), missing, self.way))
    }
}
