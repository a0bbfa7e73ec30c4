//! What a store shows that there was no room to recover, and what becomes of it.

use super::*;

fn postponed(positions: u64, writer: LastWriter) -> Entry {
    let events = (0..positions).map(seen).collect();
    Entry::Postponed { visible: positions, events, writer }
}

/// The rule that is broken by what happens after a kill.
fn then(entries: impl IntoIterator<Item = Entry>) -> Option<Rule> {
    broken([Entry::Crashed(Crash::Killed)].into_iter().chain(entries))
}

#[test]
fn what_is_shown_before_a_recovery_is_what_was_promised_and_is_found_by_it() {
    let sound = LastWriter::Sound;
    let recovered = |visible| Entry::Recovered { visible };
    assert_eq!(then([postponed(3, sound), recovered(3)]), None);
    assert_eq!(then([postponed(3, sound), recovered(4)]), None, "more is found");
    assert_eq!(then([postponed(1, sound)]), Some(Rule::Lost));
    assert_eq!(then([postponed(0, LastWriter::Unproven), recovered(3)]), None);
    assert_eq!(then([postponed(4, sound), recovered(3)]), Some(Rule::Lost));
    assert_eq!(then([postponed(3, sound), recovered(5)]), Some(Rule::Torn));
    assert_eq!(then([postponed(3, sound), read(0, 3)]), None);
    let again = placed(4, &[(1, ExpectedVersion::Exact(0), &[5])]);
    assert_eq!(then([postponed(3, sound), recovered(3), again]), None, "its place is free");
}

#[test]
fn what_is_shown_before_a_recovery_survives_a_power_cut_unless_nobody_had_promised_that() {
    let cut = |writer| [postponed(4, writer), Entry::Crashed(Crash::PowerCut), opened(3)];
    assert_eq!(then(cut(LastWriter::Sound)), Some(Rule::Lost));
    assert_eq!(then(cut(LastWriter::Failed)), Some(Rule::Lost));
    let of_less = |writer| {
        let lives = [Entry::Crashed(Crash::Killed)].into_iter().chain(cut(writer));
        let mut entries = history();
        entries.retain(|entry| matches!(entry, Entry::Opened { .. } | Entry::Placed { .. }));
        entries.extend(lives);
        check(Durability::Os, &entries).err().map(|violation| violation.rule)
    };
    assert_eq!(of_less(LastWriter::Sound), Some(Rule::Lost));
    assert_eq!(of_less(LastWriter::Failed), None);
    assert_eq!(of_less(LastWriter::Unproven), None, "its last writer may have failed too");
}

#[test]
fn after_a_writer_that_has_failed_no_less_is_shown_than_readers_saw() {
    let looked = |visible| [Entry::Looked { visible }, Entry::Crashed(Crash::Killed)];
    let shown = |positions, writer| [postponed(positions, writer), Entry::Recovered { visible: 4 }];
    let both = |visible, positions, writer| {
        broken(looked(visible).into_iter().chain(shown(positions, writer)))
    };
    assert_eq!(both(4, 3, LastWriter::Failed), Some(Rule::Lost));
    assert_eq!(both(3, 3, LastWriter::Failed), None);
}

#[test]
fn what_was_not_written_is_not_shown_before_a_recovery_either() {
    let failed = Entry::Failed { commit: 3, outcome: Outcome::NotWritten };
    let killed = Entry::Crashed(Crash::Killed);
    let shown = postponed(4, LastWriter::Sound);
    assert_eq!(broken([failed, killed, shown]), Some(Rule::Unwritten));
}
