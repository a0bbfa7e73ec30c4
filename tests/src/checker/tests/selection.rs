//! Answers to questions and conditions that are wrong, and lists that say the same as a look at every event.

use super::super::log::Event;
use super::*;
use crate::content::{self, Labels};
use crate::history::{Condition, Item, Order, Question, Selection};
use crate::random::Random;

fn question(selection: Selection, order: Order) -> Question {
    Question { selection, order, from: None, limit: usize::MAX }
}

fn selected(question: Question, positions: &[u64]) -> Entry {
    let events = positions.iter().map(|&position| seen(position)).collect();
    Entry::Selected { question, visible: 3, events }
}

#[test]
fn a_selection_gives_all_that_was_asked_for_and_nothing_else() {
    let stream = || Selection::Stream(0);
    let forward = question(stream(), Order::Forward);
    let backward = question(stream(), Order::Backward);
    assert_eq!(broken([selected(forward.clone(), &[0, 1])]), None);
    assert_eq!(broken([selected(backward.clone(), &[1, 0])]), None);
    for wrong in [&[0][..], &[1, 0], &[0, 1, 2], &[]] {
        assert_eq!(broken([selected(forward.clone(), wrong)]), Some(Rule::Selection));
    }
    let limited = Question { limit: 1, ..backward.clone() };
    assert_eq!(broken([selected(limited, &[1])]), None);
    let later = Question { from: Some(1), ..forward };
    assert_eq!(broken([selected(later.clone(), &[1])]), None);
    assert_eq!(broken([selected(later, &[0, 1])]), Some(Rule::Selection));
}

#[test]
fn a_selection_goes_by_types_and_tags() {
    let of_type = |event_type| Item { types: vec![event_type], tags: vec![] };
    let asked = Labels::of(1).event_type;
    let same: Vec<u64> =
        (0..3).filter(|&position| Labels::of(position + 1).event_type == asked).collect();
    let query = question(Selection::Query(vec![of_type(asked)]), Order::Forward);
    assert_eq!(broken([selected(query.clone(), &same)]), None);
    assert_eq!(broken([selected(query, &same[1..])]), Some(Rule::Selection));
}

#[test]
fn a_condition_is_judged_at_its_place_in_the_order() {
    let condition = |after| Condition { items: vec![Item::default()], after };
    let Entry::Placed { commit, parts, .. } = placed(4, &[(0, ExpectedVersion::Any, &[5])]) else {
        unreachable!("that is what it makes")
    };
    let taken = |after| {
        let condition = Some(condition(after));
        [Entry::Placed { commit, parts: parts.clone(), condition }]
    };
    assert_eq!(broken(taken(None)), Some(Rule::Condition));
    assert_eq!(broken(taken(Some(2))), Some(Rule::Condition));
    assert_eq!(broken(taken(Some(3))), None);
    let barred = |after, position| {
        let (condition, parts) = (condition(after), parts.clone());
        Entry::Barred { commit: 9, parts, condition, position }
    };
    assert_eq!(broken([barred(Some(2), 3)]), None);
    assert_eq!(broken([barred(Some(3), 3)]), Some(Rule::Conflict));
    assert_eq!(broken([barred(None, 4)]), Some(Rule::Conflict), "there is no such event");
    let told = [barred(Some(2), 3), Entry::Told { commit: 9, visible: 3 }];
    assert_eq!(broken(told), Some(Rule::Told));
}

/// Every way to select events, in both orders, from everywhere.
pub(super) fn questions(limit: usize) -> Vec<Question> {
    let item = |types: &[usize], tags: &[usize]| Item { types: types.into(), tags: tags.into() };
    let selections = [
        Selection::All,
        Selection::Stream(1),
        Selection::Stream(7),
        Selection::Category("order"),
        Selection::Category("none"),
        Selection::Query(vec![]),
        Selection::Query(vec![Item::default()]),
        Selection::Query(vec![item(&[1], &[]), item(&[], &[0, 1])]),
        Selection::Query(vec![item(&[0, 3], &[2])]),
    ];
    let mut questions = Vec::new();
    for selection in selections {
        for order in [Order::Forward, Order::Backward] {
            for from in [None, Some(0), Some(9), Some(40), Some(u64::MAX)] {
                questions.push(Question { selection: selection.clone(), order, from, limit });
            }
        }
    }
    questions
}

/// The answer to a question by a look at every event.
pub(super) fn scanned(checker: &Checker, question: &Question, visible: u64) -> Vec<u64> {
    let Question { selection, order, from, limit } = question;
    let is_asked_for = |&position: &u64| {
        let event = checker.log.get(position).unwrap();
        let is_of_stream = matches!(selection, Selection::Stream(_));
        let number = if is_of_stream { event.version } else { position };
        let is_behind = match order {
            Order::Forward => number >= from.unwrap_or(0),
            Order::Backward => number <= from.unwrap_or(u64::MAX),
        };
        is_behind && is_selected(selection, event)
    };
    let mut positions: Vec<u64> = (0..visible).filter(is_asked_for).collect();
    if *order == Order::Backward {
        positions.reverse();
    }
    positions.truncate(*limit);
    positions
}

fn is_selected(selection: &Selection, event: &Event) -> bool {
    match selection {
        Selection::All => true,
        Selection::Stream(stream) => event.stream == *stream,
        Selection::Category(category) => content::stream_name(event.stream)
            .split_once('-')
            .is_some_and(|(own, _)| own == *category),
        Selection::Query(items) => items.iter().any(|item| {
            let labels = Labels::of(event.written.id);
            let is_of_type = item.types.is_empty() || item.types.contains(&labels.event_type);
            is_of_type && item.tags.iter().all(|&tag| tag < labels.tags)
        }),
    }
}

#[test]
fn the_lists_of_positions_say_what_a_look_at_every_event_says() {
    let mut random = Random::new(1);
    let mut checker = Checker::new(STORE);
    let (mut answers, mut id) = (0, 0);
    checker.record(&opened(0)).unwrap();
    for commit in 1..200 {
        let ids: Vec<u64> = (1..=random.between(1, 3) as u64).map(|number| id + number).collect();
        id += ids.len() as u64;
        let stream = random.below(6) as u16;
        checker.record(&placed(commit, &[(stream, ExpectedVersion::Any, &ids)])).unwrap();
        if random.percent(5) {
            // What nobody was told of is gone, and its positions are given again.
            let kept = random.below(checker.next_position() as usize) as u64;
            let kept = (kept..).find(|&kept| checker.log.is_boundary(kept)).unwrap();
            checker.log.give_up_from(kept);
        }
        let visible = checker.next_position() - random.below(2) as u64;
        for question in questions(if random.percent(50) { 3 } else { usize::MAX }) {
            let wanted = scanned(&checker, &question, visible);
            answers += wanted.len();
            assert_eq!(checker.answer(&question, visible), wanted, "{question:?} of {visible}");
            if let Selection::Query(items) = &question.selection {
                let condition = Condition { items: items.clone(), after: question.from };
                let is_new = |position: &u64| condition.after.is_none_or(|after| *position > after);
                let event = |position| checker.log.get(position).unwrap();
                let mut new = (0..checker.next_position()).filter(is_new);
                let is_allowed = !new.any(|at| is_selected(&question.selection, event(at)));
                assert_eq!(checker.allowed(commit, Some(&condition)).is_ok(), is_allowed);
            }
        }
    }
    assert!(answers > 10_000, "only {answers}");
}
