//! What the segments before one hold of its keys, as the one's index notes it.

use std::sync::Arc;

use quipu_format::SegmentId;
use quipu_index::{Held, IndexError, Key, Lineage};

use super::mend::covered;
use crate::segments::{Heads, View};
use crate::{Error, Result, find};

/// Entries with fewer segments before them have no jump: going back one by one is as quick.
const JUMP_DEPTH: u32 = 8;

/// The segments before one.
pub(crate) struct Ancestors<'v> {
    view: &'v View,
    heads: Arc<Heads>,
}

/// Why an index could not be made.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// One of its parts fails a check.
    Index(IndexError),
    /// What it was asked about before could not be answered.
    Store(Error),
}

impl From<IndexError> for Trouble {
    fn from(error: IndexError) -> Trouble {
        Trouble::Index(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Store(error)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        match trouble {
            Trouble::Index(error) => error.into(),
            Trouble::Store(error) => error,
        }
    }
}

impl<'v> Ancestors<'v> {
    /// The segments whose heads are these: all before the one whose index is made.
    pub(crate) fn new(view: &'v View, heads: Arc<Heads>) -> Ancestors<'v> {
        Ancestors { view, heads }
    }

    /// What they hold of a key.
    pub(crate) fn of(&self, key: Key) -> std::result::Result<Lineage, Trouble> {
        let Some(head) = covered(self.view, &self.heads, key)? else {
            return Ok(Lineage::default());
        };
        let depth = head.depth.saturating_add(1);
        let jump = if depth < JUMP_DEPTH { None } else { self.jump(head.segment, key)? };
        Ok(Lineage { before: head.count, prev: Some(head.segment), jump, depth })
    }

    /// Where the child of `parent` jumps to: a skew-binary tree, as of E. W. Myers, "An applicative
    /// random-access stack" (1983). Where two jumps of one length follow one another the child spans both, else it
    /// jumps to its parent. Any place is found in a logarithmic number of steps.
    fn jump(&self, parent: SegmentId, key: Key) -> Result<Option<SegmentId>> {
        let Some(held) = self.held(parent, key)? else { return Ok(None) };
        let Some(near) = held.jump else { return Ok(Some(parent)) };
        let Some(near_held) = self.held(near, key)? else { return Ok(Some(parent)) };
        // The deepest entry without a jump ends the tree: it jumps to itself.
        let far = near_held.jump.unwrap_or(near);
        let Some(far_held) = self.held(far, key)? else { return Ok(Some(parent)) };
        let spans = [(held.depth, near_held.depth), (near_held.depth, far_held.depth)];
        let [first, second] = spans.map(|(upper, lower)| upper.checked_sub(lower));
        Ok(Some(if first == second { far } else { parent }))
    }

    fn held(&self, segment: SegmentId, key: Key) -> Result<Option<Held>> {
        let segments = &self.view.table.segments;
        let Ok(index) = segments.binary_search_by_key(&segment, |segment| segment.id) else {
            return Ok(None);
        };
        find::ask(self.view, index, |parts| match parts.first() {
            Some(part) => part.find(key),
            None => Ok(None),
        })
    }
}
