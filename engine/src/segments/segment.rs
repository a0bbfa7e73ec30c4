//! One segment as readers see it: its file, opened when first needed, how far it may be read, and its index.

use std::cmp;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use quipu_disk::threads::{Mutex, RwLock};
use quipu_disk::{Access, Disk, File, Map};
use quipu_format::{ByteOffset, Lsn, Position, Salt, SegmentId};
use quipu_index::{Active, Part};

use super::View;
use crate::{Error, ReadMode, Result, header};

/// A segment as readers see it.
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) salt: Salt,
    pub(crate) path: PathBuf,
    /// Position of its first event.
    pub(crate) base: Position,
    /// Where its frames end; not known while it is written.
    end: OnceLock<ByteOffset>,
    /// The file, while it is among those kept open.
    opened: Mutex<Option<Arc<Opened>>>,
    /// Why only a newer version can read it, once that was found: headers never change.
    newer: OnceLock<Error>,
    /// The index's parts in the order of their events; nothing before they are first needed.
    parts: RwLock<Option<Arc<[Part]>>>,
}

/// A segment's open file. Whoever holds it may go on reading, whatever becomes of the segment.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: Arc<dyn File>,
    /// Missing where reads are to go without maps.
    map: Option<Map>,
}

impl Segment {
    /// A segment whose index is still to be found, or made from the log.
    pub(crate) fn new(id: SegmentId, salt: Salt, path: PathBuf, base: Position) -> Segment {
        Segment {
            id,
            salt,
            path,
            base,
            end: OnceLock::new(),
            opened: Mutex::new(None),
            newer: OnceLock::new(),
            parts: RwLock::new(None),
        }
    }

    /// Notes where the frames end: the segment is not written any more.
    pub(crate) fn finish(&self, end: ByteOffset) {
        let _ = self.end.set(end);
    }

    /// Where the frames end, if the segment is not written any more.
    pub(crate) fn finished(&self) -> Option<ByteOffset> {
        self.end.get().copied()
    }

    /// Where the frames end, for a reader that may see up to `visible`.
    pub(crate) fn end(&self, visible: Lsn) -> ByteOffset {
        match visible.segment().cmp(&self.id) {
            cmp::Ordering::Less => ByteOffset(0),
            cmp::Ordering::Equal => visible.offset(),
            cmp::Ordering::Greater => self.end.get().copied().unwrap_or_default(),
        }
    }

    /// Why only a newer version can read it, if that was found as its file was opened.
    pub(super) fn newer(&self) -> Option<&Error> {
        self.newer.get()
    }

    /// The segment's file, open; refused where its header asks for what this version does not know.
    pub(super) fn open(&self, disk: &dyn Disk, mode: ReadMode) -> Result<Arc<Opened>> {
        let mut slot = self.opened.lock();
        if let Some(opened) = &*slot {
            return Ok(Arc::clone(opened));
        }
        if let Some(newer) = self.newer() {
            return Err(newer.clone());
        }
        let file = disk
            .open(&self.path, Access::Read)
            .map_err(|error| Error::io("opening", &self.path, error))?;
        self.refuse_newer(&*file)?;
        let map = match mode {
            ReadMode::Map => {
                Some(file.map().map_err(|error| Error::io("mapping", &self.path, error))?)
            }
            ReadMode::Pread => None,
        };
        let opened = Arc::new(Opened { file, map });
        *slot = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Goes on with the file that another one of the same segment has open.
    pub(crate) fn share_file(&self, other: &Segment) {
        let opened = other.opened.lock().clone();
        *self.opened.lock() = opened;
    }

    /// Keeps this version from a file that it does not understand.
    fn refuse_newer(&self, file: &dyn File) -> Result<()> {
        let Err(error) = header::permit(file) else { return Ok(()) };
        let error = Error::format(&self.path, ByteOffset(0), &error);
        Err(self.newer.get_or_init(|| error).clone())
    }

    /// Lets go of the file and of an index that can be read again. False for one that may still be written: whoever
    /// recovers what its writer has left may take the file away from who reads elsewhere.
    pub(super) fn release(&self) -> bool {
        if self.finished().is_none() {
            return false;
        }
        let mut parts = self.parts.write();
        if let Some([Part::File(_)]) = parts.as_deref() {
            *parts = None;
        }
        drop(parts);
        drop(self.opened.lock().take());
        true
    }

    /// The index's parts, if they have been opened or are in memory.
    pub(crate) fn known_parts(&self) -> Option<Arc<[Part]>> {
        self.parts.read().clone()
    }

    /// Sets the index's parts, in the order of their events; together they cover the whole segment.
    pub(crate) fn set_parts(&self, parts: impl Into<Arc<[Part]>>) {
        *self.parts.write() = Some(parts.into());
    }

    /// Sets the index's parts where there are none, made of what stands before `end`; gives those that count. If more
    /// has been written since, those that were made are good for who sees no more, and for nobody else.
    pub(crate) fn supply_parts(&self, parts: Arc<[Part]>, end: ByteOffset) -> Arc<[Part]> {
        let mut slot = self.parts.write();
        // Whoever lets go of the parts of a segment that is not written any more has noted its end before.
        if self.finished().is_some_and(|finished| end < finished) {
            return parts;
        }
        Arc::clone(slot.get_or_insert(parts))
    }

    /// Sets the index's parts, unless somebody has set others than `known` meanwhile, or let go of those; gives those
    /// that count.
    pub(crate) fn replace_parts(
        &self,
        known: Option<&Arc<[Part]>>,
        parts: Arc<[Part]>,
    ) -> Arc<[Part]> {
        let mut slot = self.parts.write();
        match &*slot {
            Some(others) if known.is_none_or(|known| !Arc::ptr_eq(known, others)) => {
                Arc::clone(others)
            }
            None if known.is_some() => parts,
            _ => {
                *slot = Some(Arc::clone(&parts));
                parts
            }
        }
    }

    /// The part that takes new events.
    pub(crate) fn active(&self) -> Option<Arc<Active>> {
        match self.known_parts()?.last()? {
            Part::Memory(active) => Some(Arc::clone(active)),
            Part::File(_) => None,
        }
    }

    /// Number of keys in the index's file, if the segment has one.
    pub(crate) fn keys_in_file(&self) -> Option<u32> {
        match self.known_parts()?.first()? {
            Part::File(file) => Some(file.entries()),
            Part::Memory(_) => None,
        }
    }

    /// How far bytes of this segment may be lent, for a reader that sees `durable`.
    fn settled(&self, durable: Lsn) -> ByteOffset {
        match durable.segment().cmp(&self.id) {
            cmp::Ordering::Less => ByteOffset(0),
            cmp::Ordering::Equal => durable.offset(),
            cmp::Ordering::Greater => self.end.get().copied().unwrap_or_default(),
        }
    }
}

impl Opened {
    /// Size of the file.
    pub(super) fn size(&self) -> io::Result<u64> {
        self.map.as_ref().map_or_else(|| self.file.size(), |map| Ok(map.size()))
    }

    /// The map, which lends everything of `segment` below what `view` calls durable, at least.
    pub(crate) fn map(&self, segment: &Segment, view: &View) -> Option<&Map> {
        let map = self.map.as_ref()?;
        let bound = segment.settled(view.durable);
        if bound.0 > map.settled() {
            // SAFETY: frames are written once, in order, and a later opening never writes into what it
            // finds below its own end; so nobody writes below a durable place again, and segments
            // never change their size. The store's lock keeps other writers out.
            #[allow(unsafe_code, reason = "the log is append-only below what is durable")]
            unsafe {
                map.settle(bound.0);
            }
        }
        Some(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever sees only a part of a segment that has grown since makes its index of that part.
    #[test]
    fn parts_that_are_made_of_less_than_there_is_are_kept_by_nobody() {
        let segment = Segment::new(SegmentId(1), Salt(1), PathBuf::new(), Position(0));
        let parts = || Arc::from([Part::Memory(Arc::new(Active::new(0)))]);
        segment.finish(ByteOffset(100));
        segment.supply_parts(parts(), ByteOffset(99));
        assert!(segment.known_parts().is_none());
        let kept = segment.supply_parts(parts(), ByteOffset(100));
        assert!(Arc::ptr_eq(&kept, &segment.known_parts().unwrap()));
        let others = segment.supply_parts(parts(), ByteOffset(100));
        assert!(Arc::ptr_eq(&kept, &others), "those that were there first count");
        let written = Segment::new(SegmentId(2), Salt(1), PathBuf::new(), Position(0));
        written.supply_parts(parts(), ByteOffset(50));
        assert!(written.known_parts().is_some(), "all there is");
    }
}
