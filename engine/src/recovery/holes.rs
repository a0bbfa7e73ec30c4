//! What is lost with whole segments.

use std::ops::Range;
use std::path::Path;

use quipu_format::{ByteOffset, Position, SegmentId};

use super::survey::{Part, Survey};
use crate::{Damage, Error};

impl Survey {
    /// What is damaged and stands in no segment that is read, the [holes](Survey::holes) among it: readers come by
    /// it only as far as positions are known.
    pub(crate) fn lost(&self, holes: &[Damage]) -> Vec<Damage> {
        let is_told = |file: &Path| {
            let mut parts = self.parts.iter().map(|part| self.directory.segment(part.segment.id));
            file == self.directory.manifest()
                || parts.any(|part| part == file)
                || holes.iter().any(|hole| hole.file == file)
        };
        let damage = self.damage.iter().filter_map(Error::damage);
        let mut lost: Vec<Damage> =
            damage.filter(|damage| !is_told(&damage.file)).cloned().collect();
        lost.extend_from_slice(holes);
        lost
    }

    /// The positions that no part has: those between one part and the next, before the first and behind the last.
    /// What a segment that is not sealed has lost at its end is not among them: that is met where it stood.
    pub(crate) fn holes(&self) -> Vec<Damage> {
        let (mut holes, mut before, mut next) = (Vec::new(), None, Position(0));
        for part in &self.parts {
            self.fill(next..part.base, before, Some(part.segment.id), &mut holes);
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
        until: Option<SegmentId>,
        holes: &mut Vec<Damage>,
    ) {
        if gap.is_empty() {
            return;
        }
        let after = before.map_or(SegmentId(0), |part| part.segment.id);
        let gone =
            self.gone.iter().filter(|&&id| id > after && until.is_none_or(|until| id < until));
        let mut gone: Vec<Damage> = gone.map(|&id| self.gone(id)).collect();
        if gone.is_empty() && before.is_none_or(|part| part.sealed().is_some()) {
            // Not even its name is known.
            gone.push(self.gone(SegmentId(after.0.saturating_add(1))));
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
