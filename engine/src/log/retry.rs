//! Retries: a commit that was taken before is recognised by the ids of its events, and gets the same answer.
//!
//! A commit is all or nothing and its positions follow one another. So one event of it that is found again
//! says where all the others must be; they are compared there, by their ids.

use quipu_format::{Position, Version};
use quipu_index::Kind;

use super::{Admitted, Log};
use crate::draft::{Draft, DraftStream};
use crate::find;
use crate::index_files::for_each;
use crate::keys::lost;
use crate::pipeline::{Guard, Sighting};
use crate::plant::{self, Bug};
use crate::positions::concerns_no_event;
use crate::read::{Events, Selected, Selection};
use crate::segments::View;
use crate::ticket::{Appended, Ticket};
use crate::{Error, ExpectedVersion, Result};

impl Log {
    /// The answer that the commit got when it was taken, if it is refused only because it was.
    ///
    /// # Errors
    /// [`ErrorKind::Overlap`] if some of its events are stored and others are not; damage.
    pub(super) fn repeated(&self, draft: &Draft<'_>, error: &Error) -> Result<Option<Admitted>> {
        if draft.outline.anonymous {
            return Ok(None);
        }
        if let Some(position) = error.matched()
            && let Some(known) = self.at(position, 1)?.first()
            && let Some(event) = draft.outline.ids().position(|id| id == known.id)
        {
            return self.compare(draft, event, known).map(Some);
        }
        for (index, stream) in (0..).zip(&draft.streams).filter(|(_, stream)| stream.events > 0) {
            // A commit may name a stream twice, and say only once where it must stand.
            let same_stream = draft.streams.iter().filter(|other| {
                let is_same = other.key == stream.key;
                is_same && (!plant::is_in(Bug::RetryNamedOnce) || std::ptr::eq(*other, stream))
            });
            let Some(first) = same_stream.map(|other| other.expected).find_map(first_after) else {
                continue;
            };
            // Each of the draft's events beside the one that stands in its place.
            let stored = self.versions(stream, first)?;
            let conflict = error.conflict().filter(|conflict| conflict.stream == stream.name);
            let last = conflict.and_then(|conflict| conflict.actual);
            refuse_gap(&stored, stream, first, last)?;
            let own = draft.outline.events_of(index).zip(&stored);
            let same = own.into_iter().find(|(event, known)| draft.outline.id(*event) == known.id);
            if let Some((event, known)) = same {
                return self.compare(draft, event, known).map(Some);
            }
        }
        self.sighted(draft)
    }

    /// The same by ids alone, of a commit that may not be written yet: then no index knows them.
    fn sighted(&self, draft: &Draft<'_>) -> Result<Option<Admitted>> {
        if self.id_segments == 0 || plant::is_in(Bug::RetryOnItsWayUnknown) {
            return Ok(None);
        }
        let mut ids: Vec<_> = draft.outline.ids().collect();
        ids.sort_unstable();
        let Some(known) = self.pipeline().sighted(&ids) else { return Ok(None) };
        let event = draft.outline.ids().position(|id| id == known.id);
        event.map(|event| self.compare(draft, event, &known)).transpose()
    }

    /// The events that stand where the draft's own of this stream were expected to go.
    fn versions(&self, stream: &DraftStream<'_>, first: Version) -> Result<Vec<Sighting>> {
        let events = u64::from(stream.events);
        let lately = self.pipeline().sightings(stream.key, first);
        if lately.first().is_some_and(|sighting| sighting.version == first) {
            return Ok(lately.into_iter().take(events as usize).collect());
        }
        let selected = Selected::Stream(stream.name.into());
        let stored = Selection::<Version>::new(&self.segments, selected);
        self.sight(stored.from(first).limit(events).events()?)
    }

    /// Compares the whole commit with what is stored, where one of its events was found.
    fn compare(&self, draft: &Draft<'_>, event: usize, known: &Sighting) -> Result<Admitted> {
        let outline = &draft.outline;
        let overlap = || {
            let until = self.pipeline().readable(known.position)?;
            Ok(Admitted::Refused(Error::repeated(known.position), until))
        };
        let Some(first) = known.position.0.checked_sub(event as u64) else { return overlap() };
        let first = if plant::is_in(Bug::RetryOfOneEvent) { known.position.0 } else { first };
        let stored = self.at(Position(first), outline.len() as u64)?;
        let same = stored.len() == outline.len()
            && (0..).zip(&stored).all(|(at, sighting)| {
                outline.id(at) == sighting.id && outline.keys(at).first() == Some(&sighting.stream)
            });
        let same = same || plant::is_in(Bug::RetryOfOneEvent);
        let Some(last) = stored.last().filter(|_| same) else { return overlap() };
        let appended = Appended {
            version: last.version,
            position: last.position,
            first_position: Position(first),
            recorded: last.time,
        };
        let until = self.pipeline().until(last.position, draft.durability)?;
        Ok(Admitted::Repeated(Ticket::repeated(appended, until, draft.durability)))
    }

    /// The events from a position on, at most so many, as far as they are there.
    fn at(&self, first: Position, events: u64) -> Result<Vec<Sighting>> {
        if let Some(lately) = self.pipeline().sightings_at(first, events) {
            return Ok(lately);
        }
        self.stored(first, events)
    }

    /// The same, as they stand in the log.
    fn stored(&self, first: Position, events: u64) -> Result<Vec<Sighting>> {
        let all = Selection::<Position>::new(&self.segments, Selected::All);
        self.sight(all.from(first).limit(events).events()?)
    }

    fn sight(&self, mut cursor: Events) -> Result<Vec<Sighting>> {
        let mut seen = Vec::new();
        loop {
            let event = match cursor.next() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(seen),
                Err(error) if concerns_no_event(&error) => continue,
                Err(error) => return Err(error),
            };
            seen.push(Sighting {
                stream: self.segments.shelf.keys.key(Kind::Stream, event.stream()),
                version: event.version(),
                position: event.position(),
                time: event.recorded(),
                id: event.id().map(uuid::Uuid::into_bytes).unwrap_or_default(),
            });
        }
    }

    /// Looks for the commit's ids in the last segments, as far as they go beyond `from`, up to which it was looked
    /// before. What is found is a retry, or an overlap; if nothing is, the guard has been looked at up to what is
    /// visible.
    ///
    /// # Errors
    /// Damage, where the ids of events are lost: any of them may be one of the commit's.
    pub(crate) fn known_ids(
        &self,
        draft: &Draft<'_>,
        guard: &mut Guard,
        from: Position,
    ) -> Result<Option<Admitted>> {
        let view = self.segments.view();
        let segments = view.table.segments.len();
        // All of them again would take so long that others have written more than is judged under the lock.
        let new = view.table.segments.partition_point(|segment| segment.base <= from);
        let oldest = segments.saturating_sub(self.id_segments as usize).max(new.saturating_sub(1));
        // Told only if the ids are not found elsewhere.
        let mut unknown = Ok(());
        for index in (oldest..segments).rev() {
            let base = view.table.segments[index].base;
            for (event, key) in draft.outline.id_keys().iter().enumerate() {
                let held = find::ask(&view, index, |parts| {
                    parts
                        .iter()
                        .map(|part| part.find(*key))
                        .collect::<std::result::Result<Vec<_>, _>>()
                })?;
                for held in held.into_iter().flatten() {
                    let position = base.plus(u64::from(held.last));
                    let stored = self.at(position, 1)?;
                    let same = stored.first().filter(|s| s.id == draft.outline.id(event));
                    if let Some(known) = same {
                        return self.compare(draft, event, known).map(Some);
                    }
                }
            }
            if unknown.is_ok() {
                match self.is_among_lost(draft, &view, index) {
                    Ok(Some(known)) => return Ok(Some(known)),
                    Ok(None) => {}
                    Err(error) => unknown = Err(error),
                }
            }
        }
        if let Err(error) = unknown {
            // What was taken lately is known all the same.
            return self.sighted(draft)?.map(Some).ok_or(error);
        }
        guard.seen = match guard.fail_if {
            Some(_) => guard.seen.min(view.visible_position),
            None => guard.seen.max(view.visible_position),
        };
        Ok(None)
    }

    /// Looks for the commit's ids among the events that the index of a segment calls lost: some may be readable by now, or
    /// have been misread when it was made.
    ///
    /// # Errors
    /// The damage because of which the ids of some are known to nobody.
    fn is_among_lost(
        &self,
        draft: &Draft<'_>,
        view: &View,
        index: usize,
    ) -> Result<Option<Admitted>> {
        let segment = &view.table.segments[index];
        self.segments.upkeep.ids_are_known(segment.id)?;
        let key = lost(&self.segments.shelf.keys);
        let lost = find::ask(view, index, |parts| {
            let mut lost = Vec::new();
            for part in parts {
                let Some(held) = part.find(key)? else { continue };
                for_each(part, &held, &mut |ordinal| lost.push(ordinal))?;
            }
            Ok(lost)
        })?;
        for ordinal in lost {
            // Not what memory knows of it: reading it says what is wrong.
            let stored = self.stored(segment.base.plus(u64::from(ordinal)), 1)?;
            let Some(known) = stored.first() else { continue };
            if let Some(event) = draft.outline.ids().position(|id| id == known.id) {
                return self.compare(draft, event, known).map(Some);
            }
        }
        Ok(None)
    }
}

/// Refuses to judge a commit by the events of a stream from a version on if they do not follow one another, or are not
/// there although a later one is known: an index that lies keeps some from being found, and among them may be those of
/// the commit.
fn refuse_gap(
    stored: &[Sighting],
    stream: &DraftStream<'_>,
    first: Version,
    last: Option<Version>,
) -> Result<()> {
    let is_gapless = (first.0..).zip(stored).all(|(version, event)| event.version.0 == version);
    // Those that are not visible yet were found elsewhere.
    let is_missing = stored.is_empty() && last >= Some(first);
    if is_gapless && !is_missing {
        return Ok(());
    }
    let name = stream.name;
    let detail =
        format!("the index does not find all events of stream {name:?} from version {first} on");
    Err(Error::of_index(detail))
}

/// The version of the first event behind a stream that is as expected, if that says where it ends.
fn first_after(expected: ExpectedVersion) -> Option<Version> {
    match expected {
        ExpectedVersion::NoStream => Some(Version(0)),
        ExpectedVersion::Exact(version) => Some(Version(version).plus(1)),
        ExpectedVersion::Any | ExpectedVersion::StreamExists => None,
    }
}
