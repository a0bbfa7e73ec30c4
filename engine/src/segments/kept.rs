//! Which segments are kept open: the ones used most recently, up to a bound.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use quipu_disk::threads::Mutex;

use super::Segment;
use crate::ReadMode;

/// Segments that are kept open. Each takes a descriptor and a map, or without maps two descriptors, with its index: of the
/// 1,024 descriptors that a process usually has, most are left to others.
const KEPT_MAX: usize = 256;
/// The same without maps.
const KEPT_READ_MAX: usize = 128;

/// The segments that are open, in the order in which they were used last.
pub(super) struct Kept {
    most: usize,
    order: Mutex<VecDeque<Arc<Segment>>>,
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
        self.order.lock().retain(|segment| !segment.release());
    }

    /// Forgets all, of which others hold what they use: they belong to a table that another has replaced.
    pub(super) fn forget(&self) {
        let forgotten = std::mem::take(&mut *self.order.lock());
        drop(forgotten);
    }

    /// Goes on with the segments of a newer table, in their order of use. Those that it does not have are forgotten.
    pub(super) fn renew(&self, segments: &[Arc<Segment>]) {
        let mut order = self.order.lock();
        let mut renewed: VecDeque<Arc<Segment>> = VecDeque::with_capacity(order.len());
        // The one used last of each: an older table may have another one of the same segment.
        for kept in order.drain(..).rev() {
            let newer = segments.binary_search_by_key(&kept.id, |segment| segment.id);
            let Some(newer) = newer.ok().map(|at| &segments[at]) else { continue };
            if !renewed.iter().any(|known| Arc::ptr_eq(known, newer)) {
                renewed.push_front(Arc::clone(newer));
            }
        }
        *order = renewed;
    }

    /// Notes that a segment is used, and lets go of the one that was not for the longest time if there are
    /// too many. Who reads on in one segment pays next to nothing.
    pub(super) fn touch(&self, segment: &Arc<Segment>) {
        let mut order = self.order.lock();
        if order.back().is_some_and(|last| Arc::ptr_eq(last, segment)) {
            return;
        }
        let known = order.iter().rposition(|kept| Arc::ptr_eq(kept, segment));
        if let Some(at) = known {
            order.remove(at);
        }
        order.push_back(Arc::clone(segment));
        // Those that may still be written are kept: they are few.
        if order.len() > self.most
            && let Some(at) = order.iter().position(|oldest| oldest.release())
        {
            order.remove(at);
        }
    }
}
