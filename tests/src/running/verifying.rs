//! What verification must say of a store that was harmed, and may.

use std::collections::BTreeSet;
use std::path::Path;

use quipu::{Finding, Severity, verify_on};

use super::ground::Ground;
use super::steps::Run;
use crate::checker::{Checked, Rule, ensure};
use crate::segments::is_index;
use crate::subject::PATH;

impl Run {
    /// Verification names what is harmed, and calls nothing damaged that is not.
    pub(super) fn verify(&self) -> Checked {
        let ground = &self.ground;
        let report = match verify_on(&ground.disk.twin(), Path::new(PATH), &mut |_| {}) {
            Ok(report) => report,
            Err(error) => {
                let explained = ground.is_unlisted();
                return ensure(explained, Rule::Verification, || format!("{error:?}"));
            }
        };
        let damage = report.findings.iter().filter(|one| one.severity == Severity::Damage);
        let damage: Vec<&Finding> = damage.collect();
        let made_up = damage.iter().find(|finding| !ground.is_reason(finding));
        ensure(made_up.is_none(), Rule::Verification, || {
            format!("nothing was done to that file: {made_up:?}")
        })?;
        let ranges = damage.iter().map(|one| one.positions.start.0..one.positions.end.0);
        let named: BTreeSet<u64> = ranges.flatten().collect();
        let unsound = ground.ledger.unsound(&ground.disk);
        // Also what an opening that was killed has dropped since.
        let torn = self.torn.min(self.torn());
        let mut kept_back = unsound.difference(&named).filter(|&&at| at < torn);
        let kept_back = kept_back.find(|&&at| !ground.is_named_by_file(at, &damage));
        ensure(kept_back.is_none() || ground.is_unlisted(), Rule::Verification, || {
            format!("{kept_back:?} is harmed: {:?}", report.findings)
        })?;
        let lost = ground.ledger.lost(&ground.disk);
        let made_up = named.difference(&lost).find(|&&at| !ground.may_be_named(at));
        ensure(made_up.is_none() || ground.is_unlisted(), Rule::Verification, || {
            format!("{made_up:?} is as it was written: {:?}", report.findings)
        })
    }
}

impl Ground {
    /// Whether a file of which damage is found was harmed: it, or for a segment the one before, from which it does not
    /// follow, or the next, of which nobody knows what it has lost; for an index the log, from which it was made; or the
    /// manifest, which says what follows from what.
    fn is_reason(&self, finding: &Finding) -> bool {
        let file = finding.file.as_path();
        let changed = self.ledger.changed(&self.disk);
        let behind = self.ledger.behind(file);
        let is_next =
            |other: &&Path| Some(*other) == behind || self.ledger.behind(other) == Some(file);
        self.is_unlisted()
            || changed.contains(&file)
            || changed.iter().any(is_next)
            || self.harmed.indexes.contains_key(file)
            || is_index(file) && !changed.is_empty()
    }

    /// Whether damage is found of the segment in which an event stands, and what stands in it nobody knows: it has no seal.
    /// What was written to a file that had lost its name stands in none.
    fn is_named_by_file(&self, position: u64, damage: &[&Finding]) -> bool {
        let is_own = |finding: &&Finding| match self.ledger.file_of(position) {
            Some(file) => finding.file == file && !self.ledger.is_sealed(file),
            None => self.harmed.unsealed.contains(&finding.file),
        };
        damage.iter().any(is_own)
    }

    /// Whether verification may name an event that is as it was written: one of a segment of which a page cannot be read,
    /// or one behind the last seal where a segment has lost its link, so that nobody knows where that began.
    fn may_be_named(&self, position: u64) -> bool {
        let Some(file) = self.ledger.file_of(position) else { return true };
        let mut files = self.ledger.written_files();
        files.retain(|&other| other >= file);
        let is_unlinked =
            |file: &&Path| self.ledger.is_spoiled(file) || !self.ledger.has_link(file, &self.disk);
        self.ledger.is_spoiled(file)
            || files.iter().take_while(|file| !self.ledger.is_sealed(file)).any(is_unlinked)
    }
}
