//! What is lost at the end of the log, and what nobody can tell of it.

use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Lsn, PAGE_BYTES, Position};

use super::{Hole, Reading};
use crate::directory::{Directory, Role};
use crate::recovery::Tip;
use crate::salvage::report::SalvageReport;
use crate::{Damage, Error, Unreadable};

impl Reading<'_, '_> {
    pub(super) fn finish(mut self, unreadable: Vec<Unreadable>) -> SalvageReport {
        if let Some((end, position)) = self.survey.closed() {
            self.closed(end, position);
        }
        let told = self.hole.take().and_then(|hole| {
            let until = self.is_told(&hole).or(hole.segment.then_some(self.next))?;
            Some((hole, until))
        });
        // Otherwise it is the end of a log that was not closed, and nothing behind it was promised; unless nobody can
        // read what stands there.
        let told = told.or_else(|| Some((self.unreadable_end(&unreadable)?, self.next)));
        if let Some((hole, until)) = told {
            self.lose(hole, until);
        }
        let unfinished = self.dropped_bytes();
        let path = self.survey.directory.manifest();
        let mut damage = self.survey.damage.iter().filter_map(Error::damage);
        let damage = damage.find(|damage| damage.file == path).cloned();
        let bad = unreadable.iter().find(|bad| bad.file == path).map(damage_of);
        self.tally.finish(unfinished, damage.or(bad), unreadable)
    }

    /// Bytes behind a log that was not closed.
    fn dropped_bytes(&self) -> u64 {
        match self.survey.tip {
            Tip::Unclean { dropped_bytes, .. } => dropped_bytes,
            Tip::Empty | Tip::Clean => 0,
        }
    }

    /// What cannot be read where a log that was not closed ends: there may have been more of it.
    fn unreadable_end(&self, unreadable: &[Unreadable]) -> Option<Hole> {
        if self.survey.closed().is_some() {
            return None;
        }
        let bad = unreadable.iter().find(|bad| self.may_hide_the_end(bad))?;
        let (file, what) = (bad.file.clone(), format!("the log may go on there: {}", bad.error));
        Some(Hole { file, offset: bad.offset, bytes: bad.bytes, what, segment: true })
    }

    /// Whether it stands where the last segment ends, or in a page of what stands behind that; or where a later segment
    /// begins.
    fn may_hide_the_end(&self, bad: &Unreadable) -> bool {
        let name = bad.file.file_name().map(|name| name.to_string_lossy());
        let Some(Role::Segment(id)) = name.map(|name| Directory::role(&name)) else { return false };
        let start = match self.survey.end() {
            Some(end) if end.segment() > id => return false,
            Some(end) if end.segment() == id => end.offset().0,
            _ => FIRST_FRAME.0,
        };
        let until = match self.dropped_bytes() {
            // Of a damaged log nobody has looked what stands behind its end.
            _ if !self.survey.damage.is_empty() => u64::MAX,
            0 => start,
            dropped => start.saturating_add(dropped).next_multiple_of(PAGE_BYTES),
        };
        bad.offset <= until && start < bad.offset.saturating_add(bad.bytes)
    }

    /// The position up to which events are lost with what was passed over at the end, if a frame that is no part of the
    /// log any more calls some of it durable.
    fn is_told(&self, hole: &Hole) -> Option<Position> {
        let mut damage = self.survey.damage.iter().filter_map(Error::damage);
        let within = |damage: &&Damage| {
            let range = damage.offset.0..damage.offset.0.saturating_add(damage.bytes);
            damage.file == hole.file && range.contains(&hole.offset) && !damage.positions.is_empty()
        };
        damage.find(within).map(|damage| damage.positions.end.max(self.next))
    }

    /// What lies behind the last frame is lost if the store was closed later. If it was closed right there, nothing
    /// is.
    fn closed(&mut self, end: Lsn, position: Position) {
        let last = self.survey.end();
        let unwritten = end.offset() == FIRST_FRAME && !self.survey.gone.contains(&end.segment());
        let here = last.is_some_and(|last| last <= end && position == self.next)
            || (unwritten && last.is_none_or(|last| last.segment() < end.segment()));
        if position > self.next {
            let file = self.survey.directory.segment(end.segment());
            let what = "the log ends before the place where it was closed".to_owned();
            let otherwise = Hole { file, offset: end.offset().0, bytes: 0, what, segment: false };
            self.reach(position, Some(otherwise));
        } else if here {
            self.hole = None;
        }
    }
}

/// What cannot be read, as damage.
fn damage_of(bad: &Unreadable) -> Damage {
    Damage {
        file: bad.file.clone(),
        offset: ByteOffset(bad.offset),
        bytes: bad.bytes,
        positions: Position(0)..Position(0),
        what: format!("it cannot be read: {}", bad.error),
    }
}
