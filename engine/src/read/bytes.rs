//! Bytes of the log: borrowed where they are durable, copied where they are not yet.

use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use quipu_disk::read_exact_at;
use quipu_format::{SegmentId, UNIT_BYTES};
use zerocopy::IntoBytes;

use crate::segments::{Opened, Segment, View};
use crate::{Error, Result};

/// Bytes that are copied at once, where so many are visible: records are small, calls are not.
const AHEAD_BYTES: u64 = 16 << 10;

/// Segments that are held open at once: events that are found together are read together.
const OPENED_MAX: usize = 16;

/// Bytes of a record that are asked for in advance, and how many come at once.
const TOUCHED_BYTES: u64 = 384;
const LINE_BYTES: usize = 64;

/// Lends bytes of the log, of one segment after another.
#[derive(Default)]
pub(crate) struct Lender {
    /// The segments read last, the last one at the end; their bytes stay readable as long as they are held.
    opened: Vec<(SegmentId, Arc<Opened>)>,
    copied: Copied,
}

/// A part of the log that is not durable yet, or not mapped, copied. Aligned as the log is.
#[derive(Default)]
struct Copied {
    segment: SegmentId,
    range: Range<u64>,
    aligned: Vec<u128>,
}

impl Lender {
    /// The bytes of a range: borrowed from the map where they are durable, else copied.
    pub(crate) fn lend(
        &mut self,
        view: &View,
        segment: &Arc<Segment>,
        range: Range<u64>,
    ) -> Result<&[u8]> {
        let at = self.open(view, segment)?;
        let (_, opened) = &self.opened[at];
        if let Some(bytes) = opened.map(segment, view).and_then(|map| map.slice(range.clone())) {
            return Ok(bytes);
        }
        let end = segment.end(view.visible).0.max(range.end);
        self.copied.read(opened, segment, range, end)
    }

    /// Looks at the bytes of a record that begins here, so that they are near when they are read. Does nothing
    /// where they cannot be borrowed.
    pub(crate) fn touch(&mut self, view: &View, segment: &Arc<Segment>, start: u64) {
        let Ok(at) = self.open(view, segment) else { return };
        let Some(map) = self.opened[at].1.map(segment, view) else { return };
        let end = map.settled().min(start + TOUCHED_BYTES);
        let lines = map.slice(start..end).unwrap_or_default().iter().step_by(LINE_BYTES);
        black_box(lines.fold(0, |sum, byte| sum ^ byte));
    }

    /// How large the segment's file is.
    pub(crate) fn file_bytes(&mut self, view: &View, segment: &Arc<Segment>) -> Result<u64> {
        let at = self.open(view, segment)?;
        let size = self.opened[at].1.file.size();
        size.map_err(|error| Error::io("reading", &segment.path, error))
    }

    /// Which of the segments that are held open this one is.
    fn open(&mut self, view: &View, segment: &Arc<Segment>) -> Result<usize> {
        if let Some(at) = self.opened.iter().rposition(|(id, _)| *id == segment.id) {
            return Ok(at);
        }
        if self.opened.len() == OPENED_MAX {
            self.opened.remove(0);
        }
        self.opened.push((segment.id, view.store.open(segment)?));
        Ok(self.opened.len() - 1)
    }
}

impl Copied {
    /// Bytes of a range, and what follows up to `end`, as far as it goes; what was copied last is not
    /// copied again. Ranges begin at multiples of the unit, so what is aligned in the file is aligned here.
    fn read(
        &mut self,
        opened: &Opened,
        segment: &Segment,
        range: Range<u64>,
        end: u64,
    ) -> Result<&[u8]> {
        let held = self.segment == segment.id
            && self.range.start <= range.start
            && range.end <= self.range.end;
        if !held {
            let ahead = range.start..range.end.max(end.min(range.start + AHEAD_BYTES));
            // A device may fail behind what is asked for.
            self.fill(opened, ahead)
                .or_else(|_| self.fill(opened, range.clone()))
                .map_err(|error| Error::io("reading", &segment.path, error))?;
            self.segment = segment.id;
        }
        let start = (range.start - self.range.start) as usize;
        let end = start + (range.end - range.start) as usize;
        Ok(&self.aligned.as_slice().as_bytes()[start..end])
    }

    fn fill(&mut self, opened: &Opened, range: Range<u64>) -> io::Result<()> {
        let len = range.end.saturating_sub(range.start);
        self.range = 0..0;
        self.aligned.resize(len.div_ceil(UNIT_BYTES) as usize, 0);
        let bytes = &mut self.aligned.as_mut_slice().as_mut_bytes()[..len as usize];
        match read_exact_at(&*opened.file, bytes, range.start) {
            // What a file that was cut short has lost reads as zeros, which are no frame and no record.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let size = opened.file.size()?.clamp(range.start, range.end);
                let (left, lost) = bytes.split_at_mut((size - range.start) as usize);
                lost.fill(0);
                read_exact_at(&*opened.file, left, range.start)?;
            }
            read => read?,
        }
        self.range = range;
        Ok(())
    }
}
