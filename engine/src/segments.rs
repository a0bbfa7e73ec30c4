//! Segments as readers see them: maps, made when first needed, and how far each may be read.

use std::cmp;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use quipu_disk::{Access, Disk, File, Map};
use quipu_format::{ByteOffset, Lsn, Position, Salt, SegmentId};

use crate::recovery::{Part, SegmentFile};
use crate::{Error, Result};

/// A segment as readers see it.
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) salt: Salt,
    pub(crate) path: PathBuf,
    /// Position of its first event.
    pub(crate) base: Position,
    /// Where its frames end; not known while it is written.
    end: OnceLock<ByteOffset>,
    file: OnceLock<Arc<dyn File>>,
    map: OnceLock<Map>,
}

impl Segment {
    pub(crate) fn new(id: SegmentId, salt: Salt, path: PathBuf, base: Position) -> Segment {
        Segment {
            id,
            salt,
            path,
            base,
            end: OnceLock::new(),
            file: OnceLock::new(),
            map: OnceLock::new(),
        }
    }

    fn of_part(part: &Part, active: SegmentId) -> Segment {
        let SegmentFile { id, salt, path, file, .. } = &part.file;
        let segment = Segment::new(*id, *salt, path.clone(), part.base);
        let _ = segment.file.set(Arc::clone(file));
        if *id != active {
            segment.finish(part.end);
        }
        segment
    }

    /// Notes where the frames end: the segment is not written any more.
    pub(crate) fn finish(&self, end: ByteOffset) {
        let _ = self.end.set(end);
    }

    /// Where the frames end, for a reader that may see up to `visible`.
    pub(crate) fn end(&self, visible: Lsn) -> ByteOffset {
        match visible.segment().cmp(&self.id) {
            cmp::Ordering::Less => ByteOffset(0),
            cmp::Ordering::Equal => visible.offset(),
            cmp::Ordering::Greater => self.end.get().copied().unwrap_or_default(),
        }
    }

    pub(crate) fn file(&self, disk: &dyn Disk) -> Result<&Arc<dyn File>> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let opened = disk
            .open(&self.path, Access::Read)
            .map_err(|error| Error::io("opening", &self.path, error))?;
        Ok(self.file.get_or_init(|| opened))
    }

    /// A map of the segment that lends everything below `durable`, at least.
    pub(crate) fn map(&self, disk: &dyn Disk, durable: Lsn) -> Result<&Map> {
        let map = match self.map.get() {
            Some(map) => map,
            None => {
                let map = self.file(disk)?.map();
                let map = map.map_err(|error| Error::io("mapping", &self.path, error))?;
                self.map.get_or_init(|| map)
            }
        };
        let bound = if durable.segment() > self.id {
            self.end.get().copied().unwrap_or_default()
        } else if durable.segment() == self.id {
            durable.offset()
        } else {
            ByteOffset(0)
        };
        if bound.0 > map.settled() {
            // SAFETY: frames are written once, in order, and a later opening never writes into what it
            // finds below its own end; so nobody writes below a durable place again, and segments
            // never change their size. The store's lock keeps other writers out.
            #[allow(unsafe_code, reason = "the log is append-only below what is durable")]
            unsafe {
                map.settle(bound.0);
            }
        }
        Ok(map)
    }
}

/// The segments of a store in log order, and how far readers may go.
pub(crate) struct Segments {
    table: RwLock<Arc<Vec<Arc<Segment>>>>,
    visible: AtomicU64,
    durable: AtomicU64,
    visible_position: AtomicU64,
}

/// What a reader holds on to: the segments and the bounds of one moment.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) table: Arc<Vec<Arc<Segment>>>,
    pub(crate) visible: Lsn,
    pub(crate) durable: Lsn,
    /// The position that the next event to become visible will get, or one before it.
    pub(crate) visible_position: Position,
}

impl Segments {
    /// The segments of a surveyed store, visible up to `end`.
    pub(crate) fn new(parts: &[Part], end: Lsn, next_position: Position) -> Segments {
        let segments = parts.iter().map(|part| Arc::new(Segment::of_part(part, end.segment())));
        Segments {
            table: RwLock::new(Arc::new(segments.collect())),
            visible: AtomicU64::new(end.0),
            durable: AtomicU64::new(end.0),
            visible_position: AtomicU64::new(next_position.0),
        }
    }

    /// Adds the segment that is written from now on; the one before ends at `end`.
    pub(crate) fn add(&self, segment: Segment, end: ByteOffset) {
        let mut table = self.table.write();
        if let Some(last) = table.last() {
            last.finish(end);
        }
        let mut longer = Vec::clone(&table);
        longer.push(Arc::new(segment));
        *table = Arc::new(longer);
    }

    /// Takes over the segments and bounds of a late recovery. Readers that are under way go on with
    /// what they hold, which says the same.
    pub(crate) fn adopt(&self, other: Segments) {
        // Under the lock: whoever sees the one table sees the bounds that go with it.
        let mut table = self.table.write();
        self.visible.store(other.visible.into_inner(), Ordering::Release);
        self.durable.store(other.durable.into_inner(), Ordering::Release);
        self.visible_position.store(other.visible_position.into_inner(), Ordering::Release);
        *table = other.table.into_inner();
    }

    /// Raises the bounds. The position goes last: whoever sees it sees the bounds that go with it.
    pub(crate) fn publish(&self, visible: Lsn, durable: Lsn, position: Position) {
        self.durable.fetch_max(durable.0, Ordering::Release);
        self.visible.fetch_max(visible.0, Ordering::Release);
        self.visible_position.fetch_max(position.0, Ordering::Release);
    }

    pub(crate) fn visible_position(&self) -> Position {
        Position(self.visible_position.load(Ordering::Acquire))
    }

    /// The segments and bounds of this moment. A segment is added before a bound that lies in it, so the
    /// table holds every segment below the bounds.
    pub(crate) fn view(&self) -> View {
        let table = self.table.read();
        let visible_position = self.visible_position();
        let visible = Lsn(self.visible.load(Ordering::Acquire));
        let durable = Lsn(self.durable.load(Ordering::Acquire));
        View { table: Arc::clone(&table), visible, durable, visible_position }
    }
}
