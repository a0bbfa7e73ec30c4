//! An index made anew from the log.

use std::ops::Range;

use quipu_format::frame::FRAME_HEADER_BYTES;
use quipu_format::record::RECORD_BYTES_MIN;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Position, Version};
use quipu_index::{Active, Covers, Key, Kind, Post};

use crate::keys::{keys_of_event, lost};
use crate::positions::concerns_no_event;
use crate::read::Walk;
use crate::segments::{Shelf, View};
use crate::{Error, ErrorKind, Result};

/// An index made from a segment's frames.
pub(crate) struct Rebuilt {
    pub(crate) active: Active,
    /// The first damage met on the way: events posted as lost.
    pub(crate) lost: Option<Error>,
}

/// Whether an index finds events by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    Indexed,
    Left,
}

impl Ids {
    /// As a store is asked to, and as the index did so far that is made anew.
    pub(crate) fn wanted(shelf: &Shelf, so_far: Option<&Covers>) -> Ids {
        let held = so_far.is_some_and(|covers| covers.ids > 0);
        if shelf.id_segments > 0 || held { Ids::Indexed } else { Ids::Left }
    }
}

/// The index of a segment's first events, or of all, read from its frames. Events that cannot be read are
/// posted as lost.
pub(crate) fn rebuild(view: &View, index: usize, events: u32, ids: Ids) -> Result<Rebuilt> {
    let active = Active::new(0);
    let lost = replay(view, index, FIRST_FRAME, events, &active, ids)?;
    Ok(Rebuilt { active, lost })
}

/// Posts the events of a segment from the frame at `from` on, where the next event to be posted stands, to
/// the event with the ordinal `until`. Gives the first damage met on the way.
pub(crate) fn replay(
    view: &View,
    index: usize,
    from: ByteOffset,
    until: u32,
    active: &Active,
    ids: Ids,
) -> Result<Option<Error>> {
    let base = view.table.segments[index].base;
    let keys = &view.store.shelf.keys;
    let lost = [lost(keys)];
    let mut walk = Walk::within(view.clone(), index, from, base.plus(u64::from(active.end())));
    let (mut all, mut damage) = (Vec::new(), None);
    while active.end() < until {
        let found = match walk.next() {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(error) if concerns_no_event(&error) => continue,
            Err(error) if error.kind() == ErrorKind::Damaged => {
                let more = post_lost(active, base, until, &lost, &error);
                view.store.upkeep.lost_events().note(more);
                damage.get_or_insert(error);
                continue;
            }
            Err(error) if view.newer(index).is_some() => {
                post_newer(view, index, until, (active, &lost));
                return Ok(Some(damage.unwrap_or(error)));
            }
            Err(error) => return Err(error),
        };
        let offset = ByteOffset(found.range.start);
        let event = match walk.event(&found) {
            Ok(Some(event)) => event,
            Ok(None) => break,
            // Its sum is right, but it is no event that this version can read.
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported) => {
                let post = Post { offset, version: Version(0), keys: &lost, local: &[] };
                active.post(std::iter::once(post));
                damage.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        keys_of_event(keys, &event, &mut all);
        if event.version() == Version(0) {
            active.born(event.stream());
        }
        let id = event.id().filter(|_| ids == Ids::Indexed);
        let id = id.map(|id| keys.bytes(Kind::EventId, id.as_bytes()));
        let post = Post { offset, version: event.version(), keys: &all, local: id.as_slice() };
        active.post(std::iter::once(post));
    }
    Ok(damage)
}

/// Posts what is left of a segment that only a newer version can read: all of its events may be asked for. Nobody
/// looks at their place, as long as it is one of a record: the file is refused before.
fn post_newer(view: &View, index: usize, until: u32, (active, lost): (&Active, &[Key])) {
    let segment = &view.table.segments[index];
    let end = view.newer(index).map_or(segment.base, |newer| newer.positions.end);
    let most = segment.end(view.visible).0 / RECORD_BYTES_MIN as u64;
    let end = end.0.saturating_sub(segment.base.0).min(u64::from(until)).min(most);
    let offset = ByteOffset(FIRST_FRAME.0 + FRAME_HEADER_BYTES as u64);
    let post = Post { offset, version: Version(0), keys: lost, local: &[] };
    (u64::from(active.end())..end).for_each(|_| active.post(std::iter::once(post)));
}

/// Posts the events that are damaged: under one key, so that reads by any key can tell of them. Gives those that are lost
/// too, with the segments behind it: no index has room for as many as may be claimed to be.
fn post_lost(
    active: &Active,
    base: Position,
    until: u32,
    lost: &[Key],
    error: &Error,
) -> Option<Range<Position>> {
    let damage = error.damage()?;
    let next = base.plus(u64::from(active.end()));
    let end = damage.positions.end.min(base.plus(u64::from(until)));
    let count = end.0.saturating_sub(damage.positions.start.0.max(next.0));
    // What a lying header or page claims is not believed beyond what the bytes can hold: all events up to here have
    // their records before the end of the damage.
    let most = damage.offset.0.saturating_add(damage.bytes) / RECORD_BYTES_MIN as u64;
    let count = count.min(most.saturating_sub(active.end().into()));
    let post = Post { offset: damage.offset, version: Version(0), keys: lost, local: &[] };
    (0..count).for_each(|_| active.post(std::iter::once(post)));
    let posted = base.plus(u64::from(active.end()));
    (posted < end).then_some(posted.max(damage.positions.start)..end)
}
