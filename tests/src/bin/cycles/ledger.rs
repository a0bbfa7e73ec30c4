//! What has to be in the store.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use quipu::{Durability, ErrorKind, Finding, Mode, ReadMode, Severity, Store};
use quipu_tests::content::seen;
use quipu_tests::random::Random;

use crate::child::{self, Told};

/// What was found in the store last: the ids of its events, by position.
#[derive(Default)]
pub(crate) struct Ledger {
    ids: Vec<u64>,
}

/// What a reader must see, and whether it must be there for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// Nothing has failed: it sees all that was acknowledged, and that stays.
    Whole,
    /// Something has failed: it may see less or be told of an error. What it sees stays.
    Promised,
    /// A write failed under a sync, and whoever had called it was killed before it could tell. Nobody else is told.
    Unknown,
}

/// What a reader made of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glance {
    Saw(u64),
    Told(ErrorKind),
}

/// Why a store was not read to its end.
pub(crate) enum Unread {
    /// The store said so.
    Told(quipu::Error),
    /// The store gave what was not written.
    Wrong(String),
}

impl From<quipu::Error> for Unread {
    fn from(error: quipu::Error) -> Unread {
        Unread::Told(error)
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Told(error) => write!(f, "reading: {error:?}"),
            Unread::Wrong(why) => f.write_str(why),
        }
    }
}

/// Whether the store was opened for writing, which settles what its last writer has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Yes,
    No,
}

/// What all cycles came to.
#[derive(Default)]
pub(crate) struct Tally {
    acknowledged: u64,
    /// Cycles in which nothing was acknowledged: they ended as the store was opened.
    early: u64,
}

impl Tally {
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many more writers than half of these were ended before their first commit.
    pub(crate) fn behind(&self, cycles: u64) -> u64 {
        (2 * self.early).saturating_sub(cycles)
    }

    pub(crate) fn add(&mut self, told: &[Told]) {
        self.acknowledged += told.len() as u64;
        self.early += u64::from(told.is_empty());
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { acknowledged, early } = self;
        write!(f, "{acknowledged} commits acknowledged, {early} writers ended before their first")
    }
}

impl Ledger {
    /// Looks at the store after a crash: as another process, or by opening it for writing. Says which.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(crate) fn check(
        &mut self,
        store: &Path,
        cycles: RangeInclusive<u64>,
        told: &[Told],
        keeps_unsynced: bool,
        random: &mut Random,
    ) -> Result<Settled, String> {
        if !store.join("manifest").exists() {
            // It ended before the store was there.
            let nothing = told.is_empty() && self.ids.is_empty();
            return if nothing { Ok(Settled::No) } else { Err("the store is gone".to_owned()) };
        }
        if random.percent(20) {
            let report = quipu::verify(store, &mut |_| {}).map_err(|error| error.to_string())?;
            let is_damage = |finding: &&Finding| finding.severity != Severity::Unfinished;
            if let Some(finding) = report.findings.iter().find(is_damage) {
                return Err(format!("verify: {finding:?}"));
            }
        }
        let writes = random.percent(50);
        let mode = if writes { Mode::Existing } else { Mode::ReadOnly };
        let builder = Store::builder(store).options(child::options(ReadMode::default())).mode(mode);
        let opened = builder.open().map_err(|error| format!("opening: {error}"))?;
        let ids = read(&opened).map_err(|why| why.to_string())?;
        self.compare(&ids, &cycles)?;
        let mut due = told
            .iter()
            .filter(|told| keeps_unsynced || child::durability(told.id) == Durability::Sync);
        if let Some(told) = due.find(|told| holds(&ids, told) != Some(true)) {
            return Err(format!("{told:?} was acknowledged and is not there"));
        }
        self.ids = ids;
        if writes && random.percent(50) {
            opened.close().map_err(|error| format!("closing: {error}"))?;
        }
        Ok(if writes { Settled::Yes } else { Settled::No })
    }

    /// The events that were found last.
    pub(crate) fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Looks at the store as another process does, which may be told that it cannot be read now if something has failed.
    /// What is seen must stay, if that is promised.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn glance(
        &mut self,
        store: &Path,
        cycles: &RangeInclusive<u64>,
        told: &[Told],
        stays: Stays,
    ) -> Result<Glance, String> {
        let options = child::options(ReadMode::Pread);
        let opened = Store::builder(store).options(options).mode(Mode::ReadOnly).open();
        let found = opened.map_err(Unread::Told).and_then(|store| read(&store));
        self.judge(found, cycles, told, stays).map_err(|why| format!("a reader ({stays:?}): {why}"))
    }

    /// Whether a reader may have found this.
    fn judge(
        &mut self,
        found: Result<Vec<u64>, Unread>,
        cycles: &RangeInclusive<u64>,
        told: &[Told],
        stays: Stays,
    ) -> Result<Glance, String> {
        let ids = match found {
            Ok(ids) => ids,
            Err(Unread::Told(error)) => {
                let kind = error.kind();
                let early = kind == ErrorKind::NoStore && told.is_empty() && self.ids.is_empty();
                let forgiven = matches!(kind, ErrorKind::Io | ErrorKind::Damaged);
                return match early || forgiven && stays != Stays::Whole {
                    true => Ok(Glance::Told(kind)),
                    false => Err(format!("{error:?}")),
                };
            }
            Err(Unread::Wrong(why)) => return Err(why),
        };
        let wrong = |told: &&Told| match holds(&ids, told) {
            Some(right) => !right,
            None => stays == Stays::Whole,
        };
        if let Some(told) = told.iter().find(wrong) {
            return Err(format!("of {} events, {told:?} is none where it was", ids.len()));
        }
        let seen = ids.len() as u64;
        // Who cannot have it synced shows less, and later all of it again.
        if stays != Stays::Whole && self.ids.starts_with(&ids) {
            return Ok(Glance::Saw(seen));
        }
        self.compare(&ids, cycles)?;
        if stays != Stays::Unknown {
            self.ids = ids;
        }
        Ok(Glance::Saw(seen))
    }

    /// What was found before is there, and behind it only whole commits of these cycles, each writer's in order.
    fn compare(&self, ids: &[u64], cycles: &RangeInclusive<u64>) -> Result<(), String> {
        if !ids.starts_with(&self.ids) {
            let same = ids.iter().zip(&self.ids).take_while(|(found, before)| found == before);
            return Err(format!(
                "events that were found before are not what they were: {} were found, {} are now, {} the same",
                self.ids.len(),
                ids.len(),
                same.count()
            ));
        }
        let mut next: HashMap<u64, u64> = HashMap::new();
        for (writer, number) in self.ids.iter().map(|&id| child::origin(id)) {
            next.insert(writer, number + 1);
        }
        let mut rest = &ids[self.ids.len()..];
        while let Some(&first) = rest.first() {
            let (writer, number) = child::origin(first);
            let expected = next.entry(writer).or_default();
            let cycle = writer / child::WRITERS;
            if number != *expected
                || !cycles.contains(&cycle)
                || first != child::first_id(cycle, writer % child::WRITERS, number)
            {
                return Err(format!(
                    "event {first:#x} stands where commit {expected} of its writer belongs"
                ));
            }
            *expected += 1;
            let events = child::events(first) as usize;
            let whole = (first..).take(events).eq(rest.iter().copied().take(events));
            if !whole {
                return Err(format!("a part of the commit that begins with {first:#x}"));
            }
            rest = &rest[events..];
        }
        Ok(())
    }
}

/// A number by which events are told from others, and from the same in another order.
pub(crate) fn sum(ids: &[u64]) -> u64 {
    ids.iter().fold(0, |sum, &id| Random::new(sum ^ id).number())
}

/// Whether a commit stands where it was said to be; nothing, if the events do not go as far.
fn holds(ids: &[u64], told: &Told) -> Option<bool> {
    let end = usize::try_from(told.last).ok()?.checked_add(1)?;
    let events: Vec<u64> = (told.id..told.id + child::events(told.id)).collect();
    Some(ids.get(..end)?.ends_with(&events))
}

/// The ids of all events, each of which is as it was written, at the next position and version.
///
/// # Errors
/// What the store says, or what is wrong with what it gives.
pub(crate) fn read(store: &Store) -> Result<Vec<u64>, Unread> {
    let mut events = store.all().events()?;
    let (mut ids, mut versions) = (Vec::new(), HashMap::new());
    while let Some(event) = events.next()? {
        let seen = seen(&event);
        let (stream, _, written) = child::content(seen.id);
        let version = versions.entry(seen.stream).or_insert(0);
        let right = (seen.position, seen.version) == (ids.len() as u64, *version)
            && usize::from(seen.stream) == stream
            && seen.digest == written.digest;
        if !right {
            let at = ids.len();
            return Err(Unread::Wrong(format!(
                "{seen:?} is not what was written at position {at}"
            )));
        }
        *version += 1;
        ids.push(seen.id);
    }
    let next = store.next_position();
    if next.0 != ids.len() as u64 {
        return Err(Unread::Wrong(format!(
            "{} events, and {next} are said to be there",
            ids.len()
        )));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use quipu::ExpectedVersion;
    use quipu_tests::content::STREAMS;

    use super::*;

    fn commit(cycle: u64, writer: u64, number: u64) -> Vec<u64> {
        let first = child::first_id(cycle, writer, number);
        (first..first + child::events(first)).collect()
    }

    #[test]
    fn whole_commits_in_the_order_of_each_writer_are_right() {
        let before = Ledger { ids: commit(1, 0, 0) };
        let right = [commit(1, 0, 0), commit(2, 0, 0), commit(2, 1, 0), commit(2, 0, 1)].concat();
        before.compare(&right, &(2..=2)).unwrap();
        before.compare(&before.ids, &(2..=2)).unwrap();
    }

    #[test]
    fn what_is_missing_torn_changed_or_of_another_cycle_is_found() {
        let before = Ledger { ids: commit(1, 0, 0) };
        let torn = {
            let number = (0..).find(|&number| commit(2, 0, number).len() > 1).unwrap();
            let whole: Vec<_> = (0..=number).flat_map(|number| commit(2, 0, number)).collect();
            [before.ids.clone(), whole[..whole.len() - 1].to_vec()].concat()
        };
        for wrong in [
            vec![],
            [before.ids.clone(), commit(2, 0, 1)].concat(),
            [before.ids.clone(), commit(2, 0, 0), commit(2, 0, 0)].concat(),
            [before.ids.clone(), commit(3, 0, 0)].concat(),
            [commit(2, 0, 0), before.ids.clone()].concat(),
            torn,
        ] {
            assert!(before.compare(&wrong, &(2..=2)).is_err(), "{wrong:?}");
        }
    }

    /// What a store says that cannot be opened, for want of one and because the system refuses.
    fn told(path: &str) -> Unread {
        let opened = Store::builder(path).mode(Mode::ReadOnly).open();
        Unread::Told(opened.map(drop).unwrap_err())
    }

    #[test]
    fn a_reader_is_forgiven_only_that_it_was_told_of_what_has_failed() {
        let ids = commit(1, 0, 0);
        let acknowledged = [Told { last: ids.len() as u64 - 1, id: ids[0] }];
        let refused = || Err(told("/dev/null/store.quipu"));
        let nowhere = || Err(told("/dev/no-store.quipu"));
        let wrong = || Err(Unread::Wrong("not what was written".to_owned()));
        let judge = |found, told: &[Told], stays| {
            Ledger::default().judge(found, &(1..=1), told, stays).map_err(drop)
        };
        for stays in [Stays::Whole, Stays::Promised, Stays::Unknown] {
            let whole = stays == Stays::Whole;
            assert_eq!(
                judge(Ok(ids.clone()), &acknowledged, stays),
                Ok(Glance::Saw(ids.len() as u64))
            );
            assert_eq!(judge(wrong(), &[], stays), Err(()));
            assert_eq!(judge(nowhere(), &acknowledged, stays), Err(()));
            assert_eq!(judge(nowhere(), &[], stays), Ok(Glance::Told(ErrorKind::NoStore)));
            let forgiven = if whole { Err(()) } else { Ok(Glance::Told(ErrorKind::Io)) };
            assert_eq!(judge(refused(), &acknowledged, stays), forgiven);
            let less = if whole { Err(()) } else { Ok(Glance::Saw(0)) };
            assert_eq!(judge(Ok(vec![]), &acknowledged, stays), less);
            // Something else stands where the commit was acknowledged.
            let others = commit(1, 1, 0).into_iter().chain(ids.clone()).take(ids.len());
            assert_eq!(judge(Ok(others.collect()), &acknowledged, stays), Err(()));
        }
    }

    #[test]
    fn an_event_that_is_not_what_was_written_is_no_error_of_the_store() {
        let disk = std::sync::Arc::new(quipu_disk::MemoryDisk::new());
        let store = Store::builder("/store.quipu").disk(disk).open().unwrap();
        let ids = commit(1, 0, 0);
        for &id in &ids {
            let (stream, event, _) = child::content(id);
            let commit = store.commit().append(STREAMS[stream], ExpectedVersion::Any, [event]);
            commit.submit().and_then(quipu::Ticket::wait).unwrap();
        }
        assert_eq!(read(&store).ok(), Some(ids));
        let event = quipu::NewEvent::new("Noted", b"something else".to_vec());
        let commit = store.commit().append(STREAMS[0], ExpectedVersion::Any, [event]);
        commit.submit().and_then(quipu::Ticket::wait).unwrap();
        assert!(matches!(read(&store), Err(Unread::Wrong(_))));
    }
}
