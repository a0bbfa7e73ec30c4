//! The log as it was sequenced.

use std::collections::{BTreeSet, HashMap};

use super::looks::look;
use super::postings::Postings;
use super::{Checked, Rule, Violation, ensure};
use crate::history::{Commit, Part, Seen, Stream, Written};

/// An event with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    commit: Commit,
    pub(super) stream: Stream,
    pub(super) version: u64,
    pub(super) written: Written,
}

/// A commit with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) first: u64,
    /// The position after its last event.
    pub(super) end: u64,
    /// When it was recorded, once anybody was told.
    recorded: Option<i64>,
}

/// Every event that has a place, by position, and the commits that they are of.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    events: Vec<Event>,
    commits: HashMap<Commit, Placed>,
    /// Commits that were said not to be written, with the positions of their first events.
    unwritten: BTreeSet<(u64, Commit)>,
    /// Position of each event, by its id.
    places: HashMap<u64, u64>,
    postings: Postings,
}

impl Log {
    pub(super) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    pub(super) fn get(&self, position: u64) -> Option<&Event> {
        look();
        self.events.get(usize::try_from(position).ok()?)
    }

    /// Position of the event with this id.
    pub(super) fn place(&self, id: u64) -> Option<u64> {
        look();
        self.places.get(&id).copied()
    }

    /// Version and position of a stream's last event.
    pub(super) fn head(&self, stream: Stream) -> Option<(u64, u64)> {
        let positions = self.postings.of_stream(stream);
        Some((positions.len().checked_sub(1)? as u64, *positions.last()?))
    }

    /// The event before `end`.
    pub(super) fn last_of(&self, end: u64) -> Option<&Event> {
        self.get(end.checked_sub(1)?)
    }

    /// Where the events stand that somebody asks for.
    pub(super) fn postings(&self) -> &Postings {
        &self.postings
    }

    /// The place of a commit.
    pub(super) fn known(&self, commit: Commit) -> Checked<Placed> {
        let placed = self.commits.get(&commit).copied();
        placed
            .ok_or_else(|| Violation::new(Rule::Nonsense, format!("commit {commit} has no place")))
    }

    /// Gives a commit its place, behind all others.
    pub(super) fn push(&mut self, commit: Commit, parts: &[Part]) -> Checked {
        let first = self.len();
        for Part { stream, events, .. } in parts {
            events.iter().try_for_each(|event| self.push_event(commit, *stream, *event))?;
        }
        let placed = Placed { first, end: self.len(), recorded: None };
        let before = self.commits.insert(commit, placed);
        ensure(before.is_none(), Rule::Nonsense, || format!("commit {commit} was placed twice"))
    }

    fn push_event(&mut self, commit: Commit, stream: Stream, written: Written) -> Checked {
        let position = self.len();
        let twice = self.places.insert(written.id, position);
        ensure(twice.is_none(), Rule::Twice, || format!("event {} placed twice", written.id))?;
        let version = self.head(stream).map_or(0, |(version, _)| version + 1);
        self.postings.push(position, stream, written.id);
        self.events.push(Event { commit, stream, version, written });
        Ok(())
    }

    /// What stands at this position or behind is gone for ever.
    pub(super) fn give_up_from(&mut self, position: u64) {
        while self.len() > position
            && let Some(Event { commit, stream, written, .. }) = self.events.pop()
        {
            look();
            self.places.remove(&written.id);
            self.postings.pop(stream, written.id);
            if let Some(Placed { first, .. }) = self.commits.remove(&commit) {
                self.unwritten.remove(&(first, commit));
            }
        }
    }

    /// Notes that a commit was said not to be written.
    pub(super) fn note_unwritten(&mut self, commit: Commit, placed: Placed) {
        self.unwritten.insert((placed.first, commit));
    }

    /// Position and number of the first commit that was said not to be written.
    pub(super) fn first_unwritten(&self) -> Option<(u64, Commit)> {
        self.unwritten.first().copied()
    }

    /// Whether a commit ends before this position.
    pub(super) fn is_boundary(&self, position: u64) -> bool {
        let commit = |event: Option<&Event>| event.map(|event| event.commit);
        let before = commit(self.last_of(position));
        before.is_none() || before != commit(self.get(position))
    }

    /// Notes when a commit was recorded, and that it stays so. It is no earlier than that of the commit before, and no later
    /// than that of the next, where anybody was told of these.
    pub(super) fn note_time(&mut self, commit: Commit, recorded: i64) -> Checked {
        let Some(Placed { first, end, recorded: known }) = self.commits.get(&commit).copied()
        else {
            return Ok(());
        };
        let known = known.unwrap_or(recorded);
        ensure(known == recorded, Rule::Time, || {
            format!("commit {commit} was recorded at {known}, then at {recorded}")
        })?;
        let told = |event: Option<&Event>| self.commits.get(&event?.commit)?.recorded;
        let (before, next) = (told(self.last_of(first)), told(self.get(end)));
        let is_in_order = before.is_none_or(|before| before <= recorded)
            && next.is_none_or(|next| recorded <= next);
        ensure(is_in_order, Rule::Time, || {
            format!("commit {commit} was recorded at {recorded}, between {before:?} and {next:?}")
        })?;
        if let Some(placed) = self.commits.get_mut(&commit) {
            placed.recorded = Some(recorded);
        }
        Ok(())
    }

    /// The same of the commit that has the event at a position.
    pub(super) fn note_time_at(&mut self, position: u64, recorded: i64) -> Checked {
        let commit = self.get(position).map(|event| event.commit);
        commit.map_or(Ok(()), |commit| self.note_time(commit, recorded))
    }

    /// Compares what was read, beginning at `from`, with what was sequenced.
    pub(super) fn compare(&mut self, from: u64, seen: &[Seen]) -> Checked {
        let mut time = i64::MIN;
        for (position, seen) in (from..).zip(seen) {
            ensure(seen.position == position, Rule::Gap, || {
                format!("event at {} where {position} was next", seen.position)
            })?;
            self.compare_event(seen)?;
            ensure(seen.recorded >= time, Rule::Time, || {
                format!("event at {position} was recorded at {}, after {time}", seen.recorded)
            })?;
            time = seen.recorded;
            self.note_time_at(position, time)?;
        }
        Ok(())
    }

    /// Whether these are the first events, recorded when they are known to have been.
    pub(super) fn begins_with(&self, seen: &[Seen]) -> bool {
        let same = |(event, (position, seen)): (&Event, (u64, &Seen))| {
            let known = self.commits.get(&event.commit).and_then(|placed| placed.recorded);
            seen.position == position
                && self.compare_event(seen).is_ok()
                && known.is_none_or(|known| known == seen.recorded)
        };
        seen.len() <= self.events.len() && self.events.iter().zip((0..).zip(seen)).all(same)
    }

    pub(super) fn compare_event(&self, seen: &Seen) -> Checked {
        let Some(event) = self.get(seen.position).filter(|event| event.written.id == seen.id)
        else {
            return Err(self.out_of_place(seen));
        };
        ensure(
            (seen.stream, seen.version) == (event.stream, event.version),
            Rule::Version,
            || format!("{seen:?} should be version {} of stream {}", event.version, event.stream),
        )?;
        ensure(seen.digest == event.written.digest, Rule::Bytes, || {
            format!("the bytes of event {} at {} differ", seen.id, seen.position)
        })
    }

    fn out_of_place(&self, seen: &Seen) -> Violation {
        let (rule, place) = match self.places.get(&seen.id) {
            None => (Rule::Phantom, "nowhere".to_owned()),
            Some(&place) if place < seen.position => (Rule::Twice, place.to_string()),
            Some(&place) => (Rule::Hole, place.to_string()),
        };
        let detail = format!("event {} at {} belongs {place}", seen.id, seen.position);
        Violation::new(rule, detail)
    }
}
