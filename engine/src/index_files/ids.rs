//! Ids of events, in indexes that were made without.

use std::sync::Arc;

use quipu_index::{Part, Sealed};

use super::mend::heads_before;
use super::{held_index, make, write_again};
use crate::segments::View;
use crate::{Error, Result, find};

/// Sees to it that the last segments, as many as must find their events by id, do. They do not where the store was
/// written for a while without being asked to, or an index was lost: such an index is made anew from the log.
///
/// What is on disk, whenever the power goes: the index of before or the new one, each whole; the next opening makes
/// those anew that are left.
///
/// # Errors
/// What the system refuses while the log is read. Where events are lost, or on sectors that cannot be read, the index is
/// left as it is, because it knows more of them than the log, and it is noted that their ids are not known.
pub(crate) fn complete_ids(view: &View) -> Result<()> {
    let segments = &view.table.segments;
    let first = segments.len().saturating_sub(view.store.shelf.id_segments as usize);
    for index in first..segments.len() {
        let parts = find::parts(view, index)?;
        if let Some(Part::File(file)) = parts.first()
            && file.covers().ids < file.covers().events
        {
            add_ids(view, index, file, &parts)?;
        }
    }
    Ok(())
}

/// Replaces the file that a segment's index begins with by one with ids.
fn add_ids(view: &View, index: usize, file: &Sealed, parts: &Arc<[Part]>) -> Result<()> {
    let (segment, upkeep) = (&view.table.segments[index], &view.store.upkeep);
    tracing::info!(segment = %segment.id, "the index does not hold the ids of all events: making it anew");
    let made =
        heads_before(view, index).and_then(|heads| make(view, index, Some(*file.covers()), heads));
    let made = match made {
        Err(error) if error.is_of_bad_sector() => {
            tracing::warn!(%error, "events cannot be read, and so the ids of their segment are not known");
            let until = "which ids are in its segment is not known until the store is opened anew";
            upkeep.note_ids_lost(segment.id, Error::new(error.kind(), format!("{error}: {until}")));
            return Ok(());
        }
        made => made?,
    };
    if let Some(lost) = made.lost {
        tracing::warn!(error = %lost, "events are lost, and with them their ids");
        upkeep.note_ids_lost(segment.id, lost);
        return Ok(());
    }
    let identity = view.store.shelf.identity(segment.id, segment.salt);
    let held = Part::File(Arc::new(held_index(Arc::clone(&made.bytes), &identity)?));
    let rest = parts.iter().skip(1).cloned();
    segment.replace_parts(Some(parts), std::iter::once(held).chain(rest).collect());
    if index >= view.table.loose {
        // Its file is written as the store is closed, or the segment is sealed.
        upkeep.note_stale(segment.id);
    } else if !made.is_lasting {
        tracing::warn!(segment = %segment.id, "events before it are lost: the index stays in memory");
        upkeep.note_held(segment.id, made.bytes);
    } else if let Err(error) = write_again(&view.store, segment.id, &made.bytes) {
        tracing::warn!(segment = %segment.id, %error, "the index stays in memory for now");
        upkeep.note_unwritten(segment.id, made.bytes);
    }
    Ok(())
}
