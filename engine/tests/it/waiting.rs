//! Who waits for what, and who does not wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use quipu::{Durability, ErrorKind, ExpectedVersion, NewEvent, Options, Store};
use quipu_disk::{FaultDisk, Gate, MemoryDisk};
use quipu_format::frame::{FLAG_CLOSED, FrameKind};

use crate::panicking;
use crate::reading::count;

fn event() -> [NewEvent<'static>; 1] {
    [NewEvent::new("T", b"payload".as_slice())]
}

#[test]
fn while_a_sync_is_held_back_readers_see_nothing_and_conflicts_are_not_answered() {
    let disk = FaultDisk::new(1);
    let store = Store::builder("s").disk(Arc::new(disk.clone())).open().unwrap();
    store.append("a", ExpectedVersion::NoStream, event()).unwrap();
    disk.hold_syncs(true);
    let first = store.append_async("b", ExpectedVersion::NoStream, event()).unwrap();
    let refused = store.try_append("b", ExpectedVersion::NoStream, event()).unwrap();
    let visible = store.append("a", ExpectedVersion::NoStream, event()).unwrap_err();
    assert_eq!(visible.kind(), ErrorKind::Conflict, "what is visible is answered at once");
    assert!(!first.is_settled() && !refused.is_settled());
    assert_eq!((count(&store), store.next_position().0), (1, 1));
    disk.hold_syncs(false);
    while !first.is_settled() || !refused.is_settled() {
        let _passed = Gate::new().wait(1, Some(Duration::from_millis(1)));
    }
    assert_eq!(first.wait().unwrap().position.0, 1);
    assert_eq!(refused.wait().unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(count(&store), 2);
}

#[test]
fn a_store_that_does_not_wait_for_the_disk_syncs_all_the_same() {
    let options = Options {
        durability: Durability::Os,
        sync_interval: Duration::from_millis(2),
        ..Options::default()
    };
    let builder = Store::builder("s").disk(Arc::new(MemoryDisk::new())).options(options);
    let store = builder.open().unwrap();
    for _ in 0..200 {
        drop(store.append_async("a", ExpectedVersion::Any, event()).unwrap());
        let _passed = Gate::new().wait(1, Some(Duration::from_millis(1)));
    }
    assert!(store.stats().syncs > 10, "although it was never idle: {:?}", store.stats());
}

/// Each append writes what it brings itself, and nobody else has anything to do then. A mark is due in an hour only.
#[test]
fn what_a_lone_writer_leaves_is_synced_before_long() {
    let options = Options {
        durability: Durability::Os,
        sync_interval: Duration::from_millis(2),
        mark_after: Duration::from_secs(3600),
        ..Options::default()
    };
    let builder = Store::builder("s").disk(Arc::new(MemoryDisk::new())).options(options);
    let store = builder.open().unwrap();
    let pause = || Gate::new().wait(1, Some(Duration::from_millis(1)));
    // By then the committer sleeps, for as long as nothing is there to be done.
    let _passed = (0..20).map(|_| pause()).filter(|passed| *passed).count();
    for syncs in 0..3 {
        store.append("a", ExpectedVersion::Any, event()).unwrap();
        let synced = (0..20_000).any(|_| {
            let _passed = pause();
            store.stats().syncs > syncs
        });
        assert!(synced, "append {syncs}: {:?}", store.stats());
    }
}

/// Nothing but the time that passes: the last group is called durable on disk, and a close says that it was one.
#[test]
fn an_idle_store_and_one_that_is_closed_say_in_the_log_what_is_durable() {
    let disk = FaultDisk::new(1);
    let mark_after = Duration::from_millis(2);
    let options = Options { mark_after, ..crate::small::options() };
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options);
    let store = builder.open().unwrap();
    store.append("a", ExpectedVersion::Any, event()).unwrap();
    let marks = || {
        let bytes = disk.contents(std::path::Path::new("s/0000000001.seg")).unwrap();
        let frames = crate::frames::frames(&bytes).into_iter();
        let marks = frames.filter(|(_, header)| header.kind == FrameKind::Mark);
        marks.map(|(_, header)| header.flags & FLAG_CLOSED != 0).collect::<Vec<bool>>()
    };
    let is_marked = (0..20_000).any(|_| {
        let _passed = Gate::new().wait(1, Some(Duration::from_millis(1)));
        !marks().is_empty()
    });
    assert!(is_marked);
    store.append("a", ExpectedVersion::Any, event()).unwrap();
    store.close().unwrap();
    let marks = marks();
    assert_eq!((marks.first(), marks.last()), (Some(&false), Some(&true)));
}

/// The committer looks while somebody syncs by himself: it has nothing to do until a sync is due by time, which is in an
/// hour, and nobody wakes it as that one ends.
#[test]
fn a_mark_does_not_wait_for_a_sync_that_somebody_else_has_done() {
    let disk = FaultDisk::new(1);
    let mark_after = Duration::from_millis(2);
    let sync_interval = Duration::from_secs(3600);
    let options = Options { mark_after, sync_interval, ..crate::small::options() };
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options);
    let store = builder.open().unwrap();
    let known = || event().map(|event| event.id(quipu::Uuid::from_u128(7)));
    store.append("a", ExpectedVersion::NoStream, known()).unwrap();
    let pause = || Gate::new().wait(1, Some(Duration::from_millis(1)));
    let marks = || {
        let bytes = disk.contents(std::path::Path::new("s/0000000001.seg")).unwrap();
        let frames = crate::frames::frames(&bytes).into_iter();
        frames.filter(|(_, header)| header.kind == FrameKind::Mark).count()
    };
    let come_to = |count: usize| {
        (0..20_000).any(|_| {
            let _passed = pause();
            marks() >= count
        })
    };
    assert!(come_to(1));
    disk.hold_syncs(true);
    let before = disk.operations();
    std::thread::scope(|scope| {
        scope.spawn(|| store.append("b", ExpectedVersion::Any, event()).unwrap());
        // It has written, and waits for its sync.
        while disk.operations() < before + 2 {
            let _passed = pause();
        }
        let repeated = store.append_async("a", ExpectedVersion::NoStream, known()).unwrap();
        let _passed = (0..20).map(|_| pause()).filter(|passed| *passed).count();
        disk.hold_syncs(false);
        repeated.wait().unwrap();
    });
    assert!(come_to(2));
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    let disk = FaultDisk::new(2);
    let store = Store::builder("s").disk(Arc::new(disk.clone())).open().unwrap();
    disk.hold_syncs(true);
    let mut panicking = pin!(store.append_async("a", ExpectedVersion::Any, event()).unwrap());
    let waker = panicking::waker();
    let polled = panicking.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Pending));
    let waiting = store.append_async("b", ExpectedVersion::Any, event()).unwrap();
    disk.hold_syncs(false);
    waiting.wait().unwrap();
    store.append("c", ExpectedVersion::Any, event()).unwrap();
    store.close().unwrap();
}

#[test]
fn who_does_not_wait_is_told_of_a_full_disk() {
    let disk = FaultDisk::new(3);
    let options = Options {
        segment_bytes_min: 16 << 10,
        segment_bytes_max: 16 << 10,
        buffer_bytes: 4096,
        ..Options::default()
    };
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options);
    let store = builder.open().unwrap();
    disk.plan_full(Some(0));
    let large = || [NewEvent::new("T", vec![0; 900])];
    let full =
        (0..10_000).find_map(|_| match store.try_append("a", ExpectedVersion::Any, large()) {
            Err(error) if error.kind() == ErrorKind::Busy => {
                let _passed = Gate::new().wait(1, Some(Duration::from_millis(1)));
                None
            }
            Err(error) => Some(error),
            Ok(_) => None,
        });
    assert_eq!(full.unwrap().kind(), ErrorKind::Full);
}

#[test]
fn after_a_failed_sync_writes_are_refused_and_reads_go_on() {
    let disk = FaultDisk::new(4);
    let store = Store::builder("s").disk(Arc::new(disk.clone())).open().unwrap();
    store.append("a", ExpectedVersion::Any, event()).unwrap();
    let kind = quipu_disk::FaultKind::Error(quipu_disk::Errno::Io);
    // The next write is the commit's; the sync after it fails.
    disk.plan(quipu_disk::Fault { at: disk.operations() + 1, kind, sticky: false });
    let unknown = store.append("a", ExpectedVersion::Any, event()).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unknown, "{unknown}");
    let refused = store.append("a", ExpectedVersion::Any, event()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Poisoned, "{refused}");
    assert_eq!(count(&store), 1);
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
}
