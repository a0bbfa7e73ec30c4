//! What has to be in the store.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use quipu::{Durability, Finding, Mode, ReadMode, Severity, Store};
use quipu_tests::content::seen;
use quipu_tests::random::Random;

use crate::child::{self, Told};

/// What was found in the store last: the ids of its events, by position.
#[derive(Default)]
pub(crate) struct Ledger {
    ids: Vec<u64>,
}

/// Whether what a reader sees must be there for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    Promised,
    /// A write failed under a sync, and whoever had called it was killed before it could tell. Nobody else is told.
    Unknown,
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
        let ids = read(&opened)?;
        self.compare(&ids, &cycles)?;
        let due = told
            .iter()
            .filter(|told| keeps_unsynced || child::durability(told.id) == Durability::Sync);
        for told in due {
            let events = told.id..told.id + child::events(told.id);
            let end = usize::try_from(told.last + 1).map_err(|error| error.to_string())?;
            if !ids.get(..end).is_some_and(|found| found.ends_with(&events.collect::<Vec<_>>())) {
                return Err(format!("{told:?} was acknowledged and is not there"));
            }
        }
        self.ids = ids;
        if writes && random.percent(50) {
            opened.close().map_err(|error| format!("closing: {error}"))?;
        }
        Ok(if writes { Settled::Yes } else { Settled::No })
    }

    /// How many events were found last.
    pub(crate) fn events(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Has another process look at the store, which may be told that it cannot be read now. Gives how many events it saw.
    /// They must stay, if that is promised.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn glance(
        &mut self,
        store: &Path,
        cycles: &RangeInclusive<u64>,
        stays: Stays,
    ) -> Result<Option<u64>, String> {
        let options = child::options(ReadMode::Pread);
        let opened = Store::builder(store).options(options).mode(Mode::ReadOnly).open();
        let Ok(ids) = opened.map_err(|error| error.to_string()).and_then(|store| read(&store))
        else {
            return Ok(None);
        };
        let seen = ids.len() as u64;
        // Who cannot have it synced shows less, and later all of it again.
        if self.ids.starts_with(&ids) {
            return Ok(Some(seen));
        }
        self.compare(&ids, cycles)?;
        if stays == Stays::Promised {
            self.ids = ids;
        }
        Ok(Some(seen))
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

/// The ids of all events, each of which is as it was written, at the next position and version.
fn read(store: &Store) -> Result<Vec<u64>, String> {
    let told = |error: quipu::Error| format!("reading: {error}");
    let mut events = store.all().events().map_err(told)?;
    let (mut ids, mut versions) = (Vec::new(), HashMap::new());
    while let Some(event) = events.next().map_err(told)? {
        let seen = seen(&event);
        let (stream, _, written) = child::content(seen.id);
        let version = versions.entry(seen.stream).or_insert(0);
        let right = (seen.position, seen.version) == (ids.len() as u64, *version)
            && usize::from(seen.stream) == stream
            && seen.digest == written.digest;
        if !right {
            return Err(format!("{seen:?} is not what was written at position {}", ids.len()));
        }
        *version += 1;
        ids.push(seen.id);
    }
    if store.next_position().0 != ids.len() as u64 {
        return Err(format!(
            "{} events, and {} are said to be there",
            ids.len(),
            store.next_position()
        ));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
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
}
