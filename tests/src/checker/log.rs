//! The log as it was sequenced.

use std::collections::HashMap;
use std::ops::Range;

use super::{Checked, Rule, Violation, ensure};
use crate::history::{Commit, Seen, Stream, Written};

/// An event with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    commit: Commit,
    pub(super) stream: Stream,
    pub(super) version: u64,
    pub(super) written: Written,
    /// When it was recorded, once anybody was told.
    recorded: Option<i64>,
    /// Position of the event before it in its stream.
    before: Option<u64>,
}

/// Every event that has a place, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    events: Vec<Event>,
    /// Position of the last event of each stream.
    heads: HashMap<Stream, u64>,
    /// Position of each event, by its id.
    places: HashMap<u64, u64>,
}

impl Log {
    pub(super) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    pub(super) fn get(&self, position: u64) -> Option<&Event> {
        self.events.get(usize::try_from(position).ok()?)
    }

    /// Position of the event with this id.
    pub(super) fn place(&self, id: u64) -> Option<u64> {
        self.places.get(&id).copied()
    }

    /// Version and position of a stream's last event.
    pub(super) fn head(&self, stream: Stream) -> Option<(u64, u64)> {
        let position = *self.heads.get(&stream)?;
        self.get(position).map(|event| (event.version, position))
    }

    /// The event before `end`.
    pub(super) fn last_of(&self, end: u64) -> Option<&Event> {
        self.get(end.checked_sub(1)?)
    }

    pub(super) fn push(&mut self, commit: Commit, stream: Stream, written: Written) -> Checked {
        let position = self.len();
        let twice = self.places.insert(written.id, position);
        ensure(twice.is_none(), Rule::Twice, || format!("event {} placed twice", written.id))?;
        let version = self.head(stream).map_or(0, |(version, _)| version + 1);
        let before = self.heads.insert(stream, position);
        self.events.push(Event { commit, stream, version, written, recorded: None, before });
        Ok(())
    }

    /// Takes away the last event if it stands at `position` or behind; says which commit it was of.
    pub(super) fn pop_from(&mut self, position: u64) -> Option<Commit> {
        if self.len() <= position {
            return None;
        }
        let event = self.events.pop()?;
        self.places.remove(&event.written.id);
        match event.before {
            Some(before) => self.heads.insert(event.stream, before),
            None => self.heads.remove(&event.stream),
        };
        Some(event.commit)
    }

    /// Whether a commit ends before this position.
    pub(super) fn is_boundary(&self, position: u64) -> bool {
        let commit = |event: Option<&Event>| event.map(|event| event.commit);
        let before = commit(self.last_of(position));
        before.is_none() || before != commit(self.get(position))
    }

    /// Notes when events were recorded, and that it stays so.
    pub(super) fn note_time(&mut self, positions: Range<u64>, recorded: i64) -> Checked {
        for position in positions {
            let Some(event) = usize::try_from(position).ok().and_then(|at| self.events.get_mut(at))
            else {
                break;
            };
            let known = *event.recorded.get_or_insert(recorded);
            ensure(known == recorded, Rule::Time, || {
                format!("event at {position} was recorded at {known}, then at {recorded}")
            })?;
        }
        Ok(())
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
            self.note_time(position..position + 1, time)?;
            self.same_time_in_commit(position)?;
        }
        Ok(())
    }

    /// Whether these are the first events, recorded when they are known to have been.
    pub(super) fn begins_with(&self, seen: &[Seen]) -> bool {
        let same = |(event, (position, seen)): (&Event, (u64, &Seen))| {
            seen.position == position
                && self.compare_event(seen).is_ok()
                && event.recorded.is_none_or(|recorded| recorded == seen.recorded)
        };
        seen.len() <= self.events.len() && self.events.iter().zip((0..).zip(seen)).all(same)
    }

    fn same_time_in_commit(&self, position: u64) -> Checked {
        let (Some(event), Some(before)) = (self.get(position), self.last_of(position)) else {
            return Ok(());
        };
        let same = event.commit != before.commit
            || before.recorded.is_none()
            || before.recorded == event.recorded;
        ensure(same, Rule::Time, || format!("events of one commit differ in time at {position}"))
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
