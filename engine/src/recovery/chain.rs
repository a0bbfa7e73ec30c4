//! Which segments follow one another, and where the last one ends.
//!
//! Every segment begins with a link that names where the log before it ends. The segment with the
//! highest number that has a valid link is the last; from it the links lead back to the last sealed
//! one. A segment aside of that way was prepared and never used, or given up by a recovery: it holds
//! nothing that was ever durable, else something is damaged.

#[cfg(test)]
mod tests;

use quipu_disk::read_exact_at;
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};
use quipu_format::{ByteOffset, Lsn, PAGE_BYTES, Position};

use super::candidate::{Beyond, Candidate};
use super::scan::{Scan, SegmentFile};
use super::survey::{Part, State, Survey, Tip};
use super::unsealed::written_on;
use crate::plant::{self, Bug};
use crate::{Damage, Error, Result};

/// Adds the unsealed segments to the survey's parts.
pub(super) fn connect(survey: &mut Survey, candidates: &[Candidate]) -> Result<()> {
    match strict(survey, candidates)? {
        Ok(way) => {
            for (candidate, scan) in way {
                survey.next_position = scan.next_position;
                survey.last_time = scan.last_time;
                survey.parts.push(part(candidate, &scan));
            }
            let late = set_aside(survey, candidates)?;
            if survey.damage.is_empty() {
                find_end(survey, candidates)?;
            } else {
                note_short_of_close(survey);
                lenient(survey, candidates)?;
                survey.damage.extend(late.and_then(|first| lost_before(survey, first)));
            }
        }
        Err(damage) => {
            survey.damage.push(damage);
            lenient(survey, candidates)?;
        }
    }
    Ok(())
}

type Way<'c> = Vec<(&'c Candidate, Scan)>;

/// The unsealed segments of the log, oldest first, each as scanned to its end; or what is damaged.
fn strict<'c>(
    survey: &Survey,
    candidates: &'c [Candidate],
) -> Result<std::result::Result<Way<'c>, Error>> {
    let Some(tip) = candidates.iter().rfind(|candidate| candidate.scan.link.is_some()) else {
        return Ok(Ok(Vec::new()));
    };
    let sealed = survey.end();
    let (mut way, mut current, mut found) = (Vec::new(), tip, tip.scan.clone());
    loop {
        let predecessor = found.link.and_then(|link| link.predecessor);
        let Some((end, salt)) = predecessor else {
            if sealed.is_none() {
                break;
            }
            return Ok(Err(broken(current, "the first segment follows a sealed one")));
        };
        if sealed == Some(end) || plant::is_in(Bug::RecycledSegment) {
            break;
        }
        let before = candidates.iter().find(|candidate| candidate.file().id == end.segment());
        let Some(before) = before.filter(|before| before.file().id < current.file().id) else {
            return Ok(Err(broken(current, "the segment before this one is missing")));
        };
        // The scan goes to the first bad frame; what counts is that the named end is a frame's end.
        let scan = before.unsealed.scan_to(end.offset(), &mut |_, _| Ok(()))?;
        if before.file().salt != salt || scan.end != end.offset() || scan.link.is_none() {
            let from = scan.next_position.max(survey.next_position).min(found.base);
            return Ok(Err(cut_short(before, &scan, from..found.base, end)));
        }
        // What was found here counts, and not what was found before: a writer may have begun the segment since.
        way.push((std::mem::replace(&mut current, before), std::mem::replace(&mut found, scan)));
    }
    way.push((current, found));
    way.reverse();
    Ok(Ok(way))
}

fn broken(candidate: &Candidate, why: &str) -> Error {
    let base = candidate.scan.base;
    let damage = Damage {
        file: candidate.file().path.clone(),
        offset: FIRST_FRAME,
        bytes: 0,
        positions: base..base,
        what: why.to_owned(),
    };
    Error::damaged(damage)
}

fn cut_short(
    before: &Candidate,
    scan: &Scan,
    positions: std::ops::Range<Position>,
    end: Lsn,
) -> Error {
    let damage = Damage {
        file: before.file().path.clone(),
        offset: scan.end,
        bytes: end.offset().0.saturating_sub(scan.end.0),
        positions,
        what: "the segment is not valid up to the end that the next one names".into(),
    };
    Error::damaged(damage)
}

fn part(candidate: &Candidate, scan: &Scan) -> Part {
    Part {
        segment: candidate.file().reference(),
        end: scan.end,
        base: scan.base,
        next: scan.next_position,
        state: State::Unsealed(candidate.unsealed.clone()),
    }
}

/// What is not part of the log is unused, unless it holds something that was durable. Gives the position with which one
/// begins that shows that the log before it has lost events.
fn set_aside(survey: &mut Survey, candidates: &[Candidate]) -> Result<Option<Position>> {
    let closed = survey.closed().map(|(end, _)| end);
    let mut first = None;
    for candidate in candidates {
        let id = candidate.file().id;
        if survey.parts.iter().any(|part| part.segment.id == id) {
            continue;
        }
        let is_behind = survey.parts.last().is_none_or(|last| last.segment.id < id);
        let late = if is_behind { too_late(survey, candidate)? } else { None };
        if closed == Some(Lsn::new(id, FIRST_FRAME)) && candidate.scan.link.is_none() {
            survey.blank = Some(candidate.file().clone());
        } else if late.is_some() || candidate.holds_more()? {
            first = late.or(first);
            survey.damage.push(broken(candidate, "the segment has lost its link"));
        } else {
            // One before the end was given up by a recovery, which has said so.
            if is_behind {
                survey.behind.push(candidate.file().clone());
            }
            survey.unused.push(id);
        }
    }
    Ok(first)
}

/// Where a segment without a link, behind all others, begins, if that is with a later position than is left of the log: all
/// before a segment is durable before the first frame of it is written.
fn too_late(survey: &Survey, candidate: &Candidate) -> Result<Option<Position>> {
    let first = candidate.first_behind_link()?;
    Ok(first.filter(|first| *first > survey.next_position))
}

/// What the last segment of which anything is left has lost then, or one behind it that is gone. Of a sealed one more is
/// known.
fn lost_before(survey: &Survey, first: Position) -> Option<Error> {
    let last = survey.parts.iter().rfind(|part| part.end > FIRST_FRAME)?;
    let gone = survey.gone.iter().next_back().filter(|gone| **gone > last.segment.id);
    let positions = survey.next_left()..first;
    if positions.is_empty() || (gone.is_none() && last.sealed().is_some()) {
        return None;
    }
    let damage = Damage {
        file: survey.directory.segment(*gone.unwrap_or(&last.segment.id)),
        offset: if gone.is_some() { ByteOffset(0) } else { last.end },
        bytes: 0,
        positions,
        what: "the events before those with which a later segment begins are lost".into(),
    };
    Some(Error::damaged(damage))
}

/// Decides how the log ends: cleanly, torn, or damaged.
fn find_end(survey: &mut Survey, candidates: &[Candidate]) -> Result<()> {
    let end = survey.end();
    if let Some((closed_end, position)) = survey.closed() {
        let blank = survey.blank.is_some();
        if (blank || end == Some(closed_end)) && position == survey.next_position {
            survey.tip = if end.is_none() { Tip::Empty } else { Tip::Clean };
            return Ok(());
        }
        if end.is_none_or(|end| end < closed_end) {
            survey.damage.push(short_of_close(survey, closed_end, position));
            return lenient(survey, candidates);
        }
    }
    let last = end.map(Lsn::segment);
    let tip = candidates.iter().find(|candidate| Some(candidate.file().id) == last);
    let beyond = tip.map(Candidate::search_on).transpose()?;
    let goes_on = beyond.as_ref().is_some_and(|beyond| beyond.first.is_some());
    if let Some((closed_end, position)) = survey.closed_before()
        && survey.next_position < position
        // Sound frames behind the damage say how far it goes, where the close lies in their segment: see below.
        && !(goes_on && last == Some(closed_end.segment()))
    {
        // Whoever has opened it since has not made it shorter.
        survey.damage.push(short_of_close(survey, closed_end, position));
        return lenient(survey, candidates);
    }
    let Some(last) = survey.parts.last_mut() else { return Ok(()) };
    let Some((tip, beyond)) = tip.zip(beyond) else {
        // The last segment is sealed: nothing was written after it.
        survey.tip = Tip::Unclean { durable: last.end, dropped_bytes: 0 };
        return Ok(());
    };
    if beyond.durable > tip.scan.end && !plant::is_in(Bug::DamageTakenForTail) {
        // A writer may have gone on since the scan. What it wrote before is there by now.
        let again = tip.unsealed.scan_to(tip.file().capacity, &mut |_, _| Ok(()))?;
        if again.end >= beyond.durable {
            survey.next_position = again.next_position;
            survey.last_time = again.last_time;
            (last.end, last.next) = (again.end, again.next_position);
            survey.tip = Tip::Unclean { durable: beyond.durable, dropped_bytes: 0 };
            return Ok(());
        }
        let damage = Damage {
            file: tip.file().path.clone(),
            offset: tip.scan.stop.as_ref().map_or(tip.scan.end, |bad| bad.at),
            bytes: beyond.durable.0 - tip.scan.end.0,
            positions: tip.scan.next_position..beyond.first.unwrap_or(tip.scan.next_position),
            what: "acknowledged events are damaged: a later frame calls these bytes durable".into(),
        };
        survey.damage.push(Error::damaged(damage));
        return lenient(survey, candidates);
    }
    let dropped_bytes = dropped(tip.file(), tip.scan.end)?;
    if plant::is_in(Bug::TornTailRefused) && dropped_bytes > 0 {
        survey.damage.push(broken(tip, "the segment does not end with a valid frame"));
    }
    survey.tip = Tip::Unclean { durable: beyond.durable, dropped_bytes };
    Ok(())
}

/// How many bytes behind a place in a segment were written, up to the last that is not zero.
pub(super) fn dropped(file: &SegmentFile, from: ByteOffset) -> Result<u64> {
    let rest = from.0..file.size.0;
    let last = file.frames(file.capacity).last_nonzero(rest).map_err(|error| file.io(error))?;
    Ok(last.map_or(0, |last| last.0 + 1 - from.0))
}

/// Notes of a log that is damaged elsewhere that nothing is left of the segment in which it was closed, unless it is known
/// what has become of that.
fn note_short_of_close(survey: &mut Survey) {
    let Some((closed, position)) = survey.closed() else { return };
    let file = survey.directory.segment(closed.segment());
    let is_told = survey.damage.iter().filter_map(Error::damage).any(|damage| damage.file == file);
    let is_known = survey.blank.is_some() || is_told;
    if !is_known && survey.end().is_none_or(|end| end.segment() < closed.segment()) {
        survey.damage.push(short_of_close(survey, closed, position));
    }
}

fn short_of_close(survey: &Survey, closed: Lsn, position: Position) -> Error {
    let end = survey.end().filter(|end| end.segment() == closed.segment());
    let offset = end.map_or(FIRST_FRAME, Lsn::offset);
    let damage = Damage {
        file: survey.directory.segment(closed.segment()),
        offset,
        bytes: closed.offset().0.saturating_sub(offset.0),
        positions: survey.next_position..position.max(survey.next_position),
        what: "the log ends before the place where it was closed".into(),
    };
    Error::damaged(damage)
}

/// For reading what is left of a damaged log: every segment that holds anything, as far as it belongs to the log.
///
/// Links are followed where there are any: one names the segment before and where that ends, so what it goes round was
/// given up by a recovery.
fn lenient(survey: &mut Survey, candidates: &[Candidate]) -> Result<()> {
    survey.parts.retain(|part| part.sealed().is_some());
    survey.unused.clear();
    survey.blank = None;
    let (mut named, mut durable): (Option<Lsn>, Option<ByteOffset>) = (None, None);
    for candidate in candidates.iter().rev() {
        let beyond = candidate.search_on()?;
        let id = candidate.file().id;
        let gone_round = named.is_some_and(|end| end.segment() < id) && !candidate.holds(&beyond);
        let empty = candidate.scan.link.is_none() && beyond.first.is_none();
        if empty && !gone_round && is_destroyed(survey, candidate)? {
            survey.gone.insert(id);
        }
        if gone_round || empty {
            continue;
        }
        let end = match named.filter(|end| end.segment() == id) {
            Some(end) => end.offset(),
            None => unnamed_end(survey, candidate, &beyond)?,
        };
        let end = end.min(candidate.file().size);
        // All before a close is durable.
        let is_closed = survey.closed().is_some_and(|(closed, _)| closed >= Lsn::new(id, end));
        durable.get_or_insert(if is_closed { end } else { beyond.durable.min(end) });
        let next = next_position(candidate, end)?;
        let next_position = survey.next_position.max(next);
        let last_time = survey.last_time.max(candidate.scan.last_time);
        (survey.next_position, survey.last_time) = (next_position, last_time);
        let mut part = Part { end, next, ..part(candidate, &candidate.scan) };
        if let Some(link) = candidate.scan.link {
            named = Some(link.predecessor.map_or(Lsn::default(), |(end, _)| end));
        } else {
            // The first position that is left; readers look for those before in the segments before.
            part.base = beyond.first.unwrap_or(next_position);
        }
        survey.parts.push(part);
    }
    survey.parts.sort_by_key(|part| part.segment.id);
    empty_what_is_not_shown(survey);
    survey.tip = Tip::Unclean { durable: durable.unwrap_or(FIRST_FRAME), dropped_bytes: 0 };
    if let Some((_, position)) = survey.closed_last() {
        // What the log held as it was closed is lost where it is not there any more.
        survey.next_position = survey.next_position.max(position);
    }
    Ok(())
}

/// The position behind a segment's part of the log.
fn next_position(candidate: &Candidate, end: ByteOffset) -> Result<Position> {
    let Candidate { unsealed, scan } = candidate;
    match end < scan.end {
        true => Ok(unsealed.scan_to(end, &mut |_, _| Ok(()))?.next_position),
        false => unsealed.position_at(scan, end),
    }
}

/// By what is not shown of a segment nobody is moved on: where it ends before it begins, it does both where the one before
/// it ends.
fn empty_what_is_not_shown(survey: &mut Survey) {
    let mut left = Position(0);
    for part in &mut survey.parts {
        if part.next < part.base || part.end <= FIRST_FRAME {
            (part.base, part.next) = (left, left);
        }
        left = left.max(part.next);
    }
}

/// Whether a segment without a frame may have held some: it is damaged, and not as one that was never written.
fn is_destroyed(survey: &Survey, candidate: &Candidate) -> Result<bool> {
    let file = candidate.file();
    let mut damage = survey.damage.iter().filter_map(Error::damage);
    let is_damaged = damage.any(|damage| damage.file == file.path);
    Ok(is_damaged
        && (file.size < file.capacity
            || dropped(file, candidate.scan.end)? > 0
            || is_overwritten(file)?))
}

/// Whether another file was written over a segment: zeros, or a segment with a header that is whole and not its own.
fn is_overwritten(file: &SegmentFile) -> Result<bool> {
    let mut page = vec![0; PAGE_BYTES.min(file.size.0) as usize];
    read_exact_at(&*file.file, &mut page, 0).map_err(|error| file.io(error))?;
    let is_own = |header: SegmentHeader| (header.segment, header.salt) == (file.id, file.salt);
    let is_of_another = SegmentHeader::decode(&page).is_ok_and(|header| !is_own(header));
    Ok(is_of_another || page.iter().all(|byte| *byte == 0))
}

/// Where a segment ends that no link names the end of.
fn unnamed_end(survey: &Survey, candidate: &Candidate, beyond: &Beyond) -> Result<ByteOffset> {
    let file = candidate.file();
    let closed = survey.closed().filter(|(end, _)| end.segment() == file.id);
    match closed {
        Some((end, _)) if !written_on(file, end.offset())? => Ok(end.offset()),
        _ => candidate.own_end(beyond),
    }
}
