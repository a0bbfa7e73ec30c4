//! What the medium does not give back where the log ends.
//!
//! Of a page in the middle, what follows tells what it has cost. Behind the last frame nothing does.

use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, PAGE_BYTES};

use super::survey::{Survey, Tip};
use crate::directory::Directory;
use crate::{Damage, Unreadable};

impl Survey {
    /// What cannot be read where a log that was not closed ends: there may have been more of it.
    pub(crate) fn unreadable_end(&self, unreadable: &[Unreadable]) -> Option<Damage> {
        // The word of a close is older than what the log holds behind it.
        if self.closed().is_some_and(|(closed, _)| self.end() <= Some(closed)) {
            return None;
        }
        let bad = unreadable.iter().find(|bad| self.may_hide_the_end(bad))?;
        let what = format!("it cannot be read, and the log may go on there: {}", bad.error);
        Some(Damage {
            file: bad.file.clone(),
            offset: ByteOffset(bad.offset),
            bytes: bad.bytes,
            positions: self.next_position..self.next_position,
            what,
        })
    }

    /// Whether it stands where the last segment ends, or in a page of what stands behind that; or where a later segment
    /// begins.
    fn may_hide_the_end(&self, bad: &Unreadable) -> bool {
        let Some(id) = Directory::segment_in(&bad.file) else { return false };
        let start = match self.end() {
            Some(end) if end.segment() > id => return false,
            Some(end) if end.segment() == id => end.offset().0,
            _ => FIRST_FRAME.0,
        };
        let dropped = self.dropped_bytes();
        let until = if !self.damage.is_empty() {
            // Of a damaged log nobody has looked what stands behind its end.
            u64::MAX
        } else if dropped == 0 {
            start
        } else {
            start.saturating_add(dropped).next_multiple_of(PAGE_BYTES)
        };
        bad.offset <= until && start < bad.offset.saturating_add(bad.bytes)
    }

    /// Bytes behind a log that was not closed.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        match self.tip {
            Tip::Unclean { dropped_bytes, .. } => dropped_bytes,
            Tip::Empty | Tip::Clean => 0,
        }
    }
}
