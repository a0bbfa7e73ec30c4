//! Events that are lost: what the index knows of them, and what nobody knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    AppendCondition, Delivery, ErrorKind, ExpectedVersion, NewEvent, Options, Query, QueryItem,
    Selection, Store, Subscription, rebuild_index_on,
};
use quipu_disk::{Disk, FaultDisk};

use super::store::{
    PATH, closed_store, closed_store_after, copy, file, files, goes_on, open, open_to_read,
    options, remove,
};
use crate::reading::served_and_lost;

/// A store whose fifth segment has lost an event.
pub(super) fn damaged() -> FaultDisk {
    let disk = closed_store();
    disk.flip(&file("0000000005.seg"), 5000, 1).unwrap();
    disk
}

#[test]
fn a_store_with_a_damaged_segment_is_written_as_long_as_the_index_knows_its_keys() {
    let disk = damaged();
    let store = open(&disk).unwrap();
    assert_eq!(served_and_lost(&store), (199, 1));
    for stream in 0..super::store::STREAMS {
        store
            .append(&format!("s-{stream}"), ExpectedVersion::Any, [NewEvent::new("T", vec![])])
            .unwrap();
    }
    store.close().unwrap();
    assert_eq!(served_and_lost(&open(&disk).unwrap()).1, 1);
}

#[test]
fn a_run_knows_the_last_versions_although_an_index_is_missing() {
    let disk = damaged();
    disk.remove(&file("0000000005.idx")).unwrap();
    let store = open(&disk).unwrap();
    assert_eq!(served_and_lost(&store).1, 1);
    store.append("s-1", ExpectedVersion::Any, [NewEvent::new("T", vec![])]).unwrap();
    store.close().unwrap();
    assert!(!files(&disk, "idx").contains(&file("0000000005.idx")), "it would know less");
}

/// An index that is made where nobody knows the keys of an event before it does not lead there. It is no file's: the event
/// and its index may come back.
#[test]
fn no_index_is_written_that_leads_past_events_whose_keys_are_lost() {
    let disk = damaged();
    let (lost, later) = (file("0000000005.idx"), file("0000000007.idx"));
    let index = disk.contents(&lost).unwrap();
    for path in [&lost, &later] {
        disk.remove(path).unwrap();
    }
    let store = open(&disk).unwrap();
    assert_eq!(served_and_lost(&store).1, 1);
    let by_stream = |store: &Store| {
        let streams = (0..super::store::STREAMS).map(|stream| format!("s-{stream}"));
        let count = |stream: String| {
            let mut events = store.stream(&stream).events().unwrap();
            let mut count = 0;
            while let Ok(Some(_)) = events.next() {
                count += 1;
            }
            count
        };
        streams.map(count).sum::<u64>()
    };
    by_stream(&store);
    store.close().unwrap();
    assert!(!files(&disk, "idx").contains(&later), "it would know less");
    disk.flip(&file("0000000005.seg"), 5000, 1).unwrap();
    disk.put(&lost, &index).unwrap();
    assert_eq!(by_stream(&open_to_read(&disk).unwrap()), 200);
    assert_eq!(by_stream(&open(&disk).unwrap()), 200);
}

#[test]
fn a_store_that_has_lost_events_and_their_keys_is_only_read() {
    let disk = damaged();
    disk.remove(&file("0000000005.idx")).unwrap();
    remove(&disk, "run");
    let before: Vec<_> = disk.files();
    let error = open(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(error.damage().unwrap().file, file("0000000005.seg"));
    assert_eq!(disk.files(), before, "nothing was changed by trying");
    let store = open_to_read(&disk).unwrap();
    assert_eq!(served_and_lost(&store), (199, 1));
}

#[test]
fn whoever_reads_by_key_learns_that_something_is_lost() {
    for without_index in [false, true] {
        let disk = damaged();
        if without_index {
            disk.remove(&file("0000000005.idx")).unwrap();
        }
        let store = open_to_read(&disk).unwrap();
        let streams = (0..super::store::STREAMS).map(|stream| format!("s-{stream}"));
        let told = streams.filter(|stream| {
            let mut events = store.stream(stream).events().unwrap();
            loop {
                match events.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => return false,
                    Err(error) => return error.kind() == ErrorKind::Damaged,
                }
            }
        });
        assert!(told.count() >= 1, "without its index: {without_index}");
    }
}

#[test]
fn an_index_that_knows_more_than_the_log_is_not_made_anew() {
    let disk = damaged();
    let index = disk.contents(&file("0000000005.idx")).unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let report = rebuild_index_on(&shared, Path::new(PATH), &options(), &mut |_| {}).unwrap();
    assert_eq!(report.damage[0].kind(), ErrorKind::Damaged);
    assert_eq!(disk.contents(&file("0000000005.idx")).unwrap(), index);
    let store = open(&disk).unwrap();
    assert_eq!(served_and_lost(&store), (199, 1));
}

#[test]
fn a_segment_that_was_damaged_while_active_is_sealed_and_says_so() {
    let disk = closed_store();
    let active = files(&disk, "seg").pop().unwrap();
    disk.flip(&active, 4300, 1).unwrap();
    let store = open(&disk).unwrap();
    super::store::fill(&store, 60);
    assert_eq!(served_and_lost(&store), (259, 1));
    store.close().unwrap();
    assert!(files(&disk, "seg").last() > Some(&active), "it was sealed");
    let report = super::store::verified(&disk);
    assert!(report.findings.iter().all(|finding| finding.file == active), "{:?}", report.findings);
    assert!(!report.is_sound());
    let store = open(&disk).unwrap();
    assert_eq!(served_and_lost(&store), (259, 1));
}

/// A whole store takes what the ones above are refused.
#[test]
fn a_whole_store_is_written() {
    let disk = closed_store();
    remove(&disk, "run");
    disk.remove(&file("0000000005.idx")).unwrap();
    goes_on(&open(&disk).unwrap());
}

/// Damages every page of an index.
fn damage_index(disk: &FaultDisk, path: &Path) {
    let size = disk.contents(path).unwrap().len() as u64;
    for page in 0..size.div_ceil(4096) {
        disk.flip(path, (page * 4096 + 17).min(size - 1), 4).unwrap();
    }
}

/// Damages an event of the fifth segment, and its index.
fn damage_both(disk: &FaultDisk) {
    disk.flip(&file("0000000005.seg"), 5000, 1).unwrap();
    damage_index(disk, &file("0000000005.idx"));
}

/// The position of the event that was damaged.
fn lost_position(store: &Store) -> u64 {
    let mut events = store.all().events().unwrap();
    loop {
        if let Err(error) = events.next() {
            return error.damage().unwrap().positions.start.0;
        }
    }
}

/// Selections that the damaged event is one of.
fn select(store: &Store) -> [Selection<'_>; 4] {
    let item = QueryItem::new().event_type("T").tag("tag:2");
    [
        store.event_type("T"),
        store.category("s"),
        store.tag("tag:2"),
        store.query(Query::new().item(item)),
    ]
}

/// The positions that a cursor tells of as damaged.
fn told_by_cursor(selection: Selection<'_>) -> Vec<u64> {
    let (mut events, mut told) = (selection.events().unwrap(), Vec::new());
    loop {
        match events.next() {
            Ok(Some(_)) => {}
            Ok(None) => return told,
            Err(error) => told.push(error.damage().unwrap().positions.start.0),
        }
    }
}

/// The same of a subscription, up to where there is no more.
fn told_by_subscription(mut subscription: Subscription) -> Vec<u64> {
    let mut told = Vec::new();
    loop {
        match subscription.try_next() {
            Ok(Some(Delivery::CaughtUp)) => return told,
            Ok(_) => {}
            Err(error) => told.push(error.damage().unwrap().positions.start.0),
        }
    }
}

/// What is checked of each selection: subscriptions and cursors tell of the lost event, and of it alone.
fn all_tell(store: &Store, begun: Vec<Subscription>, what: &str) {
    let lost = [lost_position(store)];
    for (n, subscription) in begun.into_iter().enumerate() {
        assert_eq!(told_by_subscription(subscription), lost, "{n}, begun before, {what}");
    }
    for n in 0..select(store).len() {
        let pick = || select(store).into_iter().nth(n).unwrap();
        let subscription = pick().subscribe().unwrap();
        assert_eq!(told_by_subscription(subscription), lost, "{n}, {what}");
        assert_eq!(told_by_cursor(pick()), lost, "{n}, read, {what}");
        assert_eq!(told_by_cursor(pick().backward()), lost, "{n}, read backward, {what}");
    }
}

/// Subscriptions that have delivered something.
fn begin(store: &Store) -> Vec<Subscription> {
    let begun = select(store).into_iter().map(|selection| {
        let mut subscription = selection.subscribe().unwrap();
        assert!(matches!(subscription.try_next().unwrap(), Some(Delivery::Event(_))));
        subscription
    });
    begun.collect()
}

#[test]
fn an_index_that_is_made_anew_hides_no_lost_event() {
    for (only_read, without_runs) in [(false, false), (true, false), (false, true), (true, true)] {
        for followed in [false, true] {
            let disk = closed_store();
            if without_runs {
                remove(&disk, "run");
            }
            let store = if only_read { open_to_read(&disk) } else { open(&disk) }.unwrap();
            let begun = if followed { begin(&store) } else { Vec::new() };
            damage_both(&disk);
            let what = format!("to be read: {only_read}, without runs: {without_runs}");
            all_tell(&store, begun, &what);
        }
    }
}

#[test]
fn an_index_that_was_gone_as_the_store_was_opened_hides_no_lost_event() {
    let disk = damaged();
    disk.remove(&file("0000000005.idx")).unwrap();
    let store = open(&disk).unwrap();
    all_tell(&store, begin(&store), "with a run");
}

/// Whichever page of an index goes bad while it is used.
#[test]
fn an_index_that_is_mended_under_a_follower_hides_no_lost_event() {
    let large = Options {
        segment_bytes_min: 128 << 10,
        segment_bytes_max: 128 << 10,
        ballast_bytes: 0,
        ..Options::default()
    };
    let open = |disk: &FaultDisk| {
        let builder = Store::builder(PATH).disk(Arc::new(disk.clone()));
        builder.options(large.clone()).open().unwrap()
    };
    let whole = FaultDisk::new(1);
    let store = open(&whole);
    for number in 0..1200 {
        let event = NewEvent::new("T", vec![7; 100]).tag(format!("own:{number}")).tag("tag:2");
        store.append(&format!("s-{number}"), ExpectedVersion::Any, [event]).unwrap();
    }
    store.close().unwrap();
    let path = file("0000000002.idx");
    let pages = whole.contents(&path).unwrap().len() as u64 / 4096;
    assert!(pages > 5, "{pages}");
    for page in 1..pages {
        let disk = copy(&whole);
        let store = open(&disk);
        let begun = begin(&store);
        disk.flip(&file("0000000002.seg"), 50_000, 1).unwrap();
        disk.flip(&path, page * 4096 + 17, 4).unwrap();
        all_tell(&store, begun, &format!("page {page}"));
    }
}

#[test]
fn a_condition_is_not_met_by_an_event_whose_keys_were_lost_meanwhile() {
    let disk = closed_store();
    let store = open(&disk).unwrap();
    damage_both(&disk);
    let lost = lost_position(&store);
    let append = |tag: u64| {
        let query = Query::new().item(QueryItem::new().tag(format!("tag:{tag}")));
        let condition = AppendCondition {
            fail_if: query,
            after: Some(quipu::Position(lost.saturating_sub(1))),
        };
        let commit =
            store.commit().append("new", ExpectedVersion::Any, [NewEvent::new("T", vec![])]);
        commit.fail_if(condition).submit().and_then(quipu::Ticket::wait).unwrap_err()
    };
    // Of the tag itself, and of another: nobody knows which it had.
    for tag in 0..3 {
        let error = append(tag);
        assert_eq!(error.kind(), ErrorKind::Damaged, "tag:{tag}: {error}");
        assert_eq!(error.damage().unwrap().positions.start.0, lost);
    }
}

/// Damages the last event of a stream, and the index of its segment.
fn damage_last_of(disk: &FaultDisk, stream: &str) {
    let place = |path: &PathBuf| {
        let bytes = disk.contents(path).unwrap();
        bytes.windows(stream.len()).rposition(|name| name == stream.as_bytes())
    };
    let segments = files(disk, "seg");
    let (path, at) = segments.iter().rev().find_map(|path| Some((path, place(path)?))).unwrap();
    disk.flip(path, at as u64, 1).unwrap();
    damage_index(disk, &path.with_extension("idx"));
}

#[test]
fn a_stream_whose_last_event_was_lost_is_followed_from_its_end_without_complaint() {
    let event = || [NewEvent::new("T", vec![])];
    let disk = closed_store_after(|store| {
        for _ in 0..3 {
            store.append("rare", ExpectedVersion::Any, event()).unwrap();
        }
    });
    let store = open(&disk).unwrap();
    damage_last_of(&disk, "rare");
    assert_eq!(told_by_cursor(store.event_type("T")), [2], "and its index is mended");
    let mut follower = store.stream("rare").from_end().subscribe().unwrap();
    assert!(matches!(follower.try_next().unwrap(), Some(Delivery::CaughtUp)));
    for version in 3..5 {
        store.append("rare", ExpectedVersion::Exact(version - 1), event()).unwrap();
        let Some(Delivery::Event(event)) = follower.try_next().unwrap() else { panic!("no event") };
        assert_eq!(event.version().0, version);
    }
}
