//! Salvaging the store under test, as it is after a crash.

use std::path::Path;
use std::sync::Arc;

use quipu::{Mode, Store, salvage_on};
use quipu_disk::Disk;

use super::{PATH, Subject};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content;
use crate::history::Seen;

/// Where the copy lies on the disk.
const COPY: &str = "/salvaged";

impl Subject {
    /// What a salvage of a copy of the disk keeps. The store is not open, and nothing of it is damaged.
    ///
    /// # Errors
    /// The salvage fails, or tells of a loss.
    pub fn salvage(&mut self) -> Checked<Vec<Seen>> {
        self.counts.others.salvaged += 1;
        let copy = self.copy_disk();
        let disk: Arc<dyn Disk> = Arc::new(copy);
        let failed = |error| Violation::new(Rule::Salvage, format!("salvage: {error:?}"));
        let (from, to) = (Path::new(PATH), Path::new(COPY));
        let report = salvage_on(&disk, from, to, &self.options, &mut |_| {}).map_err(failed)?;
        ensure(report.is_complete(), Rule::Salvage, || format!("of a sound store: {report:?}"))?;
        everything(disk).map_err(failed)
    }
}

/// A salvage keeps what a recovery of the same bytes finds, with the same positions, versions and times.
///
/// # Errors
/// The first event that differs.
pub fn judge(kept: &[Seen], recovered: &[Seen]) -> Checked {
    let differs = kept.iter().zip(recovered).position(|(kept, found)| kept != found);
    ensure(differs.is_none() && kept.len() == recovered.len(), Rule::Salvage, || {
        let (kept, recovered) = (kept.len(), recovered.len());
        format!("{kept} events are kept where {recovered} are recovered; first other: {differs:?}")
    })
}

fn everything(disk: Arc<dyn Disk>) -> quipu::Result<Vec<Seen>> {
    let store = Store::builder(COPY).disk(disk).mode(Mode::ReadOnly).open()?;
    let mut events = store.all().events()?;
    let mut got = Vec::new();
    while let Some(event) = events.next()? {
        got.push(content::seen(&event));
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(position: u64) -> Seen {
        Seen { position, stream: 1, version: position, id: position + 1, digest: 5, recorded: 9 }
    }

    #[test]
    fn a_salvage_that_keeps_other_events_than_recovery_is_caught() {
        let recovered: Vec<Seen> = (0..5).map(seen).collect();
        assert_eq!(judge(&recovered, &recovered), Ok(()));
        let missing = &recovered[..4];
        let brought_back: Vec<Seen> = (0..6).map(seen).collect();
        let mut later = recovered.clone();
        later[2].recorded += 1;
        for kept in [missing, &brought_back, &later, &[]] {
            assert_eq!(judge(kept, &recovered).unwrap_err().rule, Rule::Salvage);
        }
    }
}
