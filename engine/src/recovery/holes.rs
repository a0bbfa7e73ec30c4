//! What is lost with whole segments.

#[cfg(test)]
mod tests;

use std::ops::Range;

use quipu_format::{ByteOffset, Position, SegmentId};

use super::survey::{Part, Survey};
use crate::segments::lost_with;
use crate::{Damage, Error};

impl Survey {
    /// What readers are told as they open the store: the [holes](Survey::holes), and all damage that they would not
    /// come by, since nobody knows which positions went with it, if any.
    pub(crate) fn lost(&self, holes: &[Damage]) -> Vec<Damage> {
        let damage = self.damage.iter().filter_map(Error::damage);
        let mut lost: Vec<Damage> = Vec::new();
        for damage in damage.filter(|damage| !self.is_met(damage, holes)) {
            // Each file once: whatever else is wrong with it, verification says.
            lost.retain(|other| other.file != damage.file);
            lost.push(damage.clone());
        }
        lost.extend(holes.iter().map(|hole| {
            let what = lost_with(hole, &hole.positions);
            Damage { what, ..hole.clone() }
        }));
        if let Some(end) = self.unknown_end(self.next_left()) {
            match lost.iter_mut().rfind(|other| other.file == end.file) {
                Some(other) => other.what = format!("{}; {}", other.what, end.what),
                None => lost.push(end),
            }
        }
        lost
    }

    /// Says of a log of which what is left goes up to this position that more may be lost than its last close tells of:
    /// it was opened for writing since, and nothing is left that says what was written then.
    pub(crate) fn unknown_end(&self, next: Position) -> Option<Damage> {
        let (end, position) = self.closed_before()?;
        // The index may know what events there were where the file is cut short.
        let is_cut = |part: &Part| {
            part.segment.id == end.segment()
                && part.unsealed().is_some_and(|unsealed| unsealed.file.size < end.offset())
        };
        (next < position || self.parts.iter().any(is_cut)).then(|| Damage {
            file: self.directory.segment(end.segment()),
            offset: end.offset(),
            bytes: 0,
            positions: position..position,
            what: "how many events were written behind the place of the last close is not known"
                .into(),
        })
    }

    /// The position behind the last event that is left.
    pub(crate) fn next_left(&self) -> Position {
        self.parts.last().map_or(Position(0), |part| part.next)
    }

    /// Whether reading comes by some damage: its positions are lost, or others at the place where it stands.
    fn is_met(&self, damage: &Damage, holes: &[Damage]) -> bool {
        if holes.iter().any(|hole| hole.file == damage.file) {
            return true;
        }
        let mut parts = self.parts.iter().map(|part| self.directory.segment(part.segment.id));
        let Some(index) = parts.position(|file| file == damage.file) else { return false };
        let part = &self.parts[index];
        let before = index.checked_sub(1).map_or(Position(0), |before| self.parts[before].next);
        // Nobody reads behind the end of the log that was found.
        let after = self.parts.get(index + 1).map_or(self.next_position, |after| after.base);
        let after = after.min(self.next_position);
        let base = part.base.min(self.next_position);
        let is_read = damage.positions.start < self.next_position;
        (is_read && !damage.positions.is_empty()) || before < base || part.next < after
    }

    /// Says of each segment that is gone which positions went with it, where the log around it tells; and that nobody
    /// knows, where it does not.
    pub(super) fn place_missing(&mut self) {
        let holes = self.holes();
        let last = self.parts.last().map_or(SegmentId(0), |part| part.segment.id);
        let at_the_end = self.gone.iter().filter(|&&id| id > last && self.closed().is_none());
        let unknown = at_the_end.map(|&id| {
            let gone = self.gone(id);
            let what = format!("{}; how many events it held is not known", gone.what);
            Damage { what, ..gone }
        });
        let unknown: Vec<Damage> = unknown.collect();
        for gone in holes.into_iter().chain(unknown) {
            let mut damage = self.damage.iter_mut();
            let same = damage.rfind(|error| {
                let damage = error.damage().filter(|damage| damage.positions.is_empty());
                damage.is_some_and(|damage| damage.file == gone.file)
            });
            if let Some(error) = same {
                *error = Error::damaged(gone);
            }
        }
    }

    /// The positions that no part has: those between one part and the next, before the first and behind the last.
    /// What a segment that is not sealed has lost at its end is not among them: that is met where it stood.
    pub(crate) fn holes(&self) -> Vec<Damage> {
        let (mut holes, mut before, mut next) = (Vec::new(), None, Position(0));
        for part in &self.parts {
            self.fill(next..part.base, before, Some(part), &mut holes);
            (before, next) = (Some(part), next.max(part.next));
        }
        self.fill(next..self.next_position, before, None, &mut holes);
        holes
    }

    /// Shares positions that no part has among the segments that are gone there.
    fn fill(
        &self,
        gap: Range<Position>,
        before: Option<&Part>,
        until: Option<&Part>,
        holes: &mut Vec<Damage>,
    ) {
        if gap.is_empty() {
            return;
        }
        let after = before.map_or(SegmentId(0), |part| part.segment.id);
        let gone = self
            .gone
            .iter()
            .filter(|&&id| id > after && until.is_none_or(|until| id < until.segment.id));
        let mut gone: Vec<Damage> = gone.map(|&id| self.gone(id)).collect();
        if gone.is_empty() && before.is_none_or(|part| part.sealed().is_some()) {
            // Lost at the beginning of the next one, or with a segment of which not even the name is known.
            let headless =
                until.filter(|part| part.unsealed().is_some_and(|found| !found.has_link));
            let next = SegmentId(after.0.saturating_add(1));
            gone.push(self.gone(headless.map_or(next, |part| part.segment.id)));
        }
        let mut at = gap.start;
        for index in 0..gone.len() {
            let (known, later) = (&gone[index].positions, gone.get(index + 1));
            let end = match later {
                Some(_) if !known.is_empty() => known.end,
                Some(later) if !later.positions.is_empty() => later.positions.start,
                Some(_) => at,
                None => gap.end,
            };
            let end = end.clamp(at, gap.end);
            if at < end {
                holes.push(Damage { positions: at..end, ..gone[index].clone() });
            }
            at = end;
        }
    }

    /// Has the last part hold all events up to the end of the log, where no segment behind it is gone that may have held
    /// them.
    pub(crate) fn end_with_close(&mut self) {
        let Some(last) = self.parts.last_mut() else { return };
        if self.gone.last().is_none_or(|&gone| gone < last.segment.id) {
            last.next = last.next.max(self.next_position);
        }
    }

    /// What is known of a segment that is gone.
    fn gone(&self, id: SegmentId) -> Damage {
        let file = self.directory.segment(id);
        let mut damage = self.damage.iter().filter_map(Error::damage);
        damage.rfind(|damage| damage.file == file).cloned().unwrap_or_else(|| Damage {
            file,
            offset: ByteOffset(0),
            bytes: 0,
            positions: Position(0)..Position(0),
            what: "the segment is missing".into(),
        })
    }
}
