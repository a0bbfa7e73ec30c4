//! Segments that only a newer version of Quipu can read.
//!
//! Which they are is found out as their files are opened. Nothing of such a segment is served; reading tells of it
//! once and goes on in the next one, and following ends there.

use std::ops::Range;

use quipu_format::Position;

use super::View;
use crate::positions::named;
use crate::{Error, ErrorKind};

/// A segment that only a newer version can read.
pub(crate) struct Newer {
    /// Of its events, as far as they are visible.
    pub(crate) positions: Range<Position>,
    why: Error,
}

impl View {
    /// The segment that holds a position, if it has turned out that only a newer version can read it.
    pub(crate) fn newer_at(&self, position: Position) -> Option<Newer> {
        let after = self.table.segments.partition_point(|segment| segment.base <= position);
        self.newer(after.checked_sub(1)?)
    }

    /// The same of the segment at this index of the table.
    pub(crate) fn newer(&self, index: usize) -> Option<Newer> {
        let segment = self.table.segments.get(index)?;
        let why = segment.newer()?.clone();
        let end = self.table.end_of(index).unwrap_or(self.visible_position);
        Some(Newer { positions: segment.base..end.min(self.visible_position), why })
    }
}

impl Newer {
    /// What is told of these of its events: those that might have been asked for.
    pub(crate) fn error(&self, positions: &Range<Position>) -> Error {
        let detail = format!("{}: {} cannot be read", self.why, named(positions));
        Error::new(ErrorKind::Unsupported, detail)
    }
}
