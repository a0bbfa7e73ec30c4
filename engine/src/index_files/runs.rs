//! Runs: the heads of many segments summed up in one file.

use std::ops::Range;
use std::sync::Arc;

use quipu_index::{Layer, Layers};

use super::file::write_run_of;
use super::mend::mend_layer;
use super::{Trouble, open_run};
use crate::segments::{Segments, Table};
use crate::{Error, ErrorKind, Result};

/// So many neighbours of one level make a run of the next.
const FAN_OUT: usize = 8;

/// Layers that are to become one.
pub(crate) struct Merge {
    layers: Layers,
    /// Which of them, counted from the newest.
    range: Range<usize>,
}

impl Merge {
    /// The merge that is due, if any: of neighbours that are as many as one run takes, and all of one level.
    pub(crate) fn due(segments: &Arc<Segments>) -> Option<Merge> {
        let table = segments.view().table;
        let layers = table.heads.layers();
        let levels: Vec<u32> =
            layers.newest_first().iter().map(|layer| level(layer, &table)).collect();
        let range = due(&levels)?;
        Some(Merge { layers, range })
    }

    /// Writes the run and uses it from now on; the runs that it covers are removed.
    ///
    /// What is on disk, whenever the power goes: the layers of before, and beside them perhaps the new run.
    /// The next opening takes the longest run there is and removes those it covers.
    ///
    /// # Errors
    /// What the system refuses. Nothing has changed then.
    pub(crate) fn carry_out(self, segments: &Arc<Segments>) -> Result<()> {
        let shelf = &segments.shelf;
        let all = self.layers.newest_first();
        let old = &all[self.range.clone()];
        let (Some(newest), Some(oldest)) = (old.first(), old.last()) else { return Ok(()) };
        let covers = *oldest.segments().start()..=*newest.segments().end();
        let path = shelf.directory.run(&covers);
        let write = || match write_run_of(shelf, &path, old) {
            Ok(()) => Ok(None),
            Err(Trouble::Index(error)) => Ok(Some(error)),
            Err(Trouble::Store(error)) => Err(error),
        };
        if let Some(error) = segments.with_descriptors(write)? {
            self.examine(segments)?;
            return Err(error.into());
        }
        let unreadable = || Error::new(ErrorKind::Io, "a run cannot be read back");
        let run = open_run(shelf, &covers, newest.salt()).ok_or_else(unreadable)?;
        let mut layers = all.to_vec();
        layers.splice(self.range.clone(), [Layer::Run(Arc::new(run))]);
        let loose = segments.view().table.loose;
        segments.set_heads(Layers::new(layers), loose);
        tracing::debug!(first = %covers.start(), last = %covers.end(), "summed up heads in a run");
        for layer in old.iter().filter(|layer| matches!(layer, Layer::Run(_))) {
            let path = shelf.directory.run(&layer.segments());
            shelf.disk.remove(&path).map_err(|error| Error::io("removing", &path, error))?;
        }
        Ok(())
    }

    /// One of the layers fails a check: looks for it, and replaces it.
    fn examine(&self, segments: &Arc<Segments>) -> Result<()> {
        let view = segments.view();
        for layer in &self.layers.newest_first()[self.range.clone()] {
            let verified = match layer {
                Layer::Index(sealed) => sealed.verify(),
                Layer::Run(run) => run.verify(),
            };
            if let Err(error) = verified {
                mend_layer(&view, &view.table.heads, layer, &error)?;
            }
        }
        Ok(())
    }
}

/// The level of a layer: as many segments as it covers, so often the fan-out goes into that.
fn level(layer: &Layer, table: &Table) -> u32 {
    let covers = layer.segments();
    let first = table.segments.partition_point(|segment| segment.id < *covers.start());
    let end = table.segments.partition_point(|segment| segment.id <= *covers.end());
    (end - first).max(1).ilog(FAN_OUT)
}

/// The oldest stretch of neighbours of one level that is as long as one run takes: were a newer one taken, those
/// before it would be left over.
fn due(levels: &[u32]) -> Option<Range<usize>> {
    let mut stretches = levels.windows(FAN_OUT);
    let first = stretches.rposition(|levels| levels.iter().all(|level| *level == levels[0]))?;
    Some(first..first + FAN_OUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seals one segment after the other and counts the files that heads are then in.
    fn layers_after(segments: u32) -> Vec<u32> {
        let mut levels: Vec<u32> = Vec::new();
        for _ in 0..segments {
            levels.insert(0, 0);
            while let Some(range) = due(&levels) {
                let next = levels[range.start] + 1;
                levels.splice(range, [next]);
            }
        }
        levels
    }

    #[test]
    fn heads_are_in_few_files_however_many_segments_there_are() {
        assert_eq!(layers_after(7), [0; 7]);
        assert_eq!(layers_after(8), [1]);
        assert_eq!(layers_after(64 + 8 + 2), [0, 0, 1, 2]);
        assert!(layers_after(10_000).len() <= 7 * 5);
    }

    #[test]
    fn what_a_lost_run_leaves_behind_is_summed_up_again() {
        let levels = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(due(&levels), Some(3..11));
        assert_eq!(due(&levels[..10]), None);
    }

    #[test]
    fn a_merge_that_comes_late_leaves_nothing_over() {
        assert_eq!(due(&[0; 11]), Some(3..11));
        assert_eq!(due(&[0, 0, 0, 1]), None);
    }
}
