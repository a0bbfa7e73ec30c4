//! The log's index files: written as segments are sealed and as the store is closed, and kept in order.

use std::ops::Range;
use std::sync::Arc;

use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Lsn, Position, SegmentId, Timestamp};
use quipu_index::{Covers, Layer, Part, Sealed};

use super::{Log, count};
use crate::create::remove_if_there;
use crate::index_files::{
    Merge, Task, Trouble, held_index, index_bytes, index_on, mend, open_run, write, write_again,
};
use crate::plant::{self, Bug};
use crate::segments::View;
use crate::{Error, ErrorKind, Result, find};

/// So much of the active segment may be left for the next opening to scan.
const UNCOVERED_BYTES_MAX: u64 = 256 << 10;

impl Log {
    /// Index of a rolled segment in the table, and the positions of its events.
    pub(super) fn place_of(&self, view: &View, id: SegmentId) -> Result<(usize, Range<Position>)> {
        let segments = &view.table.segments;
        let known = segments.binary_search_by_key(&id, |segment| segment.id).ok();
        // Segments are sealed in order, so the heads of all before are known.
        let Some(index) = known.filter(|&index| index == view.table.loose) else {
            let detail = format!("segment {id} is not the next to be sealed");
            return Err(Error::new(ErrorKind::Io, detail));
        };
        let base = segments[index].base;
        let events = end(&find::parts(view, index)?);
        Ok((index, base..base.plus(u64::from(events))))
    }

    /// Writes the index of the first loose segment, as far as it goes.
    pub(super) fn write_index(
        &self,
        view: &View,
        index: usize,
        end: ByteOffset,
        last_time: Timestamp,
    ) -> Result<Arc<Sealed>> {
        let (shelf, segment) = (&self.segments.shelf, &view.table.segments[index]);
        let bytes = made(view, index, end, last_time)?;
        let identity = shelf.identity(segment.id, segment.salt);
        if self.segments.upkeep.heads_are_known().is_err() {
            // Keys whose last events are lost would lead past them for ever: the next opening makes it from the log.
            let bytes: Arc<[u8]> = Arc::from(bytes);
            self.segments.upkeep.note_held(segment.id, Arc::clone(&bytes));
            return Ok(Arc::new(held_index(bytes, &identity)?));
        }
        let path = shelf.directory.index(segment.id);
        match self.segments.with_descriptors(|| write(shelf, &path, &bytes)) {
            Ok(()) => {}
            Err(full) if full.kind() == ErrorKind::Full => return Err(full),
            Err(error) if plant::is_in(Bug::IndexPoisons) => return Err(error),
            Err(error) => {
                // The log is not concerned: the index is used from memory, and written when that goes again.
                tracing::warn!(segment = %segment.id, %error, "the index could not be written");
                let bytes: Arc<[u8]> = Arc::from(bytes);
                self.segments.upkeep.note_unwritten(segment.id, Arc::clone(&bytes));
                return Ok(Arc::new(held_index(bytes, &identity)?));
            }
        }
        let sealed = match index_on(&self.segments, &identity) {
            Some(sealed) => sealed,
            None => held_index(Arc::from(bytes), &identity)?,
        };
        Ok(Arc::new(sealed))
    }

    /// Finds what a sealed segment holds in its file from now on: first its own events, then the heads of all
    /// up to it.
    pub(super) fn use_index(&self, view: &View, index: usize, sealed: Arc<Sealed>) {
        let segment = &view.table.segments[index];
        segment.set_parts([Part::File(Arc::clone(&sealed))]);
        // It is open from now on, also if nobody reads the segment here.
        self.segments.touch(segment);
        let mut layers = view.table.heads.layers();
        layers.push(Layer::Index(sealed));
        self.segments.set_heads(layers, index + 1);
        self.segments.upkeep.wake();
    }

    /// Writes the index of the active segment as the store is closed, so that the next opening need not scan it.
    /// It goes without where there is no room, or little to scan.
    ///
    /// What is on disk, whenever the power goes: a segment that was not closed, with an index that covers less
    /// of it than there is, or all. Both go together with the log.
    pub(super) fn save_index(&self, closed: Lsn, last_time: Timestamp) -> Result<()> {
        let view = self.segments.view();
        let Some(index) = view.table.segments.len().checked_sub(1) else { return Ok(()) };
        if view.table.segments[index].id != closed.segment() || index != view.table.loose {
            return Ok(());
        }
        let parts = find::parts(&view, index)?;
        let worth = match parts.first() {
            Some(Part::File(_)) if self.segments.upkeep.is_stale(closed.segment()) => true,
            Some(Part::File(file)) => {
                closed.offset().0 > file.covers().end.0.saturating_add(UNCOVERED_BYTES_MAX)
            }
            _ => end(&parts) > 0 && closed.offset() > FIRST_FRAME,
        };
        if !worth || self.segments.upkeep.heads_are_known().is_err() {
            return Ok(());
        }
        match self.write_index(&view, index, closed.offset(), last_time) {
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "no index was written: the next opening scans the segment");
            }
        }
        Ok(())
    }

    /// Does one thing about index files. Nothing depends on it, so whatever goes wrong is tried again only once
    /// another segment has been sealed.
    pub(super) fn index_chore(&self) -> bool {
        if self.pipeline().poison().is_some() {
            return false;
        }
        self.keep_up() || self.sum_up_heads()
    }

    /// Brings index files in order that were not: one of them. True if it did, or tried.
    pub(super) fn keep_up(&self) -> bool {
        let upkeep = &self.segments.upkeep;
        let Some(task) = upkeep.next() else { return false };
        self.rest_after(self.carry_task(&task).map(|()| upkeep.done(&task)));
        true
    }

    /// Makes one run of many layers. True if it did, or tried.
    fn sum_up_heads(&self) -> bool {
        let Some(merge) = self.merge() else { return false };
        self.rest_after(merge.carry_out(&self.segments));
        true
    }

    fn rest_after(&self, done: Result<()>) {
        if let Err(error) = done {
            tracing::warn!(%error, "an index file could not be written or removed");
            self.segments.upkeep.rest();
        }
    }

    /// Whether there is anything to be done about index files.
    pub(crate) fn index_chore_ready(&self) -> bool {
        self.segments.upkeep.next().is_some() || self.merge().is_some()
    }

    fn merge(&self) -> Option<Merge> {
        if self.segments.upkeep.is_resting() { None } else { Merge::due(&self.segments) }
    }

    fn carry_task(&self, task: &Task) -> Result<()> {
        let shelf = &self.segments.shelf;
        match task {
            Task::Write(segment, bytes) => {
                write_again(&self.segments, *segment, bytes)?;
                count(&self.counters.indexes_remade, 1);
                tracing::info!(
                    segment = segment.0,
                    bytes = bytes.len(),
                    "wrote the index of a segment anew"
                );
                Ok(())
            }
            Task::Remove(run) => {
                // What could not be used before may have been written anew since. Want of a descriptor says nothing of it.
                self.segments.release();
                let path = shelf.directory.run(run);
                let layers = self.segments.view().table.heads.layers();
                let used = layers.newest_first().iter().find(|layer| layer.segments() == *run);
                if used.is_some_and(|layer| open_run(shelf, run, layer.salt()).is_some()) {
                    return Ok(());
                }
                remove_if_there(&*shelf.disk, &path)
                    .map_err(|error| Error::io("removing", &path, error))
            }
        }
    }
}

/// The ordinal behind the last one of a segment.
fn end(parts: &[Part]) -> u32 {
    parts.last().map_or(0, |part| part.ordinals().end)
}

/// How many events from the first on are found by their ids. Those in memory are if the store is asked to; those
/// in a file as it says.
fn ids_held(view: &View, parts: &[Part], events: u32) -> u32 {
    let (filed, held) = match parts.first() {
        Some(Part::File(file)) => (file.covers().events, file.covers().ids),
        _ => (0, 0),
    };
    let goes_on = view.store.shelf.id_segments > 0 && held == filed;
    if goes_on { events } else { held }
}

/// The index of a segment, of its parts. A file among them that fails a check is set aside, and what the log says is taken.
fn made(view: &View, index: usize, covered: ByteOffset, last_time: Timestamp) -> Result<Vec<u8>> {
    let base = view.table.segments[index].base;
    let bytes = |parts: &[Part]| {
        let events = end(parts);
        let ids = ids_held(view, parts, events);
        let covers = Covers { base, events, ids, end: covered, last_time };
        index_bytes(view, index, &covers, (parts, &view.table.heads))
    };
    match bytes(&find::parts(view, index)?) {
        Err(Trouble::Index(error)) => Ok(bytes(&mend(view, index, &error)?)?),
        made => Ok(made?),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use quipu_disk::MemoryDisk;

    use super::*;
    use crate::options::tests::small;
    use crate::{ExpectedVersion, NewEvent, Store};

    #[test]
    fn an_index_that_is_to_stand_in_no_file_is_held() {
        let builder = Store::builder("s").disk(Arc::new(MemoryDisk::new())).options(small());
        let store = builder.open().unwrap();
        let segments = Arc::clone(store.segments());
        let append = || {
            let event = NewEvent::new("T", vec![7; 300]);
            store.append("a", ExpectedVersion::Any, [event]).unwrap();
        };
        append();
        segments.upkeep.note_lost(Error::new(ErrorKind::Damaged, "events are lost"));
        while store.stats().rolls < 2 {
            append();
        }
        store.close().unwrap();
        let index = |segment| segments.upkeep.unwritten(SegmentId(segment));
        assert!(index(1).is_some() && index(2).is_some() && index(3).is_none());
    }
}
