//! Which segments are kept open: the ones used most recently, up to a bound.

use std::collections::VecDeque;
use std::sync::Arc;

use quipu_disk::threads::Mutex;
use quipu_format::SegmentId;

use super::Segment;
use crate::ReadMode;

/// Segments that are kept open. Each takes a descriptor and a map, or without maps two descriptors, with its index: of the
/// 1,024 descriptors that a process usually has, most are left to others.
const KEPT_MAX: usize = 256;
/// The same without maps.
const KEPT_READ_MAX: usize = 128;

/// The segments that are open, the one used last at the end.
pub(super) struct Kept {
    most: usize,
    order: Mutex<Order>,
}

#[derive(Default)]
struct Order {
    segments: VecDeque<Arc<Segment>>,
    last: Option<SegmentId>,
}

impl Kept {
    pub(super) fn new(mode: ReadMode) -> Kept {
        let most = match mode {
            ReadMode::Map => KEPT_MAX,
            ReadMode::Pread => KEPT_READ_MAX,
        };
        Kept { most, order: Mutex::default() }
    }

    /// Lets go of all.
    pub(super) fn release(&self) {
        let mut order = self.order.lock();
        order.last = None;
        order.segments.retain(|segment| !segment.release());
    }

    /// Forgets all, of which others hold what they use: they belong to a table that another has replaced.
    pub(super) fn forget(&self) {
        let forgotten = std::mem::take(&mut *self.order.lock());
        drop(forgotten);
    }

    /// Notes that a segment is used, and lets go of the one that was not for the longest time if there are
    /// too many. Who reads on in one segment pays next to nothing.
    pub(super) fn touch(&self, segment: &Arc<Segment>) {
        let mut order = self.order.lock();
        if order.last == Some(segment.id) {
            return;
        }
        order.last = Some(segment.id);
        let known = order.segments.iter().rposition(|kept| Arc::ptr_eq(kept, segment));
        if let Some(at) = known {
            order.segments.remove(at);
        }
        order.segments.push_back(Arc::clone(segment));
        if order.segments.len() > self.most
            && let Some(oldest) = order.segments.pop_front()
            && !oldest.release()
        {
            order.segments.push_back(oldest);
        }
    }
}
