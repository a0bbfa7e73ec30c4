//! What a store tells the program's log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::{ErrorKind, Mode, Options, Store};
use quipu_disk::{Access, Disk, Errno, Fault, FaultDisk, FaultKind, PowerCut};
use tracing::Level;

use super::mood::Moody;
use super::subscriber::listen;
use super::{ANY, large, small};

fn open(disk: &FaultDisk, mode: Mode) -> Store {
    let builder = Store::builder("s").disk(Arc::new(disk.clone()));
    builder.options(Options { mode, ..small() }).open().unwrap()
}

fn fill(store: &Store, events: u64) {
    for _ in 0..events {
        store.append("a", ANY, large()).unwrap();
    }
}

#[test]
fn an_opening_is_told_with_what_it_found() {
    let listening = listen();
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create);
    assert_eq!(listening.heard("open").level, Level::INFO, "the span");
    let opened = listening.heard("opened");
    assert_eq!(opened.level, Level::INFO);
    assert_eq!(opened.fields["created"], "true");
    assert_eq!((opened.number("positions"), opened.number("segments")), (0, 0));
    fill(&store, 30);
    store.close().unwrap();

    let listening = {
        drop(listening);
        listen()
    };
    drop(open(&disk, Mode::ReadOnly));
    let opened = listening.heard("opened");
    assert_eq!((opened.fields["mode"].as_str(), opened.number("positions")), ("read", 30));
    assert_eq!(
        (opened.fields["recovered"].as_str(), opened.fields["created"].as_str()),
        ("false", "false")
    );
    assert!(opened.number("segments") > 1);
    let _there = opened.number("milliseconds");
    let clean = listening.all().into_iter().all(|told| told.level > Level::WARN);
    assert!(clean, "nothing is to be warned of: {:?}", listening.all());
}

#[test]
fn a_recovery_is_told_with_what_it_found_and_so_is_a_crash_that_is_only_read() {
    let listening = listen();
    let disk = FaultDisk::new(2);
    let store = open(&disk, Mode::Create);
    fill(&store, 3);
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);

    drop(open(&after, Mode::ReadOnly));
    let shown =
        listening.heard("the store was not closed properly: shown is what a recovery would find");
    assert_eq!((shown.level, shown.number("segment")), (Level::WARN, 1));

    let store = open(&after, Mode::Existing);
    let recovered = listening.heard("the store was not closed properly: recovered");
    assert_eq!(recovered.level, Level::WARN);
    let found = store.opening().recovered.clone().unwrap();
    assert_eq!(recovered.number("segment"), u64::from(found.segment));
    assert_eq!(recovered.number("valid_to"), found.valid_to);
    assert_eq!(recovered.number("durable_to"), found.durable_to);
    assert_eq!(recovered.number("carried_events"), found.carried_events);
    assert_eq!(recovered.number("dropped_bytes"), found.dropped_bytes);
    assert_eq!(shown.number("valid_to"), found.valid_to);
    assert_eq!(listening.heard("recover").level, Level::INFO, "the span");
    let opened = listening.all().into_iter().rfind(|told| told.what == "opened").unwrap();
    assert_eq!(opened.fields["recovered"], "true");
    store.close().unwrap();
}

#[test]
fn strangers_and_lost_segments_are_warned_of() {
    let listening = listen();
    let disk = FaultDisk::new(3);
    let store = open(&disk, Mode::Create);
    fill(&store, 40);
    store.close().unwrap();
    let directory = Path::new("s");
    drop(disk.open(&directory.join("shopping list"), Access::Create).unwrap());
    let names = disk.list(directory).unwrap();
    let second = names.iter().filter(|name| name.ends_with(".seg")).nth(1).unwrap();
    disk.remove(&directory.join(second)).unwrap();
    let store = open(&disk, Mode::ReadOnly);
    let strangers = listening.heard("the directory holds files that are none of the store's");
    assert_eq!(
        (strangers.level, strangers.fields["files"].as_str()),
        (Level::WARN, "[\"shopping list\"]")
    );
    let lost = listening.heard("what is lost, as far as opening has met it");
    assert_eq!(lost.level, Level::WARN);
    let known = &store.opening().lost[0];
    assert_eq!(lost.fields["file"], known.file.display().to_string());
    assert_eq!(lost.fields["positions"], format!("{:?}", known.positions));
}

#[test]
fn rolls_and_seals_are_told_with_what_they_are_about() {
    let listening = listen();
    let disk = FaultDisk::new(4);
    let store = open(&disk, Mode::Create);
    fill(&store, 40);
    store.close().unwrap();
    let rolled = listening.heard("rolled to a new segment");
    assert_eq!(
        (rolled.level, rolled.number("segment"), rolled.number("previous")),
        (Level::INFO, 2, 1)
    );
    assert_eq!(rolled.number("capacity"), 16 << 10);
    let sealed = listening.heard("sealed a segment");
    assert_eq!((sealed.level, sealed.number("segment")), (Level::INFO, 1));
    assert_eq!(sealed.number("events"), rolled.number("position"), "all before the second");
    assert_eq!(listening.heard("seal").number("segment"), 1, "the span");
}

#[test]
fn a_slow_sync_is_warned_of_and_a_quick_one_is_not() {
    let listening = listen();
    let disk = Moody::new(&FaultDisk::new(5));
    let store = Store::builder("s").disk(Arc::new(disk.clone())).open().unwrap();
    disk.sync_in(Duration::from_millis(400));
    fill(&store, 1);
    assert_eq!(listening.count("slow sync"), 0);
    let before = store.stats().bytes_written;
    disk.sync_in(Duration::from_millis(1234));
    fill(&store, 1);
    let slow = listening.heard("slow sync");
    assert_eq!((slow.level, slow.number("segment")), (Level::WARN, 1));
    assert_eq!(slow.number("milliseconds"), 1234);
    assert_eq!(slow.number("bytes"), store.stats().bytes_written - before);
    let stats = store.stats();
    assert_eq!((stats.syncs, stats.slow_syncs), (2, 1));
    assert_eq!(stats.longest_sync.as_millis(), 1234);
}

#[test]
fn that_a_store_is_poisoned_is_told_once() {
    let listening = listen();
    let disk = FaultDisk::new(6);
    let store = open(&disk, Mode::Create);
    fill(&store, 2);
    disk.plan(Fault {
        at: disk.operations() + 1,
        kind: FaultKind::Error(Errno::Io),
        sticky: false,
    });
    for _ in 0..3 {
        store.append("a", ANY, large()).unwrap_err();
    }
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
    let what = "poisoned: the store refuses writes until it is opened anew";
    let poisoned = listening.heard(what);
    assert_eq!((poisoned.level, listening.count(what)), (Level::ERROR, 1));
    assert_eq!((poisoned.number("durable"), poisoned.number("visible")), (2, 2));
    assert!(poisoned.fields["error"].contains("syncing segment 1 failed"), "{poisoned:?}");
}

/// Each look would be at all of the store.
#[test]
fn that_the_manifest_is_gone_is_told_once() {
    let listening = listen();
    let disk = FaultDisk::new(11);
    let writer = open(&disk, Mode::Create);
    fill(&writer, 30);
    // It does not tell how far it has come, so the log is looked at now and then.
    disk.remove(Path::new("s/live")).unwrap();
    let reader = open(&disk, Mode::ReadOnly);
    let events = reader.next_position();
    disk.remove(Path::new("s/manifest")).unwrap();
    for _ in 0..10 {
        disk.advance(Duration::from_secs(2));
        assert_eq!(reader.next_position(), events);
    }
    let what =
        "the manifest cannot be read any more: what has been found so far is all that is shown";
    assert_eq!(listening.count(what), 1);
}
