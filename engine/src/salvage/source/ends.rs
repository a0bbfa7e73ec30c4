//! What is lost at the end of the log, and what nobody can tell of it.

use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Lsn, Position};

use super::{Hole, Reading};
use crate::salvage::report::SalvageReport;
use crate::{Damage, Error, Unreadable};

impl Reading<'_, '_> {
    pub(super) fn finish(mut self, unreadable: Vec<Unreadable>) -> SalvageReport {
        let unknown = self.survey.unknown_end(self.next);
        if let Some((end, position)) = self.survey.closed_last()
            && position > self.next
        {
            self.short_of_close(end, position);
        } else if let Some((end, position)) = self.survey.closed() {
            self.closed(end, position);
        }
        let told = self.hole.take().and_then(|hole| {
            let until = self.is_told(&hole).or(hole.segment.then_some(self.next))?;
            Some((hole, until))
        });
        // Otherwise it is the end of a log that was not closed, and nothing behind it was promised; unless nobody can
        // read what stands there.
        let told = told.or_else(|| Some((self.unreadable_end(&unreadable)?, self.next)));
        let told = told.or_else(|| Some((hole_of(unknown?), self.next)));
        if let Some((hole, until)) = told {
            self.lose(hole, until);
        }
        let unfinished = self.survey.dropped_bytes();
        let path = self.survey.directory.manifest();
        let mut damage = self.survey.damage.iter().filter_map(Error::damage);
        let damage = damage.find(|damage| damage.file == path).cloned();
        let bad = unreadable.iter().find(|bad| bad.file == path).map(damage_of);
        self.tally.finish(unfinished, damage.or(bad), unreadable)
    }

    /// What cannot be read where a log that was not closed ends.
    fn unreadable_end(&self, unreadable: &[Unreadable]) -> Option<Hole> {
        self.survey.unreadable_end(unreadable).map(hole_of)
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

    /// What the log held as it was closed last is lost where it is not there any more, whoever has opened it since.
    fn short_of_close(&mut self, end: Lsn, position: Position) {
        let file = self.survey.directory.segment(end.segment());
        let what = "the log ends before the place where it was closed".to_owned();
        let otherwise = Hole { file, offset: end.offset().0, bytes: 0, what, segment: false };
        self.reach(position, Some(otherwise));
    }

    /// What lies behind the last frame is not lost if the store was closed right there.
    fn closed(&mut self, end: Lsn, position: Position) {
        let last = self.survey.end();
        let unwritten = end.offset() == FIRST_FRAME && !self.survey.gone.contains(&end.segment());
        let here = last.is_some_and(|last| last <= end && position == self.next)
            || (unwritten && last.is_none_or(|last| last.segment() < end.segment()));
        if here {
            self.hole = None;
        }
    }
}

/// Damage behind which an unknown number of events is lost.
fn hole_of(damage: Damage) -> Hole {
    let Damage { file, offset, bytes, what, .. } = damage;
    Hole { file, offset: offset.0, bytes, what, segment: true }
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
