//! The segments of a store as readers see them, and how far they may be read.

mod heads;
mod holes;
mod kept;
mod newer;
mod segment;
mod shelf;

use std::sync::{Arc, OnceLock};

use quipu_disk::threads::{AtomicU64, Ordering, RwLock};
use quipu_format::{ByteOffset, Lsn, Position};
use quipu_index::Layers;

use self::kept::Kept;
use crate::follow::{Ending, News};
use crate::index_files::Upkeep;
use crate::live::Follower;
use crate::plant::{self, Bug};
use crate::{Error, Result};

pub(crate) use heads::Heads;
pub(crate) use holes::{Holes, hole_error, lost_with};
pub(crate) use segment::{Opened, Segment};
pub(crate) use shelf::Shelf;

/// The segments of a store in log order, and how far readers may go.
pub(crate) struct Segments {
    pub(crate) shelf: Shelf,
    table: RwLock<Arc<Table>>,
    visible: AtomicU64,
    durable: AtomicU64,
    visible_position: AtomicU64,
    kept: Kept,
    /// Told once more is visible.
    news: News,
    /// What is to be done about index files.
    pub(crate) upkeep: Upkeep,
    /// Keeps up with a writer in another process; missing beside a writer of this one.
    follower: OnceLock<Follower>,
}

/// The segments of one moment, and what is known of keys without looking into them.
#[derive(Clone, Default)]
pub(crate) struct Table {
    /// In log order.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The heads of all keys in the segments before the loose ones.
    pub(crate) heads: Arc<Heads>,
    /// Index of the first segment whose keys `heads` does not know: it and all behind it are looked into
    /// one by one.
    pub(crate) loose: usize,
    /// What is lost between the segments and behind them.
    pub(crate) holes: Holes,
}

/// How far a store may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) visible: Lsn,
    pub(crate) durable: Lsn,
    /// The position that the next event to become visible will get.
    pub(crate) next_position: Position,
}

/// What a reader holds on to: the segments and the bounds of one moment.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) store: Arc<Segments>,
    pub(crate) table: Arc<Table>,
    pub(crate) visible: Lsn,
    pub(crate) durable: Lsn,
    /// The position that the next event to become visible will get, or one before it.
    pub(crate) visible_position: Position,
}

impl Table {
    /// The position at which what follows the segment at this index begins: the next segment, or a hole.
    /// None of the last.
    pub(crate) fn end_of(&self, index: usize) -> Option<Position> {
        let next = self.segments.get(index + 1).map(|next| next.base);
        let base = self.segments.get(index).map_or(Position(0), |segment| segment.base);
        let hole = self.holes.from(base).first().map(|hole| hole.positions.start);
        next.into_iter().chain(hole).min()
    }
}

impl View {
    /// What is visible now, if the segment at this index is still the same there: what is opened or made of it
    /// is for everybody, also for those who see more than this view does.
    pub(crate) fn widened(&self, index: usize) -> View {
        let (now, segments) = (self.store.view(), &self.table.segments);
        match (segments.get(index), now.table.segments.get(index)) {
            (Some(here), Some(there)) if Arc::ptr_eq(here, there) => now,
            _ => self.clone(),
        }
    }
}

impl Segments {
    /// The segments of a store, visible up to `end`.
    pub(crate) fn new(shelf: Shelf, table: Table, end: Lsn, next_position: Position) -> Segments {
        let mode = shelf.mode;
        Segments {
            shelf,
            table: RwLock::new(Arc::new(table)),
            visible: AtomicU64::new(end.0),
            durable: AtomicU64::new(end.0),
            visible_position: AtomicU64::new(next_position.0),
            kept: Kept::new(mode),
            news: News::default(),
            upkeep: Upkeep::default(),
            follower: OnceLock::new(),
        }
    }

    /// Keeps up with whoever writes to the store from now on.
    pub(crate) fn follow(&self, follower: Follower) {
        let _ = self.follower.set(follower);
    }

    /// Takes over what another process has made visible meanwhile. Does nothing beside a writer of this one.
    pub(crate) fn refresh(self: &Arc<Segments>) -> Result<()> {
        match self.follower.get() {
            Some(follower) => follower.refresh(self),
            None => Ok(()),
        }
    }

    /// Sees to it that followers who wait are told of what other processes make visible.
    pub(crate) fn watch(self: &Arc<Segments>) -> Result<()> {
        match self.follower.get() {
            Some(follower) => follower.watch(self),
            None => Ok(()),
        }
    }

    /// What keeps it from looking for news of another process, if that lasts and whoever asks has not been told of it.
    pub(crate) fn trouble_since(&self, told: &mut u64) -> Option<Error> {
        self.follower.get()?.trouble_since(told)
    }

    /// The segments and bounds of this moment, also beside a writer in another process.
    pub(crate) fn latest(self: &Arc<Segments>) -> Result<View> {
        self.refresh()?;
        Ok(self.view())
    }

    /// Adds the segments that follow what is known so far, and sets how far all of them may be read.
    pub(crate) fn complete(&self, more: impl IntoIterator<Item = Arc<Segment>>, bounds: Bounds) {
        let mut table = self.table.write();
        let mut longer = Table::clone(&table);
        longer.segments.extend(more);
        self.visible.store(bounds.visible.0, Ordering::Release);
        self.durable.store(bounds.durable.0, Ordering::Release);
        self.visible_position.store(bounds.next_position.0, Ordering::Release);
        *table = Arc::new(longer);
    }

    /// Replaces the table by one that holds all segments below the bounds too.
    pub(crate) fn replace(&self, table: Table) {
        let table = Arc::new(table);
        *self.table.write() = Arc::clone(&table);
        self.kept.renew(&table.segments);
    }

    /// Adds the segment that is written from now on; the one before ends at `end`.
    pub(crate) fn add(&self, segment: Segment, end: ByteOffset) {
        let mut table = self.table.write();
        if let Some(last) = table.segments.last() {
            last.finish(end);
        }
        let mut longer = Table::clone(&table);
        longer.segments.push(Arc::new(segment));
        *table = Arc::new(longer);
    }

    /// Changes what is known of keys: `heads` covers all segments before index `loose`.
    pub(crate) fn set_heads(&self, heads: Layers, loose: usize) {
        let mut table = self.table.write();
        let heads = Arc::new(Heads::new(heads));
        *table = Arc::new(Table { heads, loose, ..Table::clone(&table) });
    }

    /// Notes what is lost with whole segments.
    pub(crate) fn set_holes(&self, holes: Holes) {
        let mut table = self.table.write();
        *table = Arc::new(Table { holes, ..Table::clone(&table) });
    }

    /// Takes over the segments and bounds of a late recovery. Readers that are under way go on with
    /// what they hold, which says the same. Where more is visible than before, followers are still to be told.
    pub(crate) fn adopt(&self, other: &Segments) {
        self.swap(other);
        self.kept.forget();
    }

    fn swap(&self, other: &Segments) {
        // Under the lock: whoever sees the one table sees the bounds that go with it.
        let mut table = self.table.write();
        let view = |bound: &AtomicU64| bound.load(Ordering::Acquire);
        self.visible.store(view(&other.visible), Ordering::Release);
        self.durable.store(view(&other.durable), Ordering::Release);
        self.visible_position.store(view(&other.visible_position), Ordering::Release);
        *table = Arc::clone(&other.table.read());
        self.upkeep.adopt(&other.upkeep);
    }

    /// Raises the bounds. The position goes last: whoever sees it sees the bounds that go with it. True if
    /// more events are visible: those who follow them are to be told.
    pub(crate) fn publish(&self, visible: Lsn, durable: Lsn, position: Position) -> bool {
        if plant::is_in(Bug::PositionBeforeBounds) {
            self.visible_position.fetch_max(position.0, Ordering::Release);
        }
        self.durable.fetch_max(durable.0, Ordering::Release);
        self.visible.fetch_max(visible.0, Ordering::Release);
        let before = self.visible_position.fetch_max(position.0, Ordering::Release);
        before < position.0
    }

    /// Tells followers that nothing more will become visible.
    pub(crate) fn end(&self, ending: Ending) {
        self.news.end(ending);
        if !plant::is_in(Bug::EndNotTold) {
            self.tell_everybody();
        }
        if let Some(follower) = self.follower.get() {
            follower.stop();
        }
    }

    pub(crate) fn tell_everybody(&self) {
        let everybody = self.news.everybody();
        everybody.ring();
        everybody.wake();
    }

    /// Where followers wait.
    pub(crate) fn news(&self) -> &News {
        &self.news
    }

    pub(crate) fn visible_position(&self) -> Position {
        Position(self.visible_position.load(Ordering::Acquire))
    }

    /// The segments and bounds of this moment. A segment is added before a bound that lies in it, so the
    /// table holds every segment below the bounds.
    pub(crate) fn view(self: &Arc<Segments>) -> View {
        let table = self.table.read();
        let visible_position = self.visible_position();
        let visible = Lsn(self.visible.load(Ordering::Acquire));
        let durable = Lsn(self.durable.load(Ordering::Acquire));
        let store = Arc::clone(self);
        View { store, table: Arc::clone(&table), visible, durable, visible_position }
    }

    /// Notes that a segment's index is used: it counts as open.
    pub(crate) fn touch(&self, segment: &Arc<Segment>) {
        self.kept.touch(segment);
    }

    /// Lets go of all files that can be opened again: there are no descriptors.
    pub(crate) fn release(&self) {
        self.kept.release();
    }

    /// Size of a segment's file.
    pub(crate) fn size_of(&self, segment: &Arc<Segment>) -> Result<u64> {
        let opened = self.open(segment)?;
        opened.size().map_err(|error| Error::io("reading", &segment.path, error))
    }

    /// A segment's file, open; the one used least recently is let go where too many are, and all where there is none
    /// to be had.
    pub(crate) fn open(&self, segment: &Arc<Segment>) -> Result<Arc<Opened>> {
        let open = || segment.open(&*self.shelf.disk, self.shelf.mode);
        let opened = self.with_descriptors(open)?;
        self.kept.touch(segment);
        Ok(opened)
    }

    /// Does what opens files; where there is no descriptor to be had, once more without all that are kept. What lacked
    /// one must have changed nothing.
    pub(crate) fn with_descriptors<T>(&self, mut act: impl FnMut() -> Result<T>) -> Result<T> {
        match act() {
            Err(error) if error.lacks_descriptor() => {
                self.release();
                act()
            }
            done => done,
        }
    }
}
