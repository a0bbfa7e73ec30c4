//! Bytes of the log: borrowed where they are durable, copied where they are not yet.

use std::ops::Range;
use std::sync::Arc;

use quipu_disk::{Disk, read_exact_at};
use quipu_format::{SegmentId, UNIT_BYTES};
use zerocopy::IntoBytes;

use crate::segments::{Segment, View};
use crate::{Error, Result};

/// The bytes of a range: borrowed from the map where they are durable, else copied.
pub(super) fn bytes<'b>(
    disk: &Arc<dyn Disk>,
    view: &View,
    segment: &'b Segment,
    copy: &'b mut Copied,
    range: Range<u64>,
) -> Result<&'b [u8]> {
    let map = segment.map(&**disk, view.durable)?;
    if let Some(bytes) = map.slice(range.clone()) {
        return Ok(bytes);
    }
    copy.read(disk, segment, range)
}

/// A part of the log that is not durable yet, copied. Aligned as the log is.
#[derive(Default)]
pub(super) struct Copied {
    segment: SegmentId,
    range: Range<u64>,
    aligned: Vec<u128>,
}

impl Copied {
    /// Bytes of a range; what was copied last is not copied again. Ranges begin at multiples of the unit,
    /// so what is aligned in the file is aligned here.
    fn read(
        &mut self,
        disk: &Arc<dyn Disk>,
        segment: &Segment,
        range: Range<u64>,
    ) -> Result<&[u8]> {
        let held = self.segment == segment.id
            && self.range.start <= range.start
            && range.end <= self.range.end;
        if !held {
            let len = range.end.saturating_sub(range.start);
            self.range = 0..0;
            self.aligned.resize(len.div_ceil(UNIT_BYTES) as usize, 0);
            let bytes = &mut self.aligned.as_mut_slice().as_mut_bytes()[..len as usize];
            read_exact_at(&**segment.file(&**disk)?, bytes, range.start)
                .map_err(|error| Error::io("reading", &segment.path, error))?;
            (self.segment, self.range) = (segment.id, range.clone());
        }
        let start = (range.start - self.range.start) as usize;
        let end = start + (range.end - range.start) as usize;
        Ok(&self.aligned.as_slice().as_bytes()[start..end])
    }
}
