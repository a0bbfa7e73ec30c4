//! The work of the checker grows as the history does, whatever is in it: what it looks at is counted.

use std::collections::HashSet;
use std::iter::repeat_n;
use std::mem::discriminant;

use super::super::looks::looks;
use super::selection::{questions, scanned};
use super::*;
use crate::content::TYPES;
use crate::history::{Condition, Item, Selection};

/// Histories of one kind: each number makes one that is so many times as long as that of 1.
type Kind = (String, Box<dyn Fn(u64) -> Vec<Entry>>);

fn kind(name: impl Into<String>, history: impl Fn(u64) -> Vec<Entry> + 'static) -> Kind {
    (name.into(), Box::new(history))
}

/// So many commits, and behind them as often what is made of their number, and of a number that is another each time.
fn again(name: impl Into<String>, entries: impl Fn(u64, u64) -> Vec<Entry> + 'static) -> Kind {
    kind(name, move |count| {
        let then = (1..=count).flat_map(|number| entries(count, count + number));
        commits(count).chain(then).collect()
    })
}

/// So many commits and the death of the process, what comes after that, and then as often the same.
fn down(
    name: &str,
    first: impl Fn(u64) -> Vec<Entry> + 'static,
    then: impl Fn(u64) -> Entry + 'static,
) -> Kind {
    kind(name, move |count| {
        let died = [Entry::Crashed(Crash::Killed)].into_iter().chain(first(count));
        commits(count).chain(died).chain(repeat_n(then(count), count as usize)).collect()
    })
}

/// Acknowledged commits of one event each, in three streams in turns.
fn commits(count: u64) -> impl Iterator<Item = Entry> {
    let commit = |position: u64| {
        let Seen { stream, version, id, .. } = event(position);
        let number = position as u32 + 1;
        let placed = placed(number, &[(stream, ExpectedVersion::Any, &[id])]);
        [placed, acknowledged(number, (position, position), version, position + 1)]
    };
    [opened(0)].into_iter().chain((0..count).flat_map(commit))
}

fn event(position: u64) -> Seen {
    let Written { id, digest } = written(position + 1);
    let (stream, version) = ((position % 3) as u16, position / 3);
    Seen { position, stream, version, id, digest, recorded: time(position as u32 + 1) }
}

fn events(positions: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    positions.into_iter().map(event).collect()
}

fn found(visible: u64) -> Entry {
    Entry::Opened { created: visible == 0, visible, events: events(0..visible) }
}

fn part(stream: u16, expected: ExpectedVersion, ids: &[u64]) -> Part {
    Part { stream, expected, events: ids.iter().copied().map(written).collect() }
}

/// What no event is.
fn nothing() -> Vec<Item> {
    vec![Item { types: vec![TYPES.len()], tags: vec![] }, Item { types: vec![], tags: vec![9] }]
}

/// Each question with a short answer, again and again.
fn asking() -> impl Iterator<Item = Kind> {
    questions(1).into_iter().map(|question| {
        kind(format!("{question:?}"), move |count| {
            let mut checker = Checker::new(STORE);
            commits(count).try_for_each(|entry| checker.record(&entry)).unwrap();
            let answer = events(scanned(&checker, &question, count));
            let asked = Some((question.clone(), answer.clone()));
            let between = Entry::Glimpsed { from: count, events: Vec::new(), asked };
            let selected =
                Entry::Selected { question: question.clone(), visible: count, events: answer };
            let both = [between, selected];
            commits(count).chain(both.into_iter().cycle().take(count as usize)).collect()
        })
    })
}

fn reading() -> Vec<Kind> {
    let read = |visible: u64, _| {
        let from = visible - 1;
        let events = events(from..visible);
        vec![Entry::Looked { visible }, Entry::Read { from, visible, events }]
    };
    let follower = |selection: Selection, back: u64| {
        move |visible: u64, follower: u64| {
            let (follower, from, selection) = (follower as u32, visible - back, selection.clone());
            let follows = Entry::Follows { follower, selection, from: Some(from), visible };
            let got = events(from..visible).into_iter();
            let got = got.map(|event| Entry::Delivered { follower, visible, event });
            let end = Entry::CaughtUp { follower, visible };
            [follows].into_iter().chain(got).chain([end]).collect()
        }
    };
    vec![
        again("a reader of the end", read),
        again("a follower of the end", follower(Selection::All, 1)),
        again("a follower of a stream without events", follower(Selection::Stream(7), 0)),
        again("a follower of a category", follower(Selection::Category("none"), 0)),
        again("a follower of a query", follower(Selection::Query(nothing()), 0)),
    ]
}

fn conditions() -> Vec<Kind> {
    let taken = |after: Option<u64>| {
        move |_, number: u64| {
            let parts = vec![part(7, ExpectedVersion::Any, &[number])];
            let condition = Some(Condition { items: nothing(), after });
            vec![Entry::Placed { commit: number as u32, parts, condition }]
        }
    };
    let barred = |visible: u64, number: u64| {
        let condition = Condition { items: vec![Item::default()], after: None };
        let parts = vec![part(7, ExpectedVersion::Any, &[number])];
        let (commit, position) = (number as u32, visible - 1);
        let barred = Entry::Barred { commit, parts, condition, position };
        vec![barred, Entry::Told { commit, visible }]
    };
    vec![
        again("a condition about all events", taken(None)),
        again("a condition about most of them", taken(Some(9))),
        again("a commit that its condition bars", barred),
    ]
}

fn retries() -> Vec<Kind> {
    let durability = Durability::Sync;
    let any = ExpectedVersion::Any;
    let repeated = move |visible: u64, _| {
        let receipt = Receipt { first_position: 0, position: 0, version: 0, recorded: time(1) };
        vec![Entry::Repeated { parts: vec![part(0, any, &[1])], durability, receipt, visible }]
    };
    let refused = move |visible: u64, number: u64| {
        let commit = number as u32;
        let overlap = vec![part(0, any, &[1]), part(1, any, &[number])];
        let (stream, expected) = (1, ExpectedVersion::NoStream);
        let (parts, actual) = (vec![part(stream, expected, &[])], Some((visible + 1) / 3 - 1));
        vec![
            Entry::Overlaps { commit, parts: overlap, position: 0 },
            Entry::Conflict { commit, parts, stream, expected, actual },
            Entry::Told { commit, visible },
        ]
    };
    let of_many_parts = move |count: u64| {
        let parts: Vec<Part> = (1..=count).map(|id| part(id as u16, any, &[id])).collect();
        let placed = Entry::Placed { commit: 1, parts: parts.clone(), condition: None };
        let acknowledged = acknowledged(1, (0, count - 1), 0, count);
        vec![opened(0), placed, acknowledged, Entry::Declined { commit: 2, parts, durability }]
    };
    vec![
        again("a commit that is there", repeated),
        again("a commit that is refused", refused),
        kind("a commit of many parts that is declined", of_many_parts),
    ]
}

fn lives() -> Vec<Kind> {
    let writer = LastWriter::Sound;
    let shown = move |from| Entry::Shown { from, events: Vec::new(), writer };
    let postponed =
        move |visible| vec![Entry::Postponed { visible, events: events(0..visible), writer }];
    let recovered = |visible| Entry::Recovered { visible };
    let of_many_events = |count: u64| {
        let ids: Vec<u64> = (1..=count).collect();
        let placed = placed(1, &[(0, ExpectedVersion::Any, &ids)]);
        let told = acknowledged(1, (0, count - 1), count - 1, count);
        [opened(0), placed].into_iter().chain(repeat_n(told, count as usize)).collect()
    };
    let lost = |count: u64| {
        let ids: Vec<u64> = (10..20).collect();
        let placed = |commit| placed(commit, &[(5, ExpectedVersion::NoStream, &ids)]);
        let failed = |commit| Entry::Failed { commit, outcome: Outcome::NotWritten };
        let end = || [Entry::Crashed(Crash::PowerCut), found(3), Entry::Closed, found(3)];
        let life = |commit| [placed(commit), failed(commit)].into_iter().chain(end());
        commits(3).chain((0..count as u32).flat_map(|number| life(number + 9))).collect()
    };
    let failures = |count: u64| {
        let numbers = || count + 1..=2 * count;
        let placed = |id| placed(id as u32, &[(7, ExpectedVersion::Any, &[id])]);
        let failed = |id| Entry::Failed { commit: id as u32, outcome: Outcome::NotWritten };
        let end = [Entry::Crashed(Crash::PowerCut), found(count)];
        let failed = numbers().map(placed).chain(numbers().rev().map(failed));
        commits(count).chain(failed).chain(end).collect()
    };
    vec![
        down("a reader after a death", |_| Vec::new(), shown),
        down("recoveries that are made up for", postponed, recovered),
        kind("a commit that is acknowledged again and again", of_many_events),
        kind("a life that loses its events", lost),
        kind("commits that fail", failures),
    ]
}

fn kinds() -> Vec<Kind> {
    asking().chain(reading()).chain(conditions()).chain(retries()).chain(lives()).collect()
}

/// What is looked at to judge a history that breaks nothing.
fn work(name: &str, history: &[Entry]) -> u64 {
    let before = looks();
    assert_eq!(check(STORE, history), Ok(()), "{name}");
    looks() - before
}

#[test]
fn twice_the_history_is_twice_the_work() {
    let grown = kinds().into_iter().filter_map(|(name, history)| {
        let [short, middle, long] = [400, 800, 1600].map(|count| work(&name, &history(count)));
        assert!(short > 400, "{name}: only {short} looks");
        // Searches take a step more each time. A square would be four times as much.
        let grows = |from: u64, to: u64| to > from * 5 / 2;
        let is_more = grows(short, middle) || grows(middle, long);
        is_more.then(|| format!("{name}: {short}, {middle}, {long}"))
    });
    let grown: Vec<String> = grown.collect();
    assert!(grown.is_empty(), "{}", grown.join("\n"));
}

#[test]
fn every_kind_of_entry_is_counted() {
    let entries = kinds().into_iter().flat_map(|(_, history)| history(4));
    let different: HashSet<_> = entries.map(|entry| discriminant(&entry)).collect();
    assert_eq!(different.len(), 22);
}
