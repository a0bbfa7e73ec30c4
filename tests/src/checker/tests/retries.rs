//! Retries that are answered wrongly, and refusals of what is there.

use super::*;
use crate::content::UNNAMED;
use crate::history::{Condition, Item};

#[test]
fn a_retry_gets_the_answer_of_the_first_attempt() {
    let repeated = |ids: &[u64], positions: (u64, u64), version, visible| {
        let receipt = Receipt {
            first_position: positions.0,
            position: positions.1,
            version,
            recorded: seen(positions.0).recorded,
        };
        let (parts, durability) = (parts_of(ids), Durability::Sync);
        Entry::Repeated { parts, durability, receipt, visible }
    };
    assert_eq!(broken([repeated(&[2, 3], (1, 2), 0, 3)]), None);
    assert_eq!(broken([repeated(&[2, 3], (1, 1), 0, 3)]), Some(Rule::Repeat));
    assert_eq!(broken([repeated(&[2, 3], (1, 2), 1, 3)]), Some(Rule::Repeat));
    assert_eq!(broken([repeated(&[70], (1, 2), 0, 3)]), Some(Rule::Repeat), "never taken");
    assert_eq!(broken([repeated(&[2, 9], (1, 2), 0, 3)]), Some(Rule::Repeat), "half of it");
    assert_eq!(broken([repeated(&[3, 2], (1, 2), 0, 3)]), Some(Rule::Repeat), "turned round");
    assert_eq!(broken([repeated(&[4], (3, 3), 1, 3)]), Some(Rule::Unreadable));
}

/// As [`broken`], of a store that looks for ids.
fn broken_by_ids(then: impl IntoIterator<Item = Entry>) -> Option<Rule> {
    let mut checker = Checker::new(STORE).knowing_ids();
    let entries = history().into_iter().chain(then);
    entries.map(|entry| checker.record(&entry)).find_map(Result::err).map(|broken| broken.rule)
}

/// Refused, because stream 1 exists.
fn refused(parts: Vec<Part>) -> Entry {
    let check = Part { stream: 1, expected: ExpectedVersion::NoStream, events: Vec::new() };
    let parts = parts.into_iter().chain([check]).collect();
    let (stream, expected) = (1, ExpectedVersion::NoStream);
    Entry::Conflict { commit: 9, parts, stream, expected, actual: Some(1) }
}

#[test]
fn a_commit_that_is_there_is_not_refused_where_it_says_its_place_or_is_found_by_its_ids() {
    assert_eq!(broken([refused(parts_of(&[1]))]), None, "nothing says where it stands");
    assert_eq!(broken([refused(parts_of(&[2, 3]))]), Some(Rule::Repeat), "beside the check");
    assert_eq!(broken_by_ids([refused(parts_of(&[1]))]), Some(Rule::Repeat));
    assert_eq!(broken([refused(parts_of(&[2, 8]))]), None, "an overlap is not looked for");
    assert_eq!(broken_by_ids([refused(parts_of(&[2, 8]))]), Some(Rule::Repeat));
    assert_eq!(broken_by_ids([refused(parts_of(&[8]))]), None);
    let condition = Condition { items: vec![Item::default()], after: None };
    let barred = |ids| {
        let (parts, condition) = (parts_of(ids), condition.clone());
        Entry::Barred { commit: 9, parts, condition, position: 0 }
    };
    assert_eq!(broken_by_ids([barred(&[2, 3])]), Some(Rule::Repeat));
    assert_eq!(broken_by_ids([barred(&[8])]), None);
}

#[test]
fn a_commit_without_ids_is_refused_like_any_other() {
    let unnamed = |id: u64| {
        let events = vec![written(id | UNNAMED)];
        vec![Part { stream: 1, expected: ExpectedVersion::StreamExists, events }]
    };
    let placed = Entry::Placed { commit: 4, parts: unnamed(5), condition: None };
    assert_eq!(broken_by_ids([placed.clone(), refused_at(unnamed(5), 2)]), None);
    let receipt = Receipt { first_position: 4, position: 4, version: 2, recorded: 40 };
    let (parts, durability) = (unnamed(5), Durability::Sync);
    let repeated = Entry::Repeated { parts, durability, receipt, visible: 5 };
    assert_eq!(broken_by_ids([placed, repeated]), Some(Rule::Repeat));
}

/// As [`refused`], when stream 1 was at this version.
fn refused_at(parts: Vec<Part>, version: u64) -> Entry {
    let Entry::Conflict { commit, parts, stream, expected, .. } = refused(parts) else {
        unreachable!("that is what it makes")
    };
    Entry::Conflict { commit, parts, stream, expected, actual: Some(version) }
}

#[test]
fn an_overlap_is_one_and_is_told_once_it_can_be_read() {
    let overlaps = |ids, position| Entry::Overlaps { commit: 9, parts: parts_of(ids), position };
    assert_eq!(broken([overlaps(&[2, 8], 1)]), None);
    assert_eq!(broken([overlaps(&[2, 8], 2)]), Some(Rule::Repeat), "another event stands there");
    assert_eq!(broken([overlaps(&[8], 1)]), Some(Rule::Repeat), "none of it is there");
    assert_eq!(broken([overlaps(&[2, 3], 1)]), Some(Rule::Repeat), "all of it is there");
    let told = |visible| [overlaps(&[4, 8], 3), Entry::Told { commit: 9, visible }];
    assert_eq!(broken(told(3)), Some(Rule::Told));
    assert_eq!(broken(told(4)), None);
}

#[test]
fn what_is_there_as_it_should_be_is_not_declined() {
    let declined = |ids| {
        let (parts, durability) = (parts_of(ids), Durability::Sync);
        Entry::Declined { commit: 9, parts, durability }
    };
    assert_eq!(broken_by_ids([declined(&[2, 3])]), Some(Rule::Repeat));
    assert_eq!(broken_by_ids([declined(&[4])]), None, "that is still on its way");
    assert_eq!(broken([declined(&[2, 3])]), None, "nothing says where it stands");
    assert_eq!(broken_by_ids([declined(&[8])]), None);
}
