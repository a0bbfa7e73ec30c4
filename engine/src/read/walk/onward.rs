//! Where a walk begins, and how it goes on once more is visible.

use std::sync::Arc;

use quipu_format::Position;

use super::{Cursor, Walk};
use crate::read::Locator;
use crate::read::bytes::Lender;
use crate::segments::View;

impl Walk {
    /// All before this position lies behind, or was not asked for.
    pub(crate) fn reached(&self) -> Position {
        self.cursor.next.max(self.from)
    }

    /// Has read all it sees, and lets go of files and segments until it is renewed.
    pub(crate) fn rest(&mut self) {
        if let Some(segment) = self.view.table.segments.get(self.cursor.index) {
            self.resting = Arc::downgrade(segment);
        }
        self.lender = Lender::default();
        self.view.table = Arc::default();
    }

    /// After a rest: goes on in a later view, where it stands.
    pub(crate) fn renew(&mut self, view: View) {
        let here = view.table.segments.get(self.cursor.index);
        if here.is_some_and(|here| std::ptr::eq(Arc::as_ptr(here), self.resting.as_ptr())) {
            self.until = view.table.segments.len();
            self.view = view;
        } else {
            // The store was recovered meanwhile: the rest may stand elsewhere.
            *self = Walk::new(view, self.reached(), self.check);
        }
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
        if let Ok(Some((at, first))) = Locator::default().frame_of(view, wanted) {
            (self.at, self.next) = (at, first);
        }
    }
}
