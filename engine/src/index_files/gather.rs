//! What opening takes from index files: the heads of all sealed segments.

use std::sync::Arc;

use quipu_format::segment::FIRST_FRAME;
use quipu_format::{Lsn, Position, SegmentId};
use quipu_index::{Active, Covers, Layer, Layers, Part as IndexPart, Sealed};

use super::mend::{Made, make, open_sealed, write_parts};
use super::{IndexNames, Trouble, held_index, index_on, mend, open_run, write};
use crate::create::remove_if_there;
use crate::keys::lost;
use crate::plant::{self, Bug};
use crate::recovery::Part;
use crate::reindex::{Ids, replay};
use crate::segments::{Heads, Segment, Segments, Shelf, Table, View};
use crate::{Damage, Error, Result, find};

/// What becomes of index files that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// They are made anew from the log and written again: writing needs the heads of all streams.
    Made,
    /// They are left: a segment without an index is read when it is asked about.
    Left,
}

/// The sealed segments that the log begins with, and the heads of all keys in them. Nothing is read of a segment
/// that has an index file, and of those only what a run does not say.
///
/// # Errors
/// With [`Missing::Made`]: damage, where a segment without an index has lost events and so the heads of streams
/// are not known. What the system refuses.
pub(crate) fn gather(
    shelf: Shelf,
    parts: &[Part],
    names: &IndexNames,
    missing: Missing,
) -> Result<Arc<Segments>> {
    let sealed = parts.iter().map_while(|part| Some((part, part.sealed()?)));
    let (mut segments, mut next_position) = (Vec::new(), Position(0));
    for (part, sealed) in sealed {
        segments.push(Arc::new(segment(&shelf, part)));
        next_position = sealed.seal.next_position;
    }
    let after = segments.last().map_or(SegmentId(1), |last| SegmentId(last.id.0.saturating_add(1)));
    // As if the heads of all of them were known: an index that is asked for meanwhile is made whole.
    let loose = segments.len();
    let table = Table { segments, loose, ..Table::default() };
    let end = Lsn::new(after, FIRST_FRAME);
    let store = Arc::new(Segments::new(shelf, table, end, next_position));
    if missing == Missing::Made {
        store.upkeep.begin();
    }
    let view = store.view();
    let layers = stack(&view, names, loose, &mut |index, older| match open_sealed(&view, index) {
        Some(sealed) => Ok(Some(keep(&view.table.segments[index], sealed))),
        None if missing == Missing::Made => anew(&view, index, &parts[index], older).map(Some),
        None => Ok(None),
    })?;
    let covered = layers.first().map(|newest| *newest.segments().end());
    let mut loose = view.table.segments.partition_point(|segment| Some(segment.id) <= covered);
    if plant::is_in(Bug::RunCoversMore) {
        loose = view.table.segments.len();
    }
    store.set_heads(Layers::new(layers), loose);
    if missing == Missing::Made {
        fill(&store.view(), names)?;
        refuse_lost(&store.view())?;
    }
    Ok(store)
}

/// Gives the index of a segment, told the heads of all segments before.
pub(super) type IndexOf<'i> = dyn FnMut(usize, &[Layer]) -> Result<Option<Arc<Sealed>>> + 'i;

/// A segment as readers see it, its index not opened yet.
pub(crate) fn segment(shelf: &Shelf, part: &Part) -> Segment {
    let path = shelf.directory.segment(part.segment.id);
    let segment = Segment::new(part.segment.id, part.segment.salt, path, part.base);
    if part.sealed().is_some() {
        segment.finish(part.end);
    }
    segment
}

/// The heads of the first `until` segments, newest first: from the longest runs there are, and for what is in
/// none of them from the indexes of the segments, which `index_of` gives, told what is known before. Ends early
/// where it gives none.
pub(super) fn stack(
    view: &View,
    names: &IndexNames,
    until: usize,
    index_of: &mut IndexOf<'_>,
) -> Result<Vec<Layer>> {
    let ids: Vec<SegmentId> =
        view.table.segments[..until].iter().map(|segment| segment.id).collect();
    let (mut layers, mut at) = (Vec::new(), 0);
    while at < ids.len() {
        let runs = names.runs_from(&ids[at..]);
        let run = runs.into_iter().find_map(|(run, covered)| {
            let salt = view.table.segments[at + covered - 1].salt;
            Some((open_run(&view.store.shelf, run, salt)?, covered))
        });
        let (layer, covered) = match run {
            Some((run, covered)) => (Layer::Run(Arc::new(run)), covered),
            None => match index_of(at, &layers)? {
                Some(sealed) => (Layer::Index(sealed), 1),
                None => break,
            },
        };
        let one_more = plant::is_in(Bug::RunCoversMore) && covered > 1;
        layers.insert(0, layer);
        at += covered + usize::from(one_more);
    }
    Ok(layers)
}

/// How much the index of this part must cover; nothing of one that is not sealed.
pub(crate) fn covers(part: &Part) -> Option<Covers> {
    let seal = &part.sealed()?.seal;
    let events = seal.next_position.0.saturating_sub(seal.first_position.0);
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    Some(Covers { base: part.base, events, ids: 0, end: part.end, last_time: seal.last_time })
}

/// The index of a segment made anew and written, told the heads of all segments before.
fn anew(view: &View, index: usize, part: &Part, older: &[Layer]) -> Result<Arc<Sealed>> {
    let segment = &view.table.segments[index];
    tracing::info!(segment = %segment.id, "there is no index: making it from the log");
    let heads = Arc::new(Heads::new(Layers::new(older.to_vec())));
    let mut made = make(view, index, covers(part), Arc::clone(&heads))?;
    if let Some(lost) = made.lost {
        made = continued(view, index, part, heads)?.ok_or(lost)?;
    }
    let shelf = &view.store.shelf;
    if !made.is_lasting {
        let identity = shelf.identity(segment.id, segment.salt);
        view.store.upkeep.note_held(segment.id, Arc::clone(&made.bytes));
        return Ok(keep(segment, held_index(made.bytes, &identity)?));
    }
    if let Err(error) = write(shelf, &shelf.directory.index(segment.id), &made.bytes) {
        tracing::warn!(segment = %segment.id, %error, "the index stays in memory for now");
        view.store.upkeep.note_unwritten(segment.id, Arc::clone(&made.bytes));
    }
    let sealed = match open_sealed(view, index) {
        Some(sealed) => sealed,
        // For want of a descriptor, say.
        None => held_index(made.bytes, &shelf.identity(segment.id, segment.salt))?,
    };
    Ok(keep(segment, sealed))
}

/// The index of a segment, of what a file says of its beginning and the log of the rest: the file may know keys that the
/// log has lost since. None where there is no such file, or the two do not go together.
fn continued(view: &View, index: usize, part: &Part, heads: Arc<Heads>) -> Result<Option<Made>> {
    let (shelf, segment) = (&view.store.shelf, &view.table.segments[index]);
    let begun = index_on(&view.store, &shelf.identity(segment.id, segment.salt));
    let (Some(begun), Some(whole)) = (begun, covers(part)) else { return Ok(None) };
    let begun_covers = *begun.covers();
    if begun_covers.base != whole.base || begun_covers.events > whole.events {
        return Ok(None);
    }
    let ids = if begun_covers.ids == begun_covers.events {
        Ids::wanted(shelf, Some(&begun_covers))
    } else {
        Ids::Left
    };
    let active = Active::new(begun_covers.events);
    // The salt says that the file is of this segment. Damage behind it that concerns no event is stepped over.
    let lost = replay(view, index, begun_covers.end, whole.events, &active, ids)?;
    if lost.is_some() || active.end() != whole.events {
        return Ok(None);
    }
    let ids = if ids == Ids::Indexed { whole.events } else { begun_covers.ids };
    let parts = [IndexPart::File(Arc::new(begun)), IndexPart::Memory(Arc::new(active))];
    match write_parts(view, index, &Covers { ids, ..whole }, (&parts, heads)) {
        Ok((bytes, is_lasting)) => Ok(Some(Made { bytes, lost: None, is_lasting })),
        Err(Trouble::Index(error)) => {
            tracing::warn!(segment = %segment.id, %error, "the index of its beginning cannot be used");
            Ok(None)
        }
        Err(Trouble::Store(error)) => Err(error),
    }
}

fn keep(segment: &Segment, sealed: Sealed) -> Arc<Sealed> {
    let sealed = Arc::new(sealed);
    segment.set_parts([IndexPart::File(Arc::clone(&sealed))]);
    sealed
}

/// Makes the indexes that are missing although a run says what the heads are.
fn fill(view: &View, names: &IndexNames) -> Result<()> {
    for (index, segment) in view.table.segments.iter().enumerate() {
        if !names.segments.contains(&segment.id) && segment.known_parts().is_none() {
            mend(view, index, &"there is none")?;
        }
    }
    Ok(())
}

/// Writing needs the heads of all streams: they are not known where events are lost.
fn refuse_lost(view: &View) -> Result<()> {
    view.store.upkeep.heads_are_known()?;
    lost_in(view, &view.table.heads)?.map_or(Ok(()), Err)
}

/// The last event that these heads call lost, with its keys, if any.
pub(super) fn lost_in(view: &View, heads: &Heads) -> Result<Option<Error>> {
    let key = lost(&view.store.shelf.keys);
    let Some(head) = super::covered(view, heads, key)? else { return Ok(None) };
    let segments = &view.table.segments;
    let index = segments.partition_point(|segment| segment.id < head.segment);
    let Some(segment) = segments.get(index) else { return Ok(None) };
    let offset = find::ask(view, index, |parts| {
        let ordinal = head.position.0.saturating_sub(segment.base.0);
        let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
        parts.iter().find_map(|part| part.offset(ordinal).transpose()).transpose()
    });
    // It only says more of where.
    let offset = offset.ok().flatten().unwrap_or_default();
    Ok(Some(Error::damaged(Damage {
        file: segment.path.clone(),
        offset,
        bytes: 0,
        positions: head.position..head.position.plus(1),
        what: "events are lost, and with them the last versions of streams".into(),
    })))
}

/// Removes index files that nobody uses: of segments that are gone, and runs that a longer one covers.
///
/// What is on disk, whenever the power goes: some of them, which the next opening removes.
pub(crate) fn sweep(segments: &Arc<Segments>, names: &IndexNames) {
    let (view, shelf) = (segments.view(), &segments.shelf);
    let ids = &view.table.segments;
    let layers = view.table.heads.layers();
    let is_gone = |id: &SegmentId| ids.binary_search_by_key(id, |segment| segment.id).is_err();
    let gone = names.segments.iter().filter(|id| is_gone(id));
    let unused = names.runs.iter().filter(|run| {
        let uses = |layer: &Layer| matches!(layer, Layer::Run(_)) && layer.segments() == **run;
        !layers.newest_first().iter().any(uses)
    });
    let paths = gone.map(|&id| shelf.directory.index(id));
    for path in paths.chain(unused.map(|run| shelf.directory.run(run))) {
        if let Err(error) = remove_if_there(&*shelf.disk, &path) {
            tracing::warn!(%error, file = %path.display(), "an index file that nobody uses stays");
        }
    }
}
