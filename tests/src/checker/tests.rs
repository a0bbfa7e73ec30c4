//! A checker that cannot fail proves nothing: each rule against a history that breaks it and nothing
//! else.

mod following;
mod retries;
mod selection;
mod unrecovered;
mod work;

use quipu::{Durability, ExpectedVersion};

use super::{Checker, Rule, check};
use crate::history::{Crash, Entry, LastWriter, Outcome, Part, Receipt, Seen, Written};

const STORE: Durability = Durability::Sync;

fn written(id: u64) -> Written {
    Written { id, digest: id.wrapping_mul(7) }
}

fn placed(commit: u32, parts: &[(u16, ExpectedVersion, &[u64])]) -> Entry {
    let part = |&(stream, expected, ids): &(u16, ExpectedVersion, &[u64])| {
        let events = ids.iter().map(|&id| written(id)).collect();
        Part { stream, expected, events }
    };
    Entry::Placed { commit, parts: parts.iter().map(part).collect(), condition: None }
}

fn acknowledged(commit: u32, positions: (u64, u64), version: u64, visible: u64) -> Entry {
    let receipt = Receipt {
        first_position: positions.0,
        position: positions.1,
        version,
        recorded: time(commit),
    };
    Entry::Acknowledged { commit, durability: Durability::Sync, receipt, visible }
}

fn time(commit: u32) -> i64 {
    i64::from(commit) * 10
}

/// Position 0 is event 1 of stream 0; 1 and 2 are events 2 and 3 of streams 0 and 1 in one commit;
/// 3 is event 4 of stream 1.
fn seen(position: u64) -> Seen {
    let (stream, version, commit) = [(0, 0, 1), (0, 1, 2), (1, 0, 2), (1, 1, 3)][position as usize];
    let Written { id, digest } = written(position + 1);
    Seen { position, stream, version, id, digest, recorded: time(commit) }
}

fn opened(positions: u64) -> Entry {
    let events = (0..positions).map(seen).collect();
    Entry::Opened { created: positions == 0, visible: positions, events }
}

fn read(from: u64, visible: u64) -> Entry {
    Entry::Read { from, visible, events: (from..visible).map(seen).collect() }
}

/// Three commits, of which the first two are acknowledged.
fn history() -> Vec<Entry> {
    vec![
        opened(0),
        placed(1, &[(0, ExpectedVersion::NoStream, &[1])]),
        acknowledged(1, (0, 0), 0, 1),
        placed(2, &[(0, ExpectedVersion::Exact(0), &[2]), (1, ExpectedVersion::Any, &[3])]),
        placed(3, &[(1, ExpectedVersion::StreamExists, &[4]), (0, ExpectedVersion::Exact(1), &[])]),
        acknowledged(2, (1, 2), 0, 3),
        read(0, 3),
    ]
}

/// Events of the history above, and others behind stream 1, in the parts of a commit.
fn parts_of(ids: &[u64]) -> Vec<Part> {
    let part = |&id: &u64| {
        let stream = u16::from(id > 2);
        Part { stream, expected: ExpectedVersion::Any, events: vec![written(id)] }
    };
    ids.iter().map(part).collect()
}

fn conflict(actual: Option<u64>) -> Entry {
    let parts =
        vec![Part { stream: 1, expected: ExpectedVersion::NoStream, events: vec![written(9)] }];
    let expected = ExpectedVersion::NoStream;
    Entry::Conflict { commit: 9, parts, stream: 1, expected, actual }
}

/// The rule that a history breaks.
fn broken(then: impl IntoIterator<Item = Entry>) -> Option<Rule> {
    let mut entries = history();
    entries.extend(then);
    check(STORE, &entries).err().map(|violation| violation.rule)
}

fn after_crash(crash: Crash, opened: Entry) -> Option<Rule> {
    broken([Entry::Crashed(crash), opened])
}

fn found(change: impl FnOnce(&mut Vec<Seen>)) -> Option<Rule> {
    let mut events: Vec<Seen> = (0..4).map(seen).collect();
    change(&mut events);
    let visible = events.len() as u64;
    after_crash(Crash::PowerCut, Entry::Opened { created: false, visible, events })
}

fn got(change: impl FnOnce(&mut Vec<Seen>)) -> Option<Rule> {
    let mut events: Vec<Seen> = (0..3).map(seen).collect();
    change(&mut events);
    broken([Entry::Read { from: 0, visible: 3, events }])
}

#[test]
fn a_good_history_breaks_nothing() {
    assert_eq!(broken([]), None);
    for events in [3, 4] {
        assert_eq!(after_crash(Crash::PowerCut, opened(events)), None);
        assert_eq!(after_crash(Crash::Killed, opened(events)), None);
    }
    assert_eq!(broken([conflict(Some(1))]), None);
    assert_eq!(broken([Entry::Closed, opened(4)]), None);
}

#[test]
fn what_was_acknowledged_is_not_lost() {
    assert_eq!(after_crash(Crash::PowerCut, opened(1)), Some(Rule::Lost));
    assert_eq!(after_crash(Crash::Killed, opened(1)), Some(Rule::Lost));
    assert_eq!(broken([Entry::Closed, opened(3)]), Some(Rule::Lost));
}

#[test]
fn what_was_acknowledged_as_written_survives_a_kill_and_may_go_with_the_power() {
    let history = |crash| {
        let mut entries = vec![opened(0), placed(1, &[(0, ExpectedVersion::Any, &[1])])];
        let receipt = Receipt { first_position: 0, position: 0, version: 0, recorded: 10 };
        let durability = Durability::Os;
        entries.push(Entry::Acknowledged { commit: 1, durability, receipt, visible: 1 });
        let nothing = Entry::Opened { created: false, visible: 0, events: Vec::new() };
        entries.extend([Entry::Crashed(crash), nothing]);
        check(Durability::Os, &entries).err().map(|violation| violation.rule)
    };
    assert_eq!(history(Crash::Killed), Some(Rule::Lost));
    assert_eq!(history(Crash::PowerCut), None);
}

#[test]
fn what_was_visible_is_not_lost() {
    let looked = [Entry::Looked { visible: 4 }, Entry::Crashed(Crash::PowerCut), opened(3)];
    assert_eq!(broken(looked), Some(Rule::Lost));
}

#[test]
fn a_recovery_that_finds_anything_else_than_another_one_is_told() {
    let mut checker = Checker::new(STORE);
    history().iter().try_for_each(|entry| checker.record(entry)).unwrap();
    let all: Vec<Seen> = (0..4).map(seen).collect();
    assert!(checker.is_exactly(&all));
    let changed = |change: fn(&mut Vec<Seen>)| {
        let mut events = all.clone();
        change(&mut events);
        checker.is_exactly(&events)
    };
    assert!(!changed(|events| events.truncate(3)));
    assert!(!changed(|events| events.push(Seen { position: 4, ..seen(3) })));
    assert!(!changed(|events| events.swap(1, 2)));
    assert!(!changed(|events| events[0].digest += 1));
    assert!(!changed(|events| events[2].recorded += 1));
}

#[test]
fn what_was_found_once_stays() {
    let lives = [opened(4), Entry::Crashed(Crash::PowerCut), opened(3)];
    let first = [Entry::Crashed(Crash::PowerCut)];
    assert_eq!(broken(first.into_iter().chain(lives)), Some(Rule::Lost));
}

#[test]
fn a_commit_is_whole() {
    let entries = [opened(0), placed(1, &[(0, ExpectedVersion::Any, &[1, 2])])];
    let half = Entry::Opened { created: false, visible: 1, events: vec![seen(0)] };
    let torn = [Entry::Crashed(Crash::Killed), half];
    let rule = |then: &[Entry]| {
        let entries: Vec<Entry> = entries.iter().chain(then).cloned().collect();
        check(STORE, &entries).err().map(|violation| violation.rule)
    };
    assert_eq!(rule(&torn), Some(Rule::Torn));
    assert_eq!(rule(&[Entry::Looked { visible: 1 }]), Some(Rule::Torn));
}

#[test]
fn positions_are_dense_and_versions_as_given() {
    assert_eq!(found(|events| events[2].position = 7), Some(Rule::Gap));
    assert_eq!(got(|events| events[2].position = 7), Some(Rule::Gap));
    assert_eq!(found(|events| events[2].version = 1), Some(Rule::Version));
    assert_eq!(got(|events| events[1].stream = 1), Some(Rule::Version));
}

#[test]
fn only_what_was_submitted_is_there_once_and_in_order() {
    assert_eq!(found(|events| events[3].id = 77), Some(Rule::Phantom));
    assert_eq!(found(|events| events.push(Seen { position: 4, ..seen(0) })), Some(Rule::Twice));
    assert_eq!(found(|events| events[1] = Seen { position: 1, ..seen(3) }), Some(Rule::Hole));
    assert_eq!(found(|events| events[3].digest ^= 1), Some(Rule::Bytes));
    assert_eq!(got(|events| events[0].digest ^= 1), Some(Rule::Bytes));
}

#[test]
fn what_was_given_up_does_not_come_back() {
    let first = [Entry::Crashed(Crash::PowerCut), opened(3)];
    let second = [Entry::Crashed(Crash::PowerCut), opened(4)];
    assert_eq!(broken(first.into_iter().chain(second)), Some(Rule::Phantom));
}

#[test]
fn what_was_said_not_to_be_written_is_not_there() {
    let failed = Entry::Failed { commit: 3, outcome: Outcome::NotWritten };
    let crash = [failed.clone(), Entry::Crashed(Crash::Killed), opened(4)];
    assert_eq!(broken(crash), Some(Rule::Unwritten));
    assert_eq!(broken([Entry::Looked { visible: 4 }, failed.clone()]), Some(Rule::Unwritten));
    assert_eq!(broken([failed, Entry::Closed]), Some(Rule::Poison));
    let unknown = Entry::Failed { commit: 3, outcome: Outcome::Unknown };
    assert_eq!(broken([unknown, Entry::Crashed(Crash::Killed), opened(4)]), None);
}

#[test]
fn readers_get_exactly_what_is_visible() {
    assert_eq!(got(|events| events.truncate(2)), Some(Rule::Reading));
    assert_eq!(got(|events| events.push(seen(3))), Some(Rule::Reading));
    assert_eq!(broken([Entry::Looked { visible: 5 }]), Some(Rule::Watermark));
    assert_eq!(broken([Entry::Looked { visible: 1 }]), Some(Rule::Watermark));
    assert_eq!(broken([acknowledged(3, (3, 3), 1, 3)]), Some(Rule::Unreadable));
}

/// Of what two commits were told when they were recorded, in either order, without anybody having read them.
#[test]
fn time_goes_backwards_for_nobody_who_is_told() {
    let told = |commit: u32, recorded: i64| {
        let position = u64::from(commit) - 1;
        let receipt = Receipt { first_position: position, position, version: position, recorded };
        Entry::Acknowledged { commit, durability: Durability::Sync, receipt, visible: 2 }
    };
    let judged = |first: Entry, second: Entry| {
        let mut entries = vec![opened(0)];
        entries.push(placed(1, &[(0, ExpectedVersion::Any, &[1])]));
        entries.push(placed(2, &[(0, ExpectedVersion::Any, &[2])]));
        entries.extend([first, second]);
        check(STORE, &entries).map_err(|violation| violation.rule)
    };
    assert_eq!(judged(told(1, 20), told(2, 20)), Ok(()));
    assert_eq!(judged(told(1, 20), told(2, 19)), Err(Rule::Time));
    assert_eq!(judged(told(2, 19), told(1, 20)), Err(Rule::Time));
}

#[test]
fn time_never_goes_backwards_nor_changes() {
    assert_eq!(found(|events| events[3].recorded = 1), Some(Rule::Time));
    assert_eq!(found(|events| events[0].recorded += 1), Some(Rule::Time));
    let mut entries = history();
    entries.truncate(1);
    entries.push(placed(1, &[(0, ExpectedVersion::Any, &[1, 2])]));
    entries.push(Entry::Looked { visible: 2 });
    let second = Seen { version: 1, recorded: 11, ..seen(1) };
    entries.push(Entry::Read { from: 0, visible: 2, events: vec![seen(0), second] });
    assert_eq!(check(STORE, &entries).unwrap_err().rule, Rule::Time, "one commit, two times");
}

#[test]
fn an_acknowledgement_says_where_the_commit_is() {
    for (positions, version) in [((2, 3), 1), ((3, 4), 1), ((3, 3), 0)] {
        assert_eq!(broken([acknowledged(3, positions, version, 4)]), Some(Rule::Receipt));
    }
    assert_eq!(broken([acknowledged(3, (3, 3), 1, 4)]), None);
}

#[test]
fn expectations_are_judged_at_their_place_in_the_order() {
    let wrong = [ExpectedVersion::NoStream, ExpectedVersion::Exact(0), ExpectedVersion::Exact(2)];
    for expected in wrong {
        assert_eq!(broken([placed(4, &[(1, expected, &[5])])]), Some(Rule::Expectation));
        let checked: &[_] = &[(0, ExpectedVersion::Any, &[5][..]), (1, expected, &[])];
        assert_eq!(broken([placed(4, checked)]), Some(Rule::Expectation));
    }
    assert_eq!(
        broken([placed(4, &[(7, ExpectedVersion::StreamExists, &[5])])]),
        Some(Rule::Expectation)
    );
}

#[test]
fn a_conflict_is_true_and_told_once_it_can_be_read() {
    assert_eq!(broken([conflict(Some(0))]), Some(Rule::Conflict));
    assert_eq!(broken([conflict(None)]), Some(Rule::Conflict));
    let told = |visible| [conflict(Some(1)), Entry::Told { commit: 9, visible }];
    assert_eq!(broken(told(3)), Some(Rule::Told));
    assert_eq!(broken(told(4)), None);
}

#[test]
fn a_store_that_exists_is_not_created_anew() {
    assert_eq!(after_crash(Crash::PowerCut, opened(0)), Some(Rule::Recreated));
}

#[test]
fn a_history_that_makes_no_sense_is_refused() {
    assert_eq!(broken([opened(3)]), Some(Rule::Nonsense));
    assert_eq!(broken([Entry::Closed, Entry::Closed]), Some(Rule::Nonsense));
    assert_eq!(broken([placed(3, &[(0, ExpectedVersion::Any, &[50])])]), Some(Rule::Nonsense));
    assert_eq!(
        broken([Entry::Shown { from: 0, events: Vec::new(), writer: LastWriter::Sound }]),
        Some(Rule::Nonsense)
    );
}

#[test]
fn an_event_that_has_its_place_gets_no_other() {
    assert_eq!(broken([placed(4, &[(0, ExpectedVersion::Any, &[1])])]), Some(Rule::Twice));
}

#[test]
fn what_a_reader_is_shown_while_nobody_writes_is_what_was_promised_and_stays() {
    let writer = LastWriter::Sound;
    let shown = |from: u64, to: u64| {
        let events = (from..to).map(seen).collect();
        Entry::Shown { from, events, writer }
    };
    let then = |entries: &[Entry]| broken([&[Entry::Crashed(Crash::Killed)], entries].concat());
    assert_eq!(then(&[shown(0, 3), opened(3)]), None);
    assert_eq!(then(&[shown(1, 4), opened(4)]), None);
    assert_eq!(then(&[shown(0, 1)]), Some(Rule::Lost));
    assert_eq!(then(&[shown(0, 2)]), Some(Rule::Lost), "before it is torn");
    assert_eq!(then(&[shown(0, 4), opened(3)]), Some(Rule::Lost));
    let mut other = shown(1, 4);
    if let Entry::Shown { from, .. } = &mut other {
        *from = 0;
    }
    assert_eq!(then(&[other]), Some(Rule::Gap));
}
