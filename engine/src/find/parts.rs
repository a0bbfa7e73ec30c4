//! The parts of a segment's index, opened when first needed, and what is done when one fails a check.

use std::sync::Arc;

use quipu_index::{IndexError, Part};

use crate::index_files::{lost_events, mend, open_sealed};
use crate::reindex::{Ids, rebuild};
use crate::segments::View;
use crate::{Error, Result};

/// The parts of a segment's index, in the order of their events: opened, or made from the log.
pub(crate) fn parts(view: &View, index: usize) -> Result<Arc<[Part]>> {
    let segment = &view.table.segments[index];
    if let Some(parts) = segment.known_parts() {
        return Ok(parts);
    }
    let view = &view.widened(index);
    let part = match open_sealed(view, index) {
        Some(sealed) => Part::File(Arc::new(sealed)),
        None if index < view.table.loose => return mend(view, index, &"there is none"),
        None => made(view, index)?,
    };
    let parts: Arc<[Part]> = Arc::from([part]);
    let parts = segment.supply_parts(parts, segment.end(view.visible));
    view.store.touch(segment);
    Ok(parts)
}

/// The index of a loose segment, made from the log. There may have been a file that knew more of lost events, for who has
/// asked before and for who writes: they are told of first.
fn made(view: &View, index: usize) -> Result<Part> {
    let upkeep = &view.store.upkeep;
    let rebuilt = rebuild(view, index, u32::MAX, Ids::wanted(&view.store.shelf, None))?;
    let part = Part::Memory(Arc::new(rebuilt.active));
    upkeep.lost_events().note(lost_events(view, &view.table.segments[index], &part)?);
    if upkeep.is_writing()
        && let Some(lost) = rebuilt.lost
    {
        upkeep.note_lost(lost);
    }
    Ok(part)
}

/// Asks the index of a segment. A file that fails a check is set aside, and what the log says is asked; one that cannot be
/// read is asked once more before: of events that are lost it may know what nothing else does.
///
/// # Errors
/// What the system refuses.
pub(crate) fn ask<T>(
    view: &View,
    index: usize,
    mut question: impl FnMut(&[Part]) -> std::result::Result<T, IndexError>,
) -> Result<T> {
    let parts = parts(view, index)?;
    let answer = question(&parts).or_else(|error| match error {
        IndexError::Io(_) => question(&parts),
        error => Err(error),
    });
    match answer {
        Ok(answer) => Ok(answer),
        Err(error) => question(&mend(view, index, &error)?).map_err(|error| {
            let segment = &view.table.segments[index];
            Error::index(Some(&view.store.shelf.directory.index(segment.id)), error)
        }),
    }
}
