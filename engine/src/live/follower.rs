//! Keeping up with a writer in another process.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::threads::Mutex;
use quipu_disk::{Disk, Page};
use quipu_format::record::RECORD_BYTES_MIN;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, Epoch, Live, Lsn, Position, SegmentId};

use super::look::{Author, Look, author, load, look};
use super::sight::Sight;
use super::stamp::Stamp;
use super::trouble::{Looked, Trouble};
use super::vouched::vouched_for;
use super::watch::Watch;
use crate::directory::Directory;
use crate::follow::Ending;
use crate::pipeline::SegmentRef;
use crate::plant::{self, Bug};
use crate::positions::concerns_no_event;
use crate::read::Walk;
use crate::recovery::SegmentFile;
use crate::reindex::{Ids, replay};
use crate::segments::{Segments, View};
use crate::{Error, ErrorKind, Options, Result, Verify};

/// How long it is taken for granted that the writer who told nothing new is still there.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often all of a store is looked at again beside a writer that does not tell, or tells what cannot be taken over: it
/// may have begun a segment, and what it has written may be damaged, or can be read again.
const REVISION: Duration = Duration::from_secs(1);

/// Takes over what another process makes visible.
///
/// Looking costs a few loads from shared memory while nothing has happened.
pub(crate) struct Follower {
    options: Options,
    sight: Sight,
    state: Mutex<State>,
    trouble: Mutex<Trouble>,
    watch: Watch,
}

/// What is known of the writer.
pub(super) struct State {
    pub(super) author: Author,
    page: Option<Page>,
    /// The last opening for writing when it was last looked around, unless it was closed.
    opened: Option<Epoch>,
    /// Of the manifest when it was last looked around.
    stamp: Stamp,
    /// What it told last that was taken over.
    told: Option<Live>,
    /// When it was last seen to be there.
    seen: Duration,
    /// When all of the store was last looked at.
    looked: Duration,
    /// Who has left a page that is not believed.
    disbelieved: Option<Epoch>,
    /// What it told could not be taken over then, and it was there all the same.
    doubted: bool,
    /// The segments whose index is made here, each with the frame up to which it has come.
    pub(super) posted: BTreeMap<SegmentId, ByteOffset>,
    /// Why there is no going on.
    over: Option<Error>,
}

impl Follower {
    /// The segments of a store as they were found, which keep up from now on.
    pub(crate) fn start(look: Look, sight: Sight, options: Options) -> Arc<Segments> {
        let segments = Arc::clone(&look.segments);
        let mut state = State {
            author: Author::Nobody,
            page: None,
            opened: None,
            stamp: Stamp::Outdated,
            told: None,
            seen: segments.shelf.disk.elapsed(),
            looked: segments.shelf.disk.elapsed(),
            disbelieved: None,
            doubted: false,
            posted: BTreeMap::new(),
            over: None,
        };
        state.settle(look);
        let (state, trouble, watch) = (Mutex::new(state), Mutex::default(), Watch::default());
        segments.follow(Follower { options, sight, state, trouble, watch });
        segments
    }

    /// Takes over what has become visible since the last time.
    ///
    /// # Errors
    /// What the system refuses: the next call tries again. [`ErrorKind::Poisoned`] where the writer has lost
    /// what was seen here: there is no going on.
    pub(crate) fn refresh(&self, segments: &Arc<Segments>) -> Result<()> {
        let before = segments.visible_position();
        let refreshed = {
            let mut state = self.state.lock();
            match &state.over {
                Some(over) => return Err(over.clone()),
                None => self.catch_up(&mut state, segments),
            }
        };
        self.trouble.lock().note(&refreshed);
        // Without the lock: wakers are code of others.
        if let Err(error) = &refreshed
            && error.kind() == ErrorKind::Poisoned
        {
            segments.news().end(Ending::Poisoned(error.clone()));
            segments.tell_everybody();
        } else if segments.visible_position() > before {
            segments.tell_everybody();
        }
        refreshed.map(drop)
    }

    /// What keeps it from looking for news, if that lasts and whoever asks has not been told of it.
    pub(crate) fn trouble_since(&self, told: &mut u64) -> Option<Error> {
        self.trouble.lock().since(told)
    }

    /// Sees to it that those who wait are told.
    pub(crate) fn watch(&self, segments: &Arc<Segments>) -> Result<()> {
        self.watch.start(segments)
    }

    /// Nobody waits any more.
    pub(crate) fn stop(&self) {
        self.watch.stop();
    }

    fn catch_up(&self, state: &mut State, segments: &Arc<Segments>) -> Result<Looked> {
        let live = state.page.as_ref().and_then(load);
        let taken = match live.filter(|live| state.author == Author::Telling(live.epoch)) {
            Some(live) if state.told == Some(live) => Ok(true),
            Some(live) => segments.with_descriptors(|| state.take_over(segments, &live)),
            // Of who does not tell nothing is to be taken over.
            None => Ok(!matches!(state.author, Author::Telling(_))),
        };
        // What cannot be taken over may be the last word of a writer that is gone.
        let doubtful = !matches!(taken, Ok(true));
        let doubted = mem::replace(&mut state.doubted, doubtful);
        let now = segments.shelf.disk.elapsed();
        let is_due = (doubtful && !doubted) || now.saturating_sub(state.seen) >= PATIENCE;
        if !is_due {
            return taken.map(|_| Looked::AtThePage);
        }
        state.seen = now;
        let looked = self.look_around(state, segments)?;
        if looked == Looked::Anew {
            return Ok(looked);
        }
        if state.author == Author::Silent && !is_left() {
            segments.with_descriptors(|| state.take_vouched_for(segments))?;
        }
        taken.map(|_| looked)
    }

    /// Looks whether the writer is still there, and goes on with what is there now if not.
    fn look_around(&self, state: &mut State, segments: &Arc<Segments>) -> Result<Looked> {
        let shelf = &segments.shelf;
        let (disk, directory) = (&*shelf.disk, &shelf.directory);
        let there = segments.with_descriptors(|| author(disk, directory))?;
        let since = state.seen.saturating_sub(state.looked);
        // Without the manifest nothing is to be gone on with, however often it is looked at.
        let is_settled = state.stamp == Stamp::Unreadable && shelf.has_manifest()
            || state.author != Author::Silent && !state.doubted;
        if state.is_author(there)
            && state.is_undisturbed(disk, directory)
            && (is_settled || since < REVISION || is_left())
        {
            // What is looked at once a second only may not have been looked at.
            return Ok(if is_settled { Looked::Around } else { Looked::AtThePage });
        }
        state.looked = state.seen;
        let look = || look(&self.sight, &shelf.directory, &self.options);
        let found = segments.with_descriptors(look)?;
        if segments.shelf.store != found.segments.shelf.store {
            return state.keep_to_what_is_known(&found).map(|()| Looked::Anew);
        }
        let (ours, theirs) = (segments.visible_position(), found.segments.visible_position());
        let same_life = found.opened == state.opened && found.opened.is_some();
        if theirs < ours && (found.author == Author::Silent || same_life) {
            // It has not recovered yet, or does not tell: what it will show is not known.
            state.await_author(&found);
            return Ok(Looked::Anew);
        }
        if let Err(error) = refuse_loss(segments, &found.segments) {
            if error.kind() == ErrorKind::Poisoned {
                state.over = Some(error.clone());
            }
            return Err(error);
        }
        segments.adopt(&found.segments);
        state.settle(found);
        Ok(Looked::Anew)
    }
}

impl State {
    /// Goes on from what was found.
    fn settle(&mut self, look: Look) {
        self.author = look.author;
        self.page = look.page;
        self.opened = look.opened;
        self.stamp = look.stamp;
        self.told = look.told;
        self.disbelieved = look.disbelieved;
        self.posted = look.unsealed.into_iter().map(|id| (id, FIRST_FRAME)).collect();
    }

    /// Keeps what was seen until it is known what whoever is there now will show.
    fn await_author(&mut self, look: &Look) {
        if look.author == Author::Silent {
            self.author = Author::Silent;
            self.page = None;
            self.stamp = Stamp::Outdated;
            self.disbelieved = look.disbelieved;
        }
    }

    /// Keeps what was seen where the manifest cannot be read any more: without its secret nothing is found by key.
    ///
    /// # Errors
    /// [`ErrorKind::Poisoned`] where there is another one.
    fn keep_to_what_is_known(&mut self, look: &Look) -> Result<()> {
        if look.segments.shelf.has_manifest() {
            let detail = "the store has another manifest than the one by which it was read so far";
            let error = Error::new(ErrorKind::Poisoned, detail);
            self.over = Some(error.clone());
            return Err(error);
        }
        tracing::warn!(
            "the manifest cannot be read any more: what has been found so far is all that is shown"
        );
        self.author = look.author;
        self.page = None;
        self.told = None;
        self.stamp = look.stamp;
        self.disbelieved = look.disbelieved;
        Ok(())
    }

    /// Whether it is the same who is there.
    fn is_author(&self, there: Author) -> bool {
        let silent = matches!(there, Author::Telling(epoch) if self.disbelieved == Some(epoch));
        there == self.author || (silent && self.author == Author::Silent)
    }

    /// Whether no writer has come since it was looked around, who may be gone again: of one who tells that is known
    /// from what it tells, unless that cannot be taken over. The next one changes the manifest before the page.
    fn is_undisturbed(&self, disk: &dyn Disk, directory: &Directory) -> bool {
        let tells = matches!(self.author, Author::Telling(_)) && !self.doubted;
        tells || self.stamp.holds(disk, directory)
    }

    /// Takes over what the writer tells: first the segments, then the index of what is new, then the bounds. False
    /// if the log does not show as much.
    fn take_over(&mut self, segments: &Arc<Segments>, live: &Live) -> Result<bool> {
        let sealed = self.told.map(|told| told.sealed);
        let last = segments.view().table.segments.last().map(|segment| segment.id);
        let rolled = last.is_none_or(|last| last < live.visible.segment());
        if (rolled || sealed != Some(live.sealed)) && !self.follow_rolls(segments, live)? {
            // A segment without a frame has no link to be followed, and nothing to be seen.
            let is_blank = live.visible.offset() <= FIRST_FRAME
                && live.next_position == segments.visible_position();
            self.told = is_blank.then_some(*live).or(self.told);
            return Ok(is_blank);
        }
        let view = segments.view();
        if let Some(active) = view.table.segments.last()
            && !has_room_for(live, active.base, segments.size_of(active)?)
        {
            return Ok(false);
        }
        let view = View {
            visible: live.visible,
            durable: live.durable.min(live.visible),
            visible_position: live.next_position,
            ..view
        };
        self.post(&view)?;
        segments.publish(view.visible, view.durable, view.visible_position);
        self.told = Some(*live);
        Ok(true)
    }

    /// Takes over what later frames of the last segment call durable, of a writer that does not tell. Whether another
    /// segment follows is looked at now and then.
    fn take_vouched_for(&mut self, segments: &Arc<Segments>) -> Result<()> {
        let view = segments.view();
        let Some(last) = view.table.segments.last() else { return Ok(()) };
        let (id, salt) = (last.id, last.salt);
        let capacity = ByteOffset(segments.size_of(last)?);
        if view.visible.segment() != id {
            return Ok(());
        }
        let shelf = &segments.shelf;
        let segment = SegmentRef { id, salt, capacity };
        let file = SegmentFile::open(&*shelf.disk, &shelf.directory, segment)?;
        let from = (view.visible.offset(), view.visible_position);
        let Some((end, visible_position)) = vouched_for(&file, from)? else { return Ok(()) };
        let end = Lsn::new(id, end);
        let view = View { visible: end, durable: end, visible_position, ..view };
        self.post(&view)?;
        segments.publish(end, end, visible_position);
        Ok(())
    }

    /// Posts what is new to the indexes in memory.
    fn post(&mut self, view: &View) -> Result<()> {
        for (index, segment) in view.table.segments.iter().enumerate() {
            let Some(posted) = self.posted.get_mut(&segment.id) else { continue };
            let end = segment.end(view.visible);
            if let (true, Some(active)) = (*posted < end, segment.active()) {
                let ids = Ids::wanted(&view.store.shelf, None);
                if let Some(damage) = replay(view, index, *posted, u32::MAX, &active, ids)? {
                    tracing::warn!(%damage, "the index of the active segment does not know all events");
                }
                *posted = end;
            }
        }
        Ok(())
    }
}

/// Whether a writer that does not tell is left alone, which is a bug.
fn is_left() -> bool {
    plant::is_in(Bug::SilentWriterLeft)
}

/// Whether a segment that begins at this position, in a file of so many bytes, may hold what a page tells. However well
/// that sums up: nothing is visible behind the end of a file, and no event is smaller than the smallest record.
fn has_room_for(live: &Live, base: Position, file_bytes: u64) -> bool {
    let end = live.visible.offset().0;
    let events = end.saturating_sub(FIRST_FRAME.0) / RECORD_BYTES_MIN as u64;
    end <= file_bytes && live.next_position <= base.plus(events)
}

/// Refuses to go on from what was found where it has less than what was seen here, or something else.
///
/// # Errors
/// [`ErrorKind::Poisoned`] then; what the system refuses.
pub(crate) fn refuse_loss(ours: &Arc<Segments>, found: &Arc<Segments>) -> Result<()> {
    let (here, there) = (ours.visible_position(), found.visible_position());
    if there < here || !same_event(ours, found, here)? {
        return Err(lost(here.min(there)));
    }
    Ok(())
}

/// Whether the last event before a position is the same in both: it is not where the writer has lost it and
/// another has its place.
fn same_event(ours: &Arc<Segments>, theirs: &Arc<Segments>, before: Position) -> Result<bool> {
    let Some(last) = before.0.checked_sub(1).map(Position) else { return Ok(true) };
    let event = |segments: &Arc<Segments>| -> Result<_> {
        let mut walk = Walk::new(segments.view(), last, Verify::Always.check());
        loop {
            match walk.next() {
                Ok(Some(found)) => return Ok(walk.event(&found)?.map(|event| event.to_owned())),
                Ok(None) => return Ok(None),
                // Damage before it.
                Err(error) if concerns_no_event(&error) => {}
                Err(error) => return Err(error),
            }
        }
    };
    match (event(ours), event(theirs)) {
        (Ok(ours), Ok(theirs)) => Ok(ours == theirs),
        // Its segment could not be read, and was known by those around it; by now it can.
        (_, Ok(_)) if ours.view().table.holes.at(last).is_some() => Ok(true),
        // It was lost where it stood, and another stands elsewhere.
        (Err(error), Ok(_)) if error.kind() == ErrorKind::Damaged => Ok(false),
        // What cannot be served is met when it is read.
        (_, Err(error)) if error.is_of_events() => Ok(true),
        (_, Err(error)) => Err(error),
        // A file that is gone says nothing.
        (Err(_), Ok(_)) => Ok(true),
    }
}

fn lost(from: Position) -> Error {
    let detail = format!(
        "events from position {from} on were lost before they were synced, and may have been given anew"
    );
    Error::new(ErrorKind::Poisoned, detail)
}
