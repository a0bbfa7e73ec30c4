//! Verifying the store under test, as it is after a crash.

use std::path::Path;

use quipu::{Severity, VerifyReport, verify_on};

use super::{PATH, Subject};
use crate::checker::{Checked, Rule, Violation, ensure};

impl Subject {
    /// Verifies the store, which is not open: whatever was lost with the power, nothing of the log and the manifest
    /// is damaged. Index files may have been harmed.
    ///
    /// # Errors
    /// The verification fails, or tells of damage.
    pub fn verify(&mut self) -> Checked {
        self.counts.others.verified += 1;
        let copy = self.copy_disk();
        let failed = |error| Violation::new(Rule::Verification, format!("{error:?}"));
        let report = verify_on(&copy, Path::new(PATH), &mut |_| {}).map_err(failed)?;
        log_is_sound(&report, "of a sound store")
    }
}

/// Nothing of the log and the manifest is called damaged.
pub(super) fn log_is_sound(report: &VerifyReport, whose: &str) -> Checked {
    let of_log = |path: &Path| path.extension().is_none_or(|kind| kind == "seg");
    let mut findings = report.findings.iter();
    let worse =
        findings.find(|finding| finding.severity > Severity::Unfinished && of_log(&finding.file));
    ensure(worse.is_none(), Rule::Verification, || format!("{whose}: {worse:?}"))
}
