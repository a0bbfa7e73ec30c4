//! An index file that is missing or fails a check is made anew from the log.
//!
//! What is made stands in memory and is used from there, with the same content as the file had: the place of the
//! segment in the chains of its keys included. A store that is open for writing writes it to a file when
//! there is time, unless keys of events before it are lost: then each opening makes it anew.

use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;

use quipu_format::{Position, SegmentId, Timestamp};
use quipu_index::{
    Covers, Head, Held, IndexError, Key, Layer, Layers, Part, Sealed, Way, write_segment,
};

use super::gather::{lost_in, stack};
use super::{Ancestors, IndexNames, Trouble, held_index, index_on, write};
use crate::directory::{Directory, Role};
use crate::keys;
use crate::plant::{self, Bug};
use crate::reindex::{Ids, rebuild};
use crate::segments::{Heads, Segment, Segments, View};
use crate::{Error, ErrorKind, Result, find};

/// How many files are replaced for one question. More than there can be of them stand in nobody's way again.
const MENDED_MAX: usize = 1000;

/// An index made from the log.
pub(crate) struct Made {
    pub(crate) bytes: Arc<[u8]>,
    /// The damage because of which it does not know all keys, if any.
    pub(crate) lost: Option<Error>,
    /// Whether it may take the place of a file. Not behind events whose keys nobody knows: the way that it knows to the
    /// segments before goes past them, also once they are there again.
    pub(crate) is_lasting: bool,
}

/// The index of a whole sealed segment, from its file or as it was made before. None where that cannot be used.
pub(crate) fn open_sealed(view: &View, index: usize) -> Option<Sealed> {
    let (shelf, segment) = (&view.store.shelf, &view.table.segments[index]);
    let identity = shelf.identity(segment.id, segment.salt);
    let sealed = match view.store.upkeep.unwritten(segment.id) {
        Some(bytes) => held_index(bytes, &identity).ok()?,
        None => index_on(&view.store, &identity)?,
    };
    let covers = sealed.covers();
    let whole = covers.base == segment.base && Some(covers.end) == segment.finished();
    let whole = whole && !plant::is_in(Bug::SoundIndexSetAside);
    (whole || plant::is_in(Bug::StaleIndexBelieved)).then_some(sealed)
}

/// The parts of a segment's index, its file replaced by what the log says. `why` is what is wrong with it.
///
/// # Errors
/// What the system refuses while the log is read. Damage there is no error: its events are posted as lost.
pub(crate) fn mend(view: &View, index: usize, why: &dyn Display) -> Result<Arc<[Part]>> {
    let view = &view.widened(index);
    let Some(segment) = view.table.segments.get(index) else {
        return Err(Error::new(ErrorKind::Io, format!("there is no segment at {index}: {why}")));
    };
    let known = segment.known_parts();
    let (covers, rest) = match known.as_deref() {
        Some([Part::File(file), rest @ ..]) => (Some(*file.covers()), rest),
        Some(_) => {
            let detail = format!("the index of segment {} in memory: {why}", segment.id);
            return Err(Error::of_index(detail));
        }
        None => (None, &[][..]),
    };
    tracing::warn!(segment = %segment.id, %why, "the index is set aside and made anew from the log");
    let made = make(view, index, covers, heads_before(view, index)?)?;
    if let Some(lost) = &made.lost
        && decides(view, index)
    {
        view.store.upkeep.note_lost(lost.clone());
    }
    let identity = view.store.shelf.identity(segment.id, segment.salt);
    let sealed = Arc::new(held_index(Arc::clone(&made.bytes), &identity)?);
    let file = Part::File(sealed);
    view.store.upkeep.lost_events().note(lost_events(view, segment, &file)?);
    if index >= view.table.loose {
        view.store.upkeep.note_stale(segment.id);
    } else if made.is_lasting {
        view.store.upkeep.note_unwritten(segment.id, made.bytes);
    } else if made.lost.is_none() {
        view.store.upkeep.note_held(segment.id, made.bytes);
    }
    let parts: Arc<[Part]> = std::iter::once(file).chain(rest.iter().cloned()).collect();
    // Where somebody has set others meanwhile, those count.
    Ok(segment.replace_parts(known.as_ref(), parts))
}

/// The events that a part of a segment's index calls lost.
pub(crate) fn lost_events(
    view: &View,
    segment: &Segment,
    part: &Part,
) -> Result<Vec<Range<Position>>> {
    let mut lost: Vec<Range<Position>> = Vec::new();
    let Some(held) = part.find(keys::lost(&view.store.shelf.keys))? else { return Ok(lost) };
    for_each(part, &held, &mut |ordinal| {
        let position = segment.base.plus(u64::from(ordinal));
        match lost.last_mut() {
            Some(range) if range.end == position => range.end = position.plus(1),
            _ => lost.push(position..position.plus(1)),
        }
    })?;
    Ok(lost)
}

/// Shows all ordinals that a part has of a key, in order.
pub(crate) fn for_each(
    part: &Part,
    held: &Held,
    show: &mut dyn FnMut(u32),
) -> std::result::Result<(), IndexError> {
    let (mut batch, mut from) = (Vec::new(), 0);
    loop {
        part.batch(held, from, Way::Forward, &mut batch)?;
        let Some(&last) = batch.last() else { return Ok(()) };
        batch.iter().for_each(|&ordinal| show(ordinal));
        from = last.saturating_add(1);
    }
}

/// Events that the index of a whole segment must hold; nothing for one that is still written.
fn events_expected(view: &View, index: usize) -> Option<u64> {
    let base = view.table.segments[index].base;
    view.table.end_of(index).map(|end| end.0.saturating_sub(base.0))
}

/// Whether heads are taken from the index of this very segment, and not from a run.
fn decides(view: &View, index: usize) -> bool {
    let id = view.table.segments[index].id;
    let layers = view.table.heads.layers();
    let own = |layer: &Layer| matches!(layer, Layer::Index(_)) && *layer.segments().start() == id;
    index >= view.table.loose || layers.newest_first().iter().any(own)
}

/// Makes the index of a segment, or of as much of it as `covers` says; with ids where that is asked of the store,
/// or `covers` says that there were some.
pub(crate) fn make(
    view: &View,
    index: usize,
    covers: Option<Covers>,
    heads: Arc<Heads>,
) -> Result<Made> {
    let segment = &view.table.segments[index];
    let ids = Ids::wanted(&view.store.shelf, covers.as_ref());
    let rebuilt = rebuild(view, index, covers.map_or(u32::MAX, |covers| covers.events), ids)?;
    let events = rebuilt.active.end();
    let expected = covers.map(|covers| u64::from(covers.events));
    if expected.or_else(|| events_expected(view, index)).is_some_and(|all| all != u64::from(events))
    {
        let detail = format!("segment {} gave {events} events to its index", segment.id);
        return Err(Error::of_index(detail));
    }
    // The time counts only where a scan goes on from it, which never is behind a sealed segment.
    let whole = || Covers {
        base: segment.base,
        events,
        ids: 0,
        end: segment.finished().unwrap_or_else(|| segment.end(view.visible)),
        last_time: Timestamp(0),
    };
    let ids = if ids == Ids::Indexed { events } else { 0 };
    let covers = Covers { events, ids, ..covers.unwrap_or_else(whole) };
    let parts = [Part::Memory(Arc::new(rebuilt.active))];
    let (bytes, is_rooted) = write_parts(view, index, &covers, (&parts, heads))?;
    let is_lasting = is_rooted && rebuilt.lost.is_none();
    Ok(Made { bytes, lost: rebuilt.lost, is_lasting })
}

/// The index of a segment, of its parts, behind the segments that have these heads; and whether all keys of those are known.
pub(super) fn write_parts(
    view: &View,
    index: usize,
    covers: &Covers,
    (parts, heads): (&[Part], Arc<Heads>),
) -> std::result::Result<(Arc<[u8]>, bool), Trouble> {
    let bytes = Arc::from(index_bytes(view, index, covers, (parts, &heads))?);
    // Asked last: only as the keys are looked for it may come out what those before have lost.
    let lost = keys::lost(&view.store.shelf.keys);
    let is_rooted =
        covered(view, &heads, lost)?.is_none() && view.store.upkeep.heads_are_known().is_ok();
    Ok((bytes, is_rooted))
}

/// The bytes of such an index. What cannot be read is read once more: of events that are lost a file may know what nothing
/// else does.
pub(crate) fn index_bytes(
    view: &View,
    index: usize,
    covers: &Covers,
    (parts, heads): (&[Part], &Arc<Heads>),
) -> std::result::Result<Vec<u8>, Trouble> {
    let segment = &view.table.segments[index];
    let identity = view.store.shelf.identity(segment.id, segment.salt);
    let ancestors = Ancestors::new(view, Arc::clone(heads));
    let write = || write_segment(&identity, covers, parts, &mut |key| ancestors.of(key));
    match write() {
        Err(Trouble::Index(IndexError::Io(_))) => write(),
        written => written,
    }
}

/// Writes the index of a sealed segment, made from the log, and uses the file from now on.
pub(crate) fn write_again(store: &Arc<Segments>, id: SegmentId, bytes: &[u8]) -> Result<()> {
    let (shelf, view) = (&store.shelf, store.view());
    let path = shelf.directory.index(id);
    store.with_descriptors(|| write(shelf, &path, bytes))?;
    let table = &view.table;
    let Ok(index) = table.segments.binary_search_by_key(&id, |segment| segment.id) else {
        return Ok(());
    };
    let segment = &table.segments[index];
    let identity = shelf.identity(id, segment.salt);
    let opened = index_on(store, &identity);
    let Some(sealed) = opened.map(Arc::new) else { return Ok(()) };
    for layer in table.heads.layers().newest_first() {
        if matches!(layer, Layer::Index(_)) && *layer.segments().start() == id {
            table.heads.replace(layer, &[Layer::Index(Arc::clone(&sealed))]);
        }
    }
    segment.set_parts([Part::File(sealed)]);
    store.touch(segment);
    Ok(())
}

/// The heads of all segments before this one.
pub(super) fn heads_before(view: &View, index: usize) -> Result<Arc<Heads>> {
    let table = &view.table;
    if index == table.loose {
        return Ok(Arc::clone(&table.heads));
    }
    if index > table.loose {
        // No chain leads through loose segments: they are looked into one by one.
        return Ok(Arc::default());
    }
    let names = list(view)?;
    let stack = stack(view, &names, index, &mut |index, _| file_of(view, index).map(Some))?;
    Ok(Arc::new(Heads::new(Layers::new(stack))))
}

/// The index files that there are now.
fn list(view: &View) -> Result<IndexNames> {
    let shelf = &view.store.shelf;
    let path = shelf.directory.path();
    let listed = shelf.disk.list(path).map_err(|error| Error::io("listing", path, error))?;
    let mut names = IndexNames::default();
    for name in listed {
        match Directory::role(&name) {
            Role::Index(id) => drop(names.segments.insert(id)),
            Role::Run(segments) => names.runs.push(segments),
            _ => {}
        }
    }
    Ok(names)
}

/// The index of a sealed segment, opened or made.
fn file_of(view: &View, index: usize) -> Result<Arc<Sealed>> {
    match find::parts(view, index)?.first() {
        Some(Part::File(file)) => Ok(Arc::clone(file)),
        _ => Err(not_sealed(&view.table.segments[index])),
    }
}

fn not_sealed(segment: &Segment) -> Error {
    Error::new(ErrorKind::Io, format!("segment {} has no index of its own", segment.id))
}

/// What these heads say of a key. A file among them that fails a check is replaced.
pub(crate) fn covered(view: &View, heads: &Heads, key: Key) -> Result<Option<Head>> {
    for _ in 0..MENDED_MAX {
        match heads.find(key) {
            Ok(head) => return Ok(head),
            Err(error) => match heads.failing(key) {
                Some((layer, error)) => mend_layer(view, heads, &layer, &error)?,
                // It can be read by now.
                None => drop(error),
            },
        }
    }
    Ok(heads.find(key)?)
}

/// Replaces a layer that fails a check: that of a segment by what the log says, a run by the indexes of the
/// segments that it sums up.
pub(super) fn mend_layer(
    view: &View,
    heads: &Heads,
    layer: &Layer,
    why: &dyn Display,
) -> Result<()> {
    let covers = layer.segments();
    let segments = &view.table.segments;
    let indexes = (0..segments.len()).rev().filter(|&at| covers.contains(&segments[at].id));
    let new: Vec<Layer> = match layer {
        Layer::Run(_) => {
            tracing::warn!(first = %covers.start(), last = %covers.end(), %why, "a run is set aside");
            view.store.upkeep.note_bad(&covers);
            indexes.map(|at| file_of(view, at).map(Layer::Index)).collect::<Result<_>>()?
        }
        Layer::Index(failed) => {
            let anew = |at| {
                let parts = find::parts(view, at)?;
                match parts.first() {
                    // Somebody else was here before.
                    Some(Part::File(file)) if !Arc::ptr_eq(file, failed) => Ok(Arc::clone(file)),
                    _ => match mend(view, at, why)?.first() {
                        Some(Part::File(file)) => Ok(Arc::clone(file)),
                        _ => Err(not_sealed(&segments[at])),
                    },
                }
            };
            indexes.map(|at| anew(at).map(Layer::Index)).collect::<Result<_>>()?
        }
    };
    let decides = matches!(layer, Layer::Run(_)) || std::ptr::eq(heads, &*view.table.heads);
    if decides && let Some(lost) = lost_in(view, &Heads::new(Layers::new(new.clone())))? {
        // It knew what its segments have lost, and they do not: nobody may ask them before that is noted. Of a segment
        // that was mended before, as somebody asked who did not depend on it, nobody has noted it yet.
        view.store.upkeep.note_lost(lost);
    }
    heads.replace(layer, &new);
    Ok(())
}
