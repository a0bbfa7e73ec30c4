//! What whoever reads a damaged store must get and be told.

use std::collections::BTreeSet;

use quipu::ErrorKind;

use super::asking::{Choice, Manner, Told, unexplained};
use super::places::{Places, Remains};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content::STREAMS;
use crate::history::Seen;
use crate::subject::Asked;

/// A damaged store, as it has to look to whoever reads it.
pub(super) struct View<'v> {
    pub(super) events: &'v [Seen],
    pub(super) places: &'v Places,
    pub(super) remains: &'v Remains,
}

/// What somebody who has read all of it has got and been told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Positions that were served.
    pub(super) served: BTreeSet<u64>,
    /// Positions that are not served and of which whoever comes there is told.
    pub(super) lost: BTreeSet<u64>,
    /// The others: the log ends before them.
    pub(super) silent: BTreeSet<u64>,
}

impl View<'_> {
    /// Has a store read in every way. Gives what is found, which must be the same in each.
    pub(super) fn read(&self, store: &impl Asked) -> Checked<Found> {
        let told = Choice::All.ask(store, Manner::Forward)?;
        let found = self.found(&told, store.next_position().0)?;
        self.is_silence_excused(&found, |position| self.is_named(store, position))?;
        let first = found.lost.first().copied();
        for choice in Choice::every() {
            for manner in [Manner::Forward, Manner::Backward, Manner::Followed] {
                self.is_same(&found, &choice, manner, &choice.ask(store, manner)?)?;
            }
            // Where something is lost it is begun right there, too.
            let lost = self.events.iter().find(|e| Some(e.position) >= first && choice.has(e));
            let from = lost.map_or(1, |event| match choice {
                Choice::Stream(_) => event.version,
                _ => event.position,
            });
            let manner = Manner::From(from);
            self.is_same(&found, &choice, manner, &choice.ask(store, manner)?)?;
        }
        (0..STREAMS.len()).try_for_each(|at| self.head(&found, store, at))?;
        self.names(&found, store)?;
        Ok(found)
    }

    /// What was found by reading everything: all that is left, and nothing else.
    pub(super) fn found(&self, told: &Told, next: u64) -> Checked<Found> {
        let mut found = Found { lost: told.lost(), ..Found::default() };
        for seen in &told.delivered {
            self.is_as_written(seen)?;
            ensure(found.served.insert(seen.position), Rule::Twice, || {
                format!("position {} was delivered twice", seen.position)
            })?;
        }
        let Remains { sound, doubtful, torn, .. } = self.remains;
        let is_torn = |position: u64| torn.is_some_and(|torn| position >= torn);
        let kept_back = sound.difference(&found.served).find(|&&position| !is_torn(position));
        ensure(kept_back.is_none(), Rule::Lost, || {
            format!("{kept_back:?} is sound and not served: {:?}", told.lost)
        })?;
        let made_up = found.served.iter().find(|at| !sound.contains(at) && !doubtful.contains(at));
        ensure(made_up.is_none(), Rule::Bytes, || format!("{made_up:?} is damaged and served"))?;
        let both = found.served.intersection(&found.lost).next();
        ensure(both.is_none(), Rule::Reading, || format!("{both:?} is served, and called lost"))?;
        let beyond = found.lost.last().filter(|&&last| last >= self.events.len() as u64);
        ensure(beyond.is_none(), Rule::Reading, || format!("{beyond:?} is lost and never was"))?;
        let all = 0..self.events.len() as u64;
        let is_told = |at: &u64| found.served.contains(at) || found.lost.contains(at);
        found.silent = all.filter(|at| !is_told(at)).collect();
        let hidden = found.silent.first().filter(|&&position| position < next);
        ensure(hidden.is_none(), Rule::Lost, || {
            format!("nobody is told of {hidden:?}, and the log goes on to {next}")
        })?;
        Ok(found)
    }

    /// Nothing is left out in silence but what looks as if it was never finished, or what the opening has named the
    /// file of, since nobody knows how much that held.
    pub(super) fn is_silence_excused(
        &self,
        found: &Found,
        is_named: impl Fn(u64) -> bool,
    ) -> Checked {
        let torn = |position: u64| self.remains.torn.is_some_and(|torn| position >= torn);
        let silent = found.silent.iter().find(|&&at| !torn(at) && !is_named(at));
        ensure(silent.is_none(), Rule::Lost, || {
            format!("nobody is told of {silent:?}, of {} events", self.events.len())
        })
    }

    /// Whether the opening has said that there may have been more where a position was.
    fn is_named(&self, store: &impl Asked, position: u64) -> bool {
        let file = self.places.file_of(position);
        let mut named = store.opening().lost.iter();
        named.any(|lost| Some(lost.file.as_path()) == file || lost.file.ends_with("manifest"))
    }

    fn is_as_written(&self, seen: &Seen) -> Checked {
        let written = usize::try_from(seen.position).ok().and_then(|at| self.events.get(at));
        ensure(written == Some(seen), Rule::Bytes, || {
            format!("{seen:?} was delivered, {written:?} was written")
        })
    }

    /// Asked in any way, the same events come, in order; each that does not is told, and none that does.
    pub(super) fn is_same(
        &self,
        found: &Found,
        choice: &Choice,
        manner: Manner,
        told: &Told,
    ) -> Checked {
        let wanted = self.events.iter().filter(|e| choice.has(e) && choice.is_reached(manner, e));
        let served = |event: &&&Seen| found.served.contains(&event.position);
        let (come, missing): (Vec<&Seen>, Vec<&Seen>) = wanted.partition(|event| served(&event));
        let delivered: Vec<u64> = told.delivered.iter().map(|event| event.position).collect();
        let expected: Vec<u64> = come.iter().map(|event| event.position).collect();
        ensure(delivered == expected, Rule::Selection, || {
            format!("{choice:?} {manner:?}: {delivered:?} instead of {expected:?}, {:?}", told.lost)
        })?;
        told.delivered.iter().try_for_each(|seen| self.is_as_written(seen))?;
        let lost = told.lost();
        let silent = missing.iter().map(|event| event.position);
        let silent = silent.filter(|at| !found.silent.contains(at)).find(|at| !lost.contains(at));
        ensure(silent.is_none(), Rule::Lost, || {
            format!("{choice:?} {manner:?}: nobody is told of {silent:?}: {:?}", told.lost)
        })?;
        let wrong = lost.iter().find(|at| !found.lost.contains(at));
        ensure(wrong.is_none(), Rule::Reading, || {
            format!("{choice:?} {manner:?}: {wrong:?} is called lost, {:?} are", found.lost)
        })
    }

    /// The head of a stream is its last event; where that cannot be read, or nobody knows whether it is the last, this
    /// is said.
    fn head(&self, found: &Found, store: &impl Asked, at: usize) -> Checked {
        let own = |event: &&Seen| usize::from(event.stream) == at;
        let last = self.events.iter().filter(own).rfind(|e| !found.silent.contains(&e.position));
        let readable = self.events.iter().filter(own).rfind(|e| found.served.contains(&e.position));
        match store.head(STREAMS[at]) {
            Ok(head) => {
                let head = head.map(|head| (head.position.0, head.version.0));
                let wanted = last.map(|event| (event.position, event.version));
                ensure(head == wanted && last == readable, Rule::Selection, || {
                    format!("head of {at}: {head:?} instead of {wanted:?}, {:?} lost", found.lost)
                })
            }
            Err(error) => {
                let behind = found.lost.range(readable.map_or(0, |event| event.position)..);
                let explained = error.kind() == ErrorKind::Damaged && behind.count() > 0;
                ensure(explained, Rule::Error, || format!("head of {at}: {error:?}"))
            }
        }
    }

    /// The names of streams: each whose first event can be read, and where one cannot, that is told.
    fn names(&self, found: &Found, store: &impl Asked) -> Checked {
        let (mut told, mut names) = (Told::default(), Vec::new());
        for name in store.streams("").map_err(|error| unexplained(&error))? {
            match name {
                Ok(name) => names.push(name),
                Err(error) => told.note(&error)?,
            }
        }
        let lost = told.lost();
        for (at, &name) in STREAMS.iter().enumerate() {
            let mut own = self.events.iter().filter(|event| usize::from(event.stream) == at);
            let first = own.next().map(|event| event.position);
            let is_named = names.iter().any(|named| named == name);
            let explained = match first.filter(|at| !found.silent.contains(at)) {
                None => !is_named,
                Some(first) => is_named || lost.contains(&first),
            };
            if !explained {
                let detail = format!("{names:?} without {name}, which begins at {first:?}");
                return Err(Violation::new(Rule::Selection, detail));
            }
        }
        let wrong = lost.iter().find(|at| !found.lost.contains(at));
        let streams = names.iter().find(|name| !STREAMS.contains(&name.as_str()));
        ensure(wrong.is_none() && streams.is_none(), Rule::Selection, || {
            format!("names: {streams:?} is none, {wrong:?} is called lost")
        })
    }
}
