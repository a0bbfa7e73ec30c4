//! Verifying the store under test, as it is after a crash.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use quipu::{Severity, VerifyReport, verify_on};

use super::{PATH, Subject};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::history::Seen;

impl Subject {
    /// Verifies the store, which is not open: whatever was lost with the power, nothing of it is damaged, and as much is
    /// found as a recovery has. Of its index files these were harmed.
    ///
    /// # Errors
    /// The verification fails, tells of damage, or counts something else.
    pub fn verify(&mut self, recovered: &[Seen], harmed: &[PathBuf]) -> Checked {
        self.counts.others.verified += 1;
        let copy = self.copy_disk();
        let failed = |error| Violation::new(Rule::Verification, format!("{error:?}"));
        let report = verify_on(&copy, Path::new(PATH), &mut |_| {}).map_err(failed)?;
        let events = recovered.len() as u64;
        is_sound(&report, harmed, events..=events, "of a sound store")?;
        let streams: HashSet<_> = recovered.iter().map(|event| event.stream).collect();
        ensure(report.streams == streams.len() as u64, Rule::Verification, || {
            format!("{} streams are counted in {}", report.streams, streams.len())
        })
    }
}

/// Nothing is called damaged but index files that were harmed, and so many events are counted.
pub(super) fn is_sound(
    report: &VerifyReport,
    harmed: &[PathBuf],
    events: RangeInclusive<u64>,
    whose: &str,
) -> Checked {
    let mut findings = report.findings.iter();
    let worse = findings
        .find(|finding| finding.severity > Severity::Unfinished && !harmed.contains(&finding.file));
    ensure(worse.is_none(), Rule::Verification, || format!("{whose}: {worse:?}"))?;
    let counted = [report.events, report.next_position.0];
    ensure(counted.iter().all(|it| events.contains(it)), Rule::Verification, || {
        format!("{whose}: {counted:?} are counted of {events:?} events")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu::{Finding, Position};

    fn finding(file: &str, severity: Severity) -> Finding {
        let (positions, what) = (Position(0)..Position(0), String::new());
        Finding { severity, file: file.into(), offset: 0, bytes: 0, positions, what }
    }

    #[test]
    fn a_verification_that_reads_less_or_names_what_is_sound_is_caught() {
        let harmed = [PathBuf::from("/store/1.idx")];
        let report = |events, file, severity| VerifyReport {
            events,
            next_position: Position(events),
            findings: vec![finding(file, severity)],
            ..VerifyReport::default()
        };
        let judged = |report| is_sound(&report, &harmed, 4..=5, "here").map_err(|it| it.rule);
        assert_eq!(judged(report(5, "/store/1.idx", Severity::Damage)), Ok(()));
        assert_eq!(judged(report(4, "/store/2.idx", Severity::Unfinished)), Ok(()));
        for file in ["/store/2.idx", "/store/1-8.run", "/store/1.seg", "/store/manifest"] {
            let named = judged(report(5, file, Severity::Damage));
            assert_eq!(named, Err(Rule::Verification), "{file}");
        }
        for events in [0, 3, 6] {
            let counted = judged(report(events, "/store/1.idx", Severity::Damage));
            assert_eq!(counted, Err(Rule::Verification), "{events}");
        }
    }
}
