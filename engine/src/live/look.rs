//! Finding out where a store stands, for reading it.

use std::cmp::Ordering;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::{Access, Disk, Gate, PAGE_WORDS, Page};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{Epoch, LIVE_BYTES, Live, Lsn, Position, SegmentId, Standing};

use super::sight::Sight;
use super::stamp::Stamp;
use crate::directory::Directory;
use crate::index_files::{Missing, gather};
use crate::open::complete;
use crate::opened::report_unclean;
use crate::plant::{self, Bug};
use crate::recovery::{Opening, Part, State, Survey, Tip};
use crate::segments::{Bounds, Holes, Segments, Shelf};
use crate::{Error, Options, Result, Unreadable};

/// How often, and after what pauses, it is looked at a page that is being stored.
const LOOKS: usize = 20;
const PAUSE: Duration = Duration::from_micros(100);

/// Who is at work on a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// Nobody: what recovery would find is what there is.
    Nobody,
    /// Somebody who does not tell, or cannot be believed yet.
    Silent,
    /// The opening of this epoch, which tells how far it has come.
    Telling(Epoch),
}

/// A store as it was found.
pub(crate) struct Look {
    pub(crate) segments: Arc<Segments>,
    pub(crate) author: Author,
    /// Where the author tells.
    pub(crate) page: Option<Page>,
    /// What it told by then, if all of that was found.
    pub(crate) told: Option<Live>,
    /// Who has left a page that is not believed.
    pub(crate) disbelieved: Option<Epoch>,
    /// Segments that are not sealed.
    pub(crate) unsealed: Vec<SegmentId>,
    /// The last opening for writing, unless it was closed.
    pub(crate) opened: Option<Epoch>,
    /// Of the manifest that was read.
    pub(super) stamp: Stamp,
    pub(crate) opening: Opening,
}

/// Finds out what can be read of a store, beside a writer or without one.
///
/// # Errors
/// [`ErrorKind::NoStore`](crate::ErrorKind::NoStore), [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported),
/// and what the system refuses. Damage is met when it is read.
pub(crate) fn look(sight: &Sight, directory: &Directory, options: &Options) -> Result<Look> {
    let disk = &sight.disk();
    let before = is_locked(&**disk, directory)?;
    let earlier = open_page(&**disk, directory).as_ref().and_then(load_at_once);
    let mut survey = Survey::take_beside_writer(&**disk, directory, options.read_mode)?;
    // After the survey: what is told by now is at least what the survey has met of it. And somebody may have
    // come since, whose frames are among those it has met.
    let locked = before || is_locked(&**disk, directory)?;
    let page = open_page(&**disk, directory);
    let told = page.as_ref().and_then(if locked { load } else { load_at_once });
    let disbelieved = told.map(|live| live.epoch);
    let told = told.filter(|live| is_of(live, &survey));
    let told = told
        .filter(|live| !earlier.is_some_and(|it| it.epoch == live.epoch && has_lost(&survey, &it)));
    let unreadable = sight.unreadable();
    // Before the end is drawn back to what is shown.
    let end_unknown = survey.unreadable_end(&unreadable);
    let (author, bounds) = match told {
        Some(live) if locked => (Author::Telling(live.epoch), bounds_told(&survey, &live)),
        None if locked && plant::is_in(Bug::SilentWriterBelieved) => {
            (Author::Silent, bounds_found(&survey))
        }
        None if locked => (Author::Silent, bounds_beside(&**disk, &mut survey)?),
        told => (Author::Nobody, bounds_settled(&**disk, &mut survey, told.as_ref(), &unreadable)?),
    };
    if author == Author::Nobody {
        report_unclean(&survey);
    }
    let told = told.filter(|_| locked);
    let holes = survey.holes();
    let mut lost = survey.lost(&holes);
    lost.extend(end_unknown);
    let segments = assemble(disk, &mut survey, options, (bounds, Holes::new(holes)))?;
    let unsealed = survey.parts.iter().filter(|part| part.unsealed().is_some());
    Ok(Look {
        segments,
        author,
        page: page.filter(|_| told.is_some()),
        disbelieved: disbelieved.filter(|_| author == Author::Silent),
        told: told.filter(|live| live.visible == bounds.visible),
        unsealed: unsealed.map(|part| part.segment.id).collect(),
        opened: survey.opened(),
        stamp: Stamp::of(&**disk, directory, survey.manifest.as_ref()),
        opening: Opening { strangers: survey.strangers, lost, ..Opening::default() },
    })
}

/// Whether what a page tells is of this log: of its last opening, and of a segment that no recovery which is
/// under way has gone round, or of that part of it which still counts. One that was left before it had a frame is no
/// part of the log.
fn is_of(live: &Live, survey: &Survey) -> bool {
    let visible = live.visible;
    let is_last = |part: &Part| survey.parts.last().is_some_and(|last| std::ptr::eq(last, part));
    let counts = |part: &Part| match part.segment.id.cmp(&visible.segment()) {
        // The last one may go on behind the end that was found.
        Ordering::Equal => is_last(part) || visible.offset() <= part.end,
        _ => visible.offset() <= FIRST_FRAME && part.base == live.next_position,
    };
    let there = survey.parts.iter().find(|part| part.segment.id >= visible.segment());
    Some(live.epoch) == survey.opened() && there.is_none_or(counts)
}

/// Whether a log lacks what was told before it was surveyed, and nobody has called durable: the power went off since then.
/// Who told it is gone, also where somebody has the lock, who has not recovered the store yet.
fn has_lost(survey: &Survey, told: &Live) -> bool {
    let found = bounds_found(survey).visible;
    !plant::is_in(Bug::LostPageBelieved) && found < told.visible && found >= told.durable
}

/// The segments that a survey has found, readable up to these bounds, and what is lost between them. Those behind the
/// bounds are no part of the survey any more.
pub(crate) fn assemble(
    disk: &Arc<dyn Disk>,
    survey: &mut Survey,
    options: &Options,
    (bounds, holes): (Bounds, Holes),
) -> Result<Arc<Segments>> {
    survey.parts.retain(|part| part.segment.id <= bounds.visible.segment());
    let header = survey.manifest.as_ref().map(|manifest| &manifest.header);
    let shelf = Shelf::new(disk, &survey.directory, header, options);
    let segments = gather(shelf, &survey.parts, &survey.index, Missing::Left)?;
    segments.set_holes(holes);
    complete(&segments, &survey.parts, bounds)?;
    Ok(segments)
}

/// As far as a store may be read that has not been recovered, by who keeps writers out: as [`bounds_settled`].
pub(crate) fn bounds_unrecovered(
    disk: &dyn Disk,
    directory: &Directory,
    survey: &mut Survey,
) -> Result<Bounds> {
    let page = open_page(disk, directory);
    let told = page.as_ref().and_then(load_at_once).filter(|live| is_of(live, survey));
    bounds_settled(disk, survey, told.as_ref(), &[])
}

/// As far as the log has been found, which is made durable first where nobody has said that it is: what is read
/// once must be there for ever. Where that fails, as far as it is known to be durable; and if the last word of a writer
/// that is gone was that a sync had failed, as far as it had told before.
fn bounds_settled(
    disk: &dyn Disk,
    survey: &mut Survey,
    told: Option<&Live>,
    unreadable: &[Unreadable],
) -> Result<Bounds> {
    // A sync would succeed now, and prove nothing.
    let failed = told.filter(|live| live.standing == Standing::Failed);
    if let Some(live) = failed.filter(|_| !plant::is_in(Bug::FailedWriterBelieved)) {
        return Ok(bounds_told(survey, live));
    }
    let found = bounds_found(survey);
    let (Tip::Unclean { durable, .. }, Some(last)) = (&survey.tip, survey.parts.last()) else {
        return Ok(found);
    };
    let Some(unsealed) = last.unsealed() else { return Ok(found) };
    // Of a damaged log a frame may say so that is not durable itself.
    if survey.damage.is_empty() && *durable >= last.end && is_listed(survey, last) {
        return Ok(found);
    }
    // One that cannot be read now may be whole another time, and be written on.
    let is_damaged = !survey.damage.is_empty() && unreadable.is_empty();
    match settled(unsealed.file.file.sync_data()) {
        Ok(()) if settle_name(disk, survey) => Ok(found),
        // Of a damaged log nobody knows how much was durable: what is left of it is shown.
        _ if is_damaged => Ok(found),
        Ok(()) => Ok(bounds_before_last(survey)),
        Err(error) => {
            tracing::warn!(%error, "what is not known to be durable is not shown");
            bounds_beside(disk, survey)
        }
    }
}

/// Files that cannot be synced are never written either, so whatever is there has been read from the medium. A file
/// system that is called read-only is another thing: it stopped at a failure, and memory may show what was lost.
fn settled(synced: io::Result<()>) -> io::Result<()> {
    synced
        .or_else(|error| if error.kind() == ErrorKind::InvalidInput { Ok(()) } else { Err(error) })
}

/// One that is not is made by a recovery that has not come to its end.
fn is_listed(survey: &Survey, part: &Part) -> bool {
    let manifest = survey.manifest.as_ref();
    manifest.is_some_and(|manifest| manifest.listing.segments.contains_key(&part.segment.id))
}

/// Sees to it that the name of the last segment is not lost with the power: a recovery may just have given it. False
/// where that cannot be.
fn settle_name(disk: &dyn Disk, survey: &Survey) -> bool {
    if survey.parts.last().is_none_or(|last| is_listed(survey, last)) {
        return true;
    }
    let synced = settled(disk.sync_directory(survey.directory.path()));
    if let Err(error) = &synced {
        tracing::warn!(%error, "a segment whose name may be lost is not shown");
    }
    synced.is_ok()
}

/// As far as the segments before the last one go, which is left out.
fn bounds_before_last(survey: &mut Survey) -> Bounds {
    if let Some(last) = survey.parts.pop() {
        let before = survey.parts.last().map_or(Position(0), |part| part.next);
        survey.next_position = if has_link(&last) { last.base } else { before };
    }
    bounds_found(survey)
}

/// Whether a segment says itself where it begins.
fn has_link(part: &Part) -> bool {
    part.unsealed().is_none_or(|unsealed| unsealed.has_link)
}

/// As far as later frames call the log durable: the writer does not say what else is.
fn bounds_beside(disk: &dyn Disk, survey: &mut Survey) -> Result<Bounds> {
    let is_named = settle_name(disk, survey);
    let begins = match (&survey.tip, survey.parts.last().and_then(Part::unsealed)) {
        (Tip::Unclean { durable, .. }, Some(unsealed)) => unsealed.begins_by(*durable)?,
        _ => true,
    };
    if is_named && begins { bounds_proven(survey) } else { Ok(bounds_before_last(survey)) }
}

/// As far as the log has been found.
fn bounds_found(survey: &Survey) -> Bounds {
    let end = survey.end().unwrap_or_default();
    Bounds { visible: end, durable: end, next_position: survey.next_position }
}

/// The same, of segments whose names stay.
fn bounds_proven(survey: &mut Survey) -> Result<Bounds> {
    let mut bounds = bounds_found(survey);
    if let (Tip::Unclean { durable, .. }, Some(last)) = (&survey.tip, survey.parts.last_mut())
        && let State::Unsealed(unsealed) = &last.state
    {
        last.end = *durable;
        let scan = unsealed.scan_to(last.end, &mut |_, _| Ok(()))?;
        let next_position = unsealed.position_at(&scan, last.end)?.max(last.base);
        let end = Lsn::new(last.segment.id, last.end);
        bounds = Bounds { visible: end, durable: end, next_position };
        survey.next_position = next_position;
    }
    Ok(bounds)
}

/// As far as the writer tells, if the log bears it out; else as far as the log has been found, since more
/// was told only after that.
fn bounds_told(survey: &Survey, live: &Live) -> Bounds {
    let found = bounds_found(survey);
    let durable = live.durable.min(live.visible);
    if live.visible <= found.visible && live.next_position <= found.next_position {
        return Bounds { visible: live.visible, durable, next_position: live.next_position };
    }
    Bounds { durable: durable.min(found.visible), ..found }
}

/// Who is at work on a store, as far as can be seen from its lock and its page.
pub(super) fn author(disk: &dyn Disk, directory: &Directory) -> Result<Author> {
    if !is_locked(disk, directory)? {
        return Ok(Author::Nobody);
    }
    let told = open_page(disk, directory).as_ref().and_then(load);
    Ok(told.map_or(Author::Silent, |live| Author::Telling(live.epoch)))
}

/// What a page tells that somebody may be storing.
pub(super) fn load(page: &Page) -> Option<Live> {
    load_in_time(page, &|| {
        let _passed = Gate::new().wait(1, Some(PAUSE));
    })
}

/// A store that is half done is waited for: what was told before it is acknowledged, and whoever asks now is to see it. One
/// that stays so belongs to a writer that was stopped or killed in it.
pub(super) fn load_in_time(page: &Page, pause: &dyn Fn()) -> Option<Live> {
    for _ in 0..LOOKS {
        let words = page.load();
        if let Some(live) = words.and_then(decode) {
            return Some(live);
        }
        if words == Some([0; PAGE_WORDS]) {
            // Nothing was told yet, or the store was closed.
            return None;
        }
        pause();
    }
    None
}

/// What a page tells that nobody stores.
fn load_at_once(page: &Page) -> Option<Live> {
    page.load().and_then(decode)
}

fn decode(words: [u64; PAGE_WORDS]) -> Option<Live> {
    let mut bytes = [0; LIVE_BYTES];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    Live::decode(&bytes)
}

fn is_locked(disk: &dyn Disk, directory: &Directory) -> Result<bool> {
    if plant::is_in(Bug::PageOfTheDead) && open_page(disk, directory).is_some() {
        return Ok(true);
    }
    let path = directory.lock();
    disk.is_locked(&path).map_err(|error| Error::io("reading", &path, error))
}

/// The page, if there is one: without it less is known, and nothing is wrong.
fn open_page(disk: &dyn Disk, directory: &Directory) -> Option<Page> {
    disk.page(&directory.live(), Access::Read).ok()
}
