//! Where a walk begins, and how it goes on once more is visible.

use std::sync::Arc;

use quipu_format::Position;

use super::{Cursor, Walk};
use crate::read::Locator;
use crate::read::bytes::Lender;
use crate::segments::View;
use crate::{Error, Result};

impl Walk {
    /// All before this position lies behind, or was not asked for.
    pub(crate) fn reached(&self) -> Position {
        self.cursor.next.max(self.from)
    }

    /// Goes to the end of a segment that only a newer version can read, and tells of the events in it that were
    /// asked for. Every other error is given back.
    pub(super) fn pass_newer(&mut self, error: Error) -> Result<()> {
        let Some(newer) = self.view.newer(self.cursor.index) else { return Err(error) };
        let lost = self.reached()..newer.positions.end;
        let segment = self.view.table.segments.get(self.cursor.index);
        self.cursor.at = segment.map_or(self.cursor.at, |segment| segment.end(self.view.visible));
        self.cursor.frame = None;
        self.cursor.next = self.cursor.next.max(newer.positions.end);
        if lost.is_empty() { Ok(()) } else { Err(newer.error(&lost)) }
    }

    /// Has read all it sees, and lets go of files and segments until it is renewed.
    pub(crate) fn rest(&mut self) {
        self.lender = Lender::default();
        self.view.table = Arc::default();
    }

    /// After a rest: goes on in a later view. The index knows where, also if the store was recovered meanwhile
    /// and the rest stands elsewhere.
    pub(crate) fn renew(&mut self, view: View) {
        *self = Walk::new(view, self.reached(), self.check);
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use quipu_format::record::Check;

    use super::*;
    use crate::{ExpectedVersion, NewEvent, Options, Store};

    /// A store whose segments are of this size.
    fn store(segment_bytes: u64) -> Store {
        let options = Options {
            segment_bytes_min: segment_bytes,
            segment_bytes_max: segment_bytes,
            buffer_bytes: 4096,
            ..Options::default()
        };
        Store::builder("s").in_memory().options(options).open().unwrap()
    }

    fn append(store: &Store, events: usize) {
        for _ in 0..events {
            let event = NewEvent::new("T", vec![7; 300]);
            store.append("a", ExpectedVersion::Any, [event]).unwrap();
        }
    }

    /// The positions up to the end of what the walk sees.
    fn read(walk: &mut Walk, end: u64) -> Vec<u64> {
        let mut positions = Vec::new();
        while walk.reached() < Position(end) {
            positions.push(walk.next().unwrap().unwrap().position.0);
        }
        positions
    }

    #[test]
    fn it_goes_on_right_where_it_stood() {
        let store = store(8 << 10);
        append(&store, 70);
        let mut walk = Walk::new(store.segments().view(), Position(0), Check::Sum);
        for end in [70, 71, 90] {
            append(&store, (end - store.next_position().0) as usize);
            let (index, at) = (walk.cursor.index, walk.cursor.at);
            walk.rest();
            walk.renew(store.segments().view());
            assert!(end == 70 || (walk.cursor.index, walk.cursor.at) == (index, at), "{end}");
            read(&mut walk, end);
        }
    }

    #[test]
    fn it_goes_on_behind_what_it_has_read_where_segments_are_others() {
        let (small, large) = (store(8 << 10), store(64 << 10));
        append(&small, 70);
        append(&large, 400);
        for (before, after) in [(&small, &large), (&large, &small)] {
            let from = before.next_position().0;
            append(after, (from + 30).saturating_sub(after.next_position().0) as usize);
            let mut walk = Walk::new(before.segments().view(), Position(0), Check::Sum);
            assert_eq!(read(&mut walk, from), (0..from).collect::<Vec<u64>>());
            walk.rest();
            walk.renew(after.segments().view());
            let end = after.next_position().0;
            assert_eq!(read(&mut walk, end), (from..end).collect::<Vec<u64>>());
        }
    }
}
