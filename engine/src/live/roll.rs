//! The segments that a writer in another process has begun and sealed meanwhile.

use std::sync::Arc;

use quipu_format::frame::LINK_FRAME_BYTES;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Live, Lsn, SegmentId};
use quipu_index::{Active, Part};

use super::follower::State;
use crate::Result;
use crate::index_files::{Missing, gather};
use crate::pipeline::SegmentRef;
use crate::recovery::{SegmentFile, Survey};
use crate::segments::{Holes, Segment, Segments, Table, View};

impl State {
    /// Brings the table up to what is told: segments that are sealed by now with their index files, the rest as
    /// they are, and behind them those that are new. False if the log does not show as much yet, or no longer shows what
    /// was seen where it was: a look at all of the store tells what has become of it.
    pub(super) fn follow_rolls(&mut self, segments: &Arc<Segments>, live: &Live) -> Result<bool> {
        let shelf = &segments.shelf;
        let mut survey = Survey::list_beside_writer(&*shelf.disk, &shelf.directory, shelf.mode)?;
        if survey.manifest.as_ref().is_none_or(|manifest| manifest.damage.is_some()) {
            // What edits are lost would be missing from the list: by names and links all of it is found.
            return Ok(false);
        }
        let current = live.visible.segment();
        let holes = survey.holes();
        // The manifest may be newer than what was told.
        survey.parts.retain(|part| part.segment.id < current);
        let gathered = gather(shelf.clone(), &survey.parts, &survey.index, Missing::Left)?.view();
        let mut table = Table::clone(&gathered.table);
        let sealed = table.segments.last().map(|segment| segment.id);
        let view = segments.view();
        let known = &view.table;
        let later = known.holes.from(survey.next_position);
        table.holes = Holes::new(holes.iter().chain(later).cloned());
        let is_left = |id: SegmentId| Some(id) > sealed && !survey.gone.contains(&id);
        let rest = known.segments.iter().filter(|segment| is_left(segment.id));
        table.segments.extend(rest.cloned());
        if !goes_on(&table, &survey, &view) {
            return Ok(false);
        }
        // The way back that an index knows is through the segments before it.
        let both = table.segments.iter().zip(&known.segments);
        let same = both.take_while(|(now, then)| now.id == then.id).count();
        let whole = same.min(table.loose).min(known.loose);
        let now = table.segments.iter_mut().enumerate();
        now.for_each(|(at, segment)| keep(segment, at < whole, known));
        if !begin(&mut table, &survey, (current, &view))? {
            return Ok(false);
        }
        let unsealed =
            table.segments.iter().map(|segment| segment.id).filter(|&id| Some(id) > sealed);
        let posted = |id: SegmentId| (id, self.posted.get(&id).copied().unwrap_or(FIRST_FRAME));
        self.posted = unsealed.map(posted).collect();
        segments.replace(table);
        Ok(true)
    }
}

/// Whether all that was seen of the segments that are sealed by now is in them, and whether all between them and the rest
/// is there or known to be lost: the one before may have known what is lost behind it as long as it was not sealed.
fn goes_on(table: &Table, survey: &Survey, view: &View) -> bool {
    let mut ends =
        table.segments.iter().filter_map(|segment| Some((segment.id, segment.finished()?)));
    let is_whole = ends.all(|(id, end)| !ends_earlier(id, end, view));
    let Some(last) = survey.parts.last() else { return is_whole };
    let first = table.segments.iter().find(|segment| segment.id > last.segment.id);
    is_whole && first.is_none_or(|first| table.holes.cover(last.next..first.base))
}

/// Whether a segment ends before what was seen of it: a recovery has carried the rest into the next one. Who has seen that
/// goes on with the segment as it was.
fn ends_earlier(id: SegmentId, end: ByteOffset, view: &View) -> bool {
    id == view.visible.segment() && end < view.visible.offset()
}

/// Adds the segments that were begun since, up to the current one. False if the log does not show that one yet.
fn begin(table: &mut Table, survey: &Survey, (current, view): (SegmentId, &View)) -> Result<bool> {
    let shelf = &view.store.shelf;
    let last = table.segments.last().map(|segment| segment.id);
    for (id, listed) in survey.listed() {
        if Some(id) <= last || id > current {
            continue;
        }
        let reference = SegmentRef { id, salt: listed.salt, capacity: listed.capacity };
        let file = SegmentFile::open(&*shelf.disk, &shelf.directory, reference)?;
        // One that was prepared and never used has no link.
        let Some((next, follows)) = begun(&file)? else { continue };
        if let Some(end) = follows {
            match table.segments.last() {
                Some(before)
                    if before.id == end.segment()
                        && !ends_earlier(before.id, end.offset(), view) =>
                {
                    before.finish(end.offset());
                }
                // One before it was used, and cannot be read.
                _ => return Ok(false),
            }
        }
        table.segments.push(next);
    }
    Ok(table.segments.last().map(|segment| segment.id) == Some(current))
}

/// A segment that has its link, and where that says that the one before ends.
fn begun(file: &SegmentFile) -> Result<Option<(Arc<Segment>, Option<Lsn>)>> {
    let scan =
        file.scan(ByteOffset(FIRST_FRAME.0 + LINK_FRAME_BYTES as u64), &mut |_, _| Ok(()))?;
    let Some(link) = scan.link else { return Ok(None) };
    let segment = Segment::new(file.id, file.salt, file.path.clone(), scan.base);
    segment.set_parts([Part::Memory(Arc::new(Active::new(0)))]);
    Ok(Some((Arc::new(segment), link.predecessor.map(|(end, _)| end))))
}

/// Goes on with what is held of a segment that was known before: with all of it if `is_whole`, when its heads and those of
/// the very same segments before it were known then and are now; else with its open file. Readers who hold an older table
/// keep what was made of it here, which may know of losses behind it. Where a segment before it, or the index of one, is
/// gone since, what is made of it from now on does not know the way back that they follow: it is of another segment than
/// theirs then, which begins with what theirs has.
fn keep(sealed: &mut Arc<Segment>, is_whole: bool, known: &Table) {
    let segments = &known.segments;
    let Ok(at) = segments.binary_search_by_key(&sealed.id, |segment| segment.id) else { return };
    let held = &segments[at];
    let end = held.finished();
    // Of one that had lost its link another base was found.
    if Arc::ptr_eq(held, sealed)
        || (held.salt, held.base) != (sealed.salt, sealed.base)
        || end.is_some() && end != sealed.finished()
    {
        return;
    }
    if is_whole {
        *sealed = Arc::clone(held);
        return;
    }
    sealed.share_file(held);
    if at < known.loose
        && let Some(parts) = held.known_parts()
    {
        sealed.set_parts(parts);
    }
}
