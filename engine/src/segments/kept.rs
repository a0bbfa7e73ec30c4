//! Which segments are kept open: the ones used most recently, up to a bound.

use std::collections::VecDeque;
use std::sync::Arc;

use quipu_disk::threads::Mutex;
use quipu_format::SegmentId;

use super::Segment;

/// Segments that are kept open. Each takes a descriptor and a map, or two with its index.
const KEPT_MAX: usize = 1024;

/// The segments that are open, the one used last at the end.
#[derive(Default)]
pub(super) struct Kept {
    order: Mutex<Order>,
}

#[derive(Default)]
struct Order {
    segments: VecDeque<Arc<Segment>>,
    last: Option<SegmentId>,
}

impl Kept {
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
        if order.segments.len() > KEPT_MAX
            && let Some(oldest) = order.segments.pop_front()
        {
            oldest.release();
        }
    }
}
