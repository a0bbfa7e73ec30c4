//! Conditions: the dynamic consistency boundary.

use quipu::{
    AppendCondition, ErrorKind, ExpectedVersion, NewEvent, Position, Query, QueryItem, Result,
    Store,
};

fn store() -> Store {
    Store::builder("conditions.quipu").in_memory().open().unwrap()
}

fn event(event_type: &'static str, tags: &[&'static str]) -> NewEvent<'static> {
    tags.iter().fold(NewEvent::new(event_type, b"".as_slice()), |event, tag| event.tag(*tag))
}

fn append(store: &Store, event: NewEvent<'static>, condition: AppendCondition) -> Result<u64> {
    let commit = store.commit().append("s-1", ExpectedVersion::Any, [event]);
    commit.fail_if(condition).submit()?.wait().map(|done| done.position.0)
}

fn item(event_type: &str, tags: &[&str]) -> QueryItem {
    let own = QueryItem::new().event_type(event_type);
    tags.iter().fold(own, |item, tag| item.tag(*tag))
}

#[test]
fn a_commit_fails_if_an_event_matches() {
    let store = store();
    let taken = Query::new().item(item("Taken", &["seat:1"]));
    assert_eq!(append(&store, event("Taken", &["seat:1"]), taken.clone().absent()).unwrap(), 0);
    let error = append(&store, event("Taken", &["seat:1"]), taken.clone().absent()).unwrap_err();
    assert_eq!((error.kind(), error.matched()), (ErrorKind::Conflict, Some(Position(0))));
    assert_eq!(store.next_position(), Position(1), "nothing was written");

    let other = Query::new().item(item("Taken", &["seat:2"]));
    assert_eq!(append(&store, event("Taken", &["seat:2"]), other.absent()).unwrap(), 1);
    let seen = taken.after(0);
    assert_eq!(append(&store, event("Freed", &["seat:1"]), seen).unwrap(), 2);
}

#[test]
fn an_item_asks_for_any_type_and_all_tags() {
    let store = store();
    store.append("x", ExpectedVersion::Any, [event("A", &["t", "u"])]).unwrap();
    let forbidden = |query: Query| append(&store, event("Other", &[]), query.absent()).is_err();
    assert!(forbidden(Query::new().item(item("B", &[]).event_type("A").tag("t"))));
    assert!(forbidden(Query::new().item(QueryItem::new().tag("u").tag("t"))));
    assert!(forbidden(Query::new().item(item("B", &[])).item(item("A", &["u"]))));
    assert!(forbidden(Query::all()));
    assert!(!forbidden(Query::new().item(item("A", &["t", "v"]))));
    assert!(!forbidden(Query::new().item(item("B", &["t"]))));
    assert!(!forbidden(Query::new()), "no item matches nothing");
}

#[test]
fn a_condition_looks_far_back() {
    let store = store();
    store.append("old-1", ExpectedVersion::Any, [event("First", &["rare"])]).unwrap();
    for number in 0..20 {
        let many = (0..500).map(|_| event("Usual", &["common"]));
        store.append(&format!("many-{number}"), ExpectedVersion::Any, many).unwrap();
    }
    let rare = Query::new().item(QueryItem::new().tag("rare"));
    let error = append(&store, event("First", &["rare"]), rare.clone().absent()).unwrap_err();
    assert_eq!(error.matched(), Some(Position(0)));
    assert_eq!(append(&store, event("First", &["rare"]), rare.after(0)).unwrap(), 10_001);
}

#[test]
fn a_condition_and_expectations_guard_one_commit() {
    let store = store();
    store.append("s-1", ExpectedVersion::NoStream, [event("A", &[])]).unwrap();
    let commit = |expected, condition| {
        let commit = store.commit().append("s-1", expected, [event("B", &["t"])]);
        commit.fail_if(condition).submit().and_then(quipu::Ticket::wait)
    };
    let never = || Query::new().item(QueryItem::new().tag("t")).absent();
    let error = commit(ExpectedVersion::Exact(4), never()).unwrap_err();
    assert_eq!(error.conflict().unwrap().stream, "s-1");
    assert_eq!(commit(ExpectedVersion::Exact(0), never()).unwrap().position, Position(1));
    let error = commit(ExpectedVersion::Exact(1), never()).unwrap_err();
    assert_eq!((error.matched(), error.conflict()), (Some(Position(1)), None));
}

#[test]
fn conditions_out_of_bounds_are_refused() {
    let store = store();
    let refused = |query: Query| {
        append(&store, event("A", &[]), query.absent()).unwrap_err().kind() == ErrorKind::Invalid
    };
    assert!(refused((0..257).fold(Query::new(), |query, _| query.item(QueryItem::new()))));
    assert!(refused(Query::new().item((0..33).fold(QueryItem::new(), |item, _| item.tag("t")))));
    assert!(refused(Query::new().item(QueryItem::new().tag(""))));
    assert!(refused(Query::new().item(QueryItem::new().event_type("x".repeat(256)))));
    let twice = store.commit().append("s", ExpectedVersion::Any, [event("A", &[])]);
    let twice = twice.fail_if(Query::all().absent()).fail_if(Query::all().absent());
    assert_eq!(twice.submit().unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn of_many_who_want_one_thing_one_gets_it() {
    let store = store();
    let seats = 40;
    let winners: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let taken = (0..seats).filter(|seat| {
                        let tag = format!("seat:{seat}");
                        let query = Query::new().item(QueryItem::new().tag(tag.clone()));
                        let event = NewEvent::new("Taken", b"".as_slice()).tag(tag);
                        append(&store, event, query.absent()).is_ok()
                    });
                    taken.count() as u64
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(winners.iter().sum::<u64>(), seats, "each seat was taken once: {winners:?}");
    assert_eq!(store.next_position().0, seats);
}
