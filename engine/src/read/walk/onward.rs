//! Where a walk begins, and how it goes on once more is visible.

use std::sync::Arc;

use quipu_format::Position;

use super::{Cursor, Walk};
use crate::read::Locator;
use crate::segments::View;

impl Walk {
    /// All before this position lies behind, or was not asked for.
    pub(crate) fn reached(&self) -> Position {
        self.cursor.next.max(self.from)
    }

    /// Goes on in a later view, where it stands.
    pub(crate) fn renew(&mut self, view: View) {
        let here = |view: &View| view.table.segments.get(self.cursor.index).cloned();
        match (here(&self.view), here(&view)) {
            (Some(old), Some(new)) if Arc::ptr_eq(&old, &new) => {
                self.until = view.table.segments.len();
                self.view = view;
            }
            // The store was recovered meanwhile: the rest may stand elsewhere.
            _ => *self = Walk::new(view, self.reached(), self.check),
        }
    }

    /// Whether there is no going on.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}

impl Cursor {
    /// Goes to the frame in which `from` is, or the last one before it, if the index knows the way: the
    /// header there says itself that it is the one. If not, the segment is walked from its start.
    pub(super) fn leap(&mut self, view: &View, from: Position) {
        let last = view.visible_position.0.saturating_sub(1);
        let wanted = Position(last.min(from.0));
        if wanted <= self.next {
            return;
        }
        if let Ok(Some((index, at, first))) = Locator::default().frame_of(view, wanted)
            && index == self.index
        {
            (self.at, self.next) = (at, first);
        }
    }
}
