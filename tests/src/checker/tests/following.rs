//! Followers that get too little, too much, or something else.

use std::ops::Range;

use quipu::ExpectedVersion;

use super::{Entry, Rule, Seen, broken, opened, placed, seen};
use crate::history::{Crash, Order, Question, Selection};

fn follows(selection: Selection, from: Option<u64>) -> Entry {
    Entry::Follows { follower: 1, selection, from, visible: 3 }
}

fn delivered(event: Seen) -> Entry {
    Entry::Delivered { follower: 1, visible: 3, event }
}

fn caught_up(visible: u64) -> Entry {
    Entry::CaughtUp { follower: 1, visible }
}

/// What a follower from `from` is delivered, and whether it is told then that there is no more.
fn follow(
    selection: Selection,
    from: Option<u64>,
    positions: &[u64],
    end: Option<u64>,
) -> Option<Rule> {
    let events = positions.iter().map(|&position| delivered(seen(position)));
    let entries = std::iter::once(follows(selection, from)).chain(events);
    broken(entries.chain(end.map(caught_up)))
}

#[test]
fn a_follower_that_gets_everything_in_order_breaks_nothing() {
    assert_eq!(follow(Selection::All, Some(0), &[0, 1, 2], Some(3)), None);
    assert_eq!(follow(Selection::All, Some(0), &[0, 1], None), None, "the rest may still come");
    assert_eq!(follow(Selection::All, Some(2), &[2], Some(3)), None);
    assert_eq!(follow(Selection::All, None, &[], Some(3)), None, "from the end");
    assert_eq!(follow(Selection::Stream(0), Some(1), &[1], Some(3)), None);
    assert_eq!(follow(Selection::Stream(1), Some(0), &[2], Some(3)), None);
    assert_eq!(follow(Selection::Category("none"), Some(0), &[], Some(3)), None);
}

#[test]
fn an_event_that_is_skipped_is_missed() {
    let broken = Some(Rule::Following);
    assert_eq!(follow(Selection::All, Some(0), &[0, 2], None), broken);
    assert_eq!(follow(Selection::All, Some(0), &[1], None), broken);
    assert_eq!(follow(Selection::Stream(0), Some(0), &[1], None), broken);
    assert_eq!(follow(Selection::All, Some(0), &[0, 1], Some(3)), broken, "told it is all");
    assert_eq!(follow(Selection::Stream(1), Some(0), &[], Some(3)), broken);
}

#[test]
fn an_event_that_comes_again_or_too_late_is_noticed() {
    let broken = Some(Rule::Following);
    assert_eq!(follow(Selection::All, Some(0), &[0, 0], None), broken);
    assert_eq!(follow(Selection::All, Some(0), &[0, 1, 2, 1], None), broken);
    assert_eq!(follow(Selection::All, Some(0), &[1, 0], None), broken);
    assert_eq!(follow(Selection::Stream(0), Some(0), &[0, 1, 0], None), broken);
}

#[test]
fn an_event_that_was_not_asked_for_is_noticed() {
    let broken = Some(Rule::Following);
    assert_eq!(follow(Selection::Stream(0), Some(0), &[0, 1, 2], None), broken);
    assert_eq!(follow(Selection::All, Some(2), &[1], None), broken);
    assert_eq!(follow(Selection::All, None, &[2], None), broken, "it was there before");
}

#[test]
fn what_is_not_visible_is_not_delivered() {
    assert_eq!(follow(Selection::All, Some(0), &[0, 1, 2, 3], None), Some(Rule::Following));
    assert_eq!(follow(Selection::All, None, &[3], None), Some(Rule::Following));
}

#[test]
fn what_is_delivered_is_what_was_written() {
    let other = Seen { digest: 0, ..seen(0) };
    let entries = [follows(Selection::All, Some(0)), delivered(other)];
    assert_eq!(broken(entries), Some(Rule::Bytes));
}

#[test]
fn later_events_are_owed_too() {
    let start = follows(Selection::All, None);
    assert_eq!(broken([start.clone(), caught_up(3), caught_up(4)]), Some(Rule::Following));
    let event = Entry::Delivered { follower: 1, visible: 4, event: seen(3) };
    assert_eq!(broken([start, caught_up(3), event, caught_up(4)]), None);
}

#[test]
fn a_follower_from_a_later_version_gets_what_comes_from_there_on() {
    let start = follows(Selection::Stream(1), Some(1));
    let event = Entry::Delivered { follower: 1, visible: 4, event: seen(3) };
    assert_eq!(broken([start.clone(), caught_up(3), event, caught_up(4)]), None);
    assert_eq!(broken([start.clone(), delivered(seen(2))]), Some(Rule::Following));
    assert_eq!(broken([start, caught_up(4)]), Some(Rule::Following));
    let later = follows(Selection::Stream(1), Some(2));
    assert_eq!(broken([later.clone(), caught_up(4)]), None, "there is no such version yet");
    let placed = placed(4, &[(0, ExpectedVersion::Any, &[5]), (1, ExpectedVersion::Any, &[6])]);
    assert_eq!(broken([later.clone(), placed.clone(), caught_up(4)]), None);
    assert_eq!(broken([later, placed, caught_up(6)]), Some(Rule::Following));
}

#[test]
fn nobody_follows_beyond_the_life_of_the_store() {
    let lives = [
        follows(Selection::All, Some(0)),
        Entry::Crashed(Crash::Killed),
        opened(3),
        delivered(seen(0)),
    ];
    assert_eq!(broken(lives), Some(Rule::Nonsense));
}

#[test]
fn whoever_comes_between_two_calls_sees_whole_commits_that_stay() {
    let glimpsed = |from: u64, positions: Range<u64>, asked: Option<&[u64]>| {
        let (selection, order) = (Selection::All, Order::Forward);
        let question = Question { selection, order, from: None, limit: usize::MAX };
        let events = |positions: &mut dyn Iterator<Item = u64>| positions.map(seen).collect();
        let asked = asked.map(|asked| (question, events(&mut asked.iter().copied())));
        Entry::Glimpsed { from, events: events(&mut positions.into_iter()), asked }
    };
    let crashed = || Entry::Crashed(Crash::PowerCut);
    assert_eq!(broken([glimpsed(0, 0..3, Some(&[0, 1, 2]))]), None);
    assert_eq!(
        broken([crashed(), glimpsed(0, 0..4, None), opened(4)]),
        None,
        "also before it is open"
    );
    assert_eq!(broken([glimpsed(0, 0..4, None), crashed(), opened(3)]), Some(Rule::Lost));
    assert_eq!(broken([crashed(), glimpsed(1, 1..4, None), opened(3)]), Some(Rule::Lost));
    assert_eq!(broken([glimpsed(0, 0..2, None)]), Some(Rule::Torn));
    assert_eq!(broken([glimpsed(0, 1..4, None)]), Some(Rule::Gap));
    assert_eq!(broken([glimpsed(0, 0..3, Some(&[0, 2]))]), Some(Rule::Selection));
    assert_eq!(broken([glimpsed(0, 0..3, Some(&[0, 1, 2, 3]))]), Some(Rule::Selection));
}
