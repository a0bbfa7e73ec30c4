//! Edits of the manifest that are lost without a trace in it: the log shows that they were there.
//!
//! Every edit is durable before what it allows. A segment is listed before its first frame is written, so one that was
//! written and never was listed proves that an edit is gone; there is one exception, the segment that a recovery makes. And
//! nothing is written behind the place of a close before the next opening is noted.

#[cfg(test)]
mod tests;

use quipu_disk::Disk;
use quipu_format::frame::FLAG_CLOSED;
use quipu_format::{ByteOffset, Epoch, Position, SegmentId};

use super::candidate::Candidate;
use super::survey::Survey;
use crate::frames::Body;
use crate::manifest;
use crate::{Damage, Error, Result};

/// What a damaged manifest means to who reads.
const NOT_KNOWN: &str = "whether the store holds more segments than are found is not known";

impl Survey {
    /// Notes that the manifest is damaged.
    pub(super) fn note_manifest(&mut self, offset: ByteOffset, what: &str) {
        self.damage.push(Error::damaged(Damage {
            file: self.directory.manifest(),
            offset,
            bytes: 0,
            positions: Position(0)..Position(0),
            what: format!("{what}: {NOT_KNOWN}"),
        }));
    }

    /// Notes that the manifest has lost edits, if the log shows it.
    pub(super) fn miss_edits(&mut self, disk: &dyn Disk, candidates: &[Candidate]) -> Result<()> {
        let Some(loaded) = self.manifest.as_ref().filter(|loaded| loaded.damage.is_none()) else {
            return Ok(());
        };
        let listed = &loaded.listing.segments;
        let mut unlisted = None;
        for candidate in candidates {
            let id = candidate.file().id;
            if !listed.contains_key(&id) && !self.is_unlisted_rightly(candidate, candidates)? {
                unlisted = unlisted.or(Some(id));
            }
        }
        let what = match (unlisted, self.closed()) {
            (Some(id), _) => {
                format!("edits are lost here: segment {id} was written and is not listed")
            }
            (None, Some((end, _))) if self.damage.is_empty() && self.end() > Some(end) => {
                "edits are lost here: the log goes on behind the place where it was closed"
                    .to_owned()
            }
            _ => return Ok(()),
        };
        // A writer may have added the edits after the manifest was read here.
        let now = manifest::load(disk, &self.directory);
        if matches!(&now, Ok(Some(now)) if now.is_as(loaded)) {
            let end = loaded.end;
            self.note_manifest(end, &what);
        }
        Ok(())
    }

    /// Whether a segment that is not listed may have been left so: without a frame, or by a recovery, which makes its
    /// segment whole before it lists it. Nothing can have been written behind the mark that ends what that carries.
    fn is_unlisted_rightly(&self, candidate: &Candidate, all: &[Candidate]) -> Result<bool> {
        let highest = self.manifest.as_ref().map(|loaded| loaded.listing.highest);
        // It was listed once, and a recovery has gone round it. Edits are lost from the end on.
        if highest >= Some(candidate.file().id) {
            return Ok(true);
        }
        let Some(link) = candidate.scan.link else { return Ok(true) };
        let (mut commits, mut others) = (0_u64, Vec::new());
        let capacity = candidate.file().capacity;
        candidate.file().scan(capacity, &mut |frame, body| {
            match body {
                Body::Events(_) => commits += 1,
                Body::Mark => others.push((frame.header.flags & FLAG_CLOSED == 0, commits)),
                // Only the first frame is a link.
                Body::Link(_) if others.is_empty() && commits == 0 => {}
                Body::Link(_) | Body::Seal(_) | Body::Skipped => others.push((false, commits)),
            }
            Ok(())
        })?;
        let is_carried = others == [(true, commits)];
        let is_first = highest.is_none_or(|highest| highest == SegmentId(0));
        Ok(is_carried && !(is_first && commits > 0) && self.is_new(link.epoch, candidate, all))
    }

    /// Whether an opening has written nothing but this segment: the others are of other openings.
    fn is_new(&self, epoch: Epoch, candidate: &Candidate, all: &[Candidate]) -> bool {
        let mut others = all.iter().filter(|other| other.file().id != candidate.file().id);
        self.opened() != Some(epoch)
            && !others.any(|other| other.scan.link.is_some_and(|link| link.epoch == epoch))
    }
}
