//! What another process tells is a hint, and who follows it does no harm.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use quipu::{Delivery, Durability, Mode, Options, Position, ReadMode, Store};
use quipu_disk::{Access, Disk, FaultDisk, MemoryDisk, Page};
use quipu_format::{Epoch, LIVE_BYTES, Live, Lsn};

use super::follower::{About, PATH, append, open, open_with, options, pause};
use super::succession::A_WHILE;

fn reader(disk: &(impl Disk + Clone + 'static)) -> Store {
    open_with(disk, Options { mode: Mode::ReadOnly, ..options(ReadMode::Map, Durability::Sync) })
}

/// Has the page say something else, its checksum right.
fn forge(disk: &MemoryDisk, change: impl FnOnce(&mut Live)) {
    let page: Page = disk.page(&Path::new(PATH).join("live"), Access::Write).unwrap();
    let mut bytes = [0; LIVE_BYTES];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(page.load().unwrap()) {
        *place = word.to_le_bytes();
    }
    let mut live = Live::decode(&bytes).unwrap();
    change(&mut live);
    let bytes = live.encode();
    let words = bytes.as_chunks().0;
    page.store(&std::array::from_fn(|word| u64::from_le_bytes(words[word]))).unwrap();
}

#[test]
fn who_follows_already_believes_no_more_events_than_there_is_room_for() {
    let disk = MemoryDisk::new();
    let writer = open(&disk);
    (0..3).for_each(|_| append(&writer, "a"));
    let following = reader(&disk);
    assert_eq!(following.next_position(), Position(3));
    for position in [1 << 40, u64::MAX, 1_000] {
        forge(&disk, |live| live.next_position = Position(position));
        assert_eq!(following.next_position(), Position(3));
    }
    append(&writer, "a");
    assert_eq!(following.next_position(), Position(4), "what is told next is believed");
    assert_eq!(About::All.read(&following).len(), 4);
}

#[test]
fn what_the_log_does_not_bear_out_is_not_believed() {
    let changes: [fn(&mut Live); 4] = [
        |live| live.epoch = Epoch([1; 16]),
        |live| live.visible = Lsn(live.visible.0 + (1 << 20)),
        |live| live.visible = Lsn(live.visible.0 + (7 << 32)),
        |live| live.next_position = Position(1_000),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let disk = MemoryDisk::new();
        let writer = open(&disk);
        (0..3).for_each(|_| append(&writer, "a"));
        forge(&disk, change);
        let seen = About::All.read(&reader(&disk)).len();
        assert!((2..=3).contains(&seen), "change {number}: {seen}");
    }
}

/// A task that looks at the store as it is woken.
struct Looks {
    reader: Arc<Store>,
    woken: AtomicUsize,
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let _ = self.reader.next_position();
        self.woken.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_may_read_as_it_is_woken_by_another_writer() {
    let disk = MemoryDisk::new();
    drop(open(&disk));
    let reader = Arc::new(reader(&disk));
    let looks = Arc::new(Looks { reader: Arc::clone(&reader), woken: AtomicUsize::new(0) });
    let waker = Waker::from(Arc::clone(&looks));
    let mut all = reader.all().subscribe().unwrap();
    let mut context = Context::from_waker(&waker);
    while all.poll_next(&mut context).is_ready() {}
    let writer = open(&disk);
    append(&writer, "a");
    let woken = (0..1_000).any(|_| {
        pause(10);
        looks.woken.load(Ordering::SeqCst) > 0
    });
    assert!(woken, "the waker has not come back");
}

#[test]
fn an_idle_store_without_events_costs_no_calls() {
    let disk = FaultDisk::new(3);
    let _writer = open(&disk);
    let reader = reader(&disk);
    disk.advance(Duration::from_secs(1));
    let _ = reader.next_position();
    let before = disk.operations();
    for _ in 0..100 {
        let _ = reader.next_position();
    }
    assert!(disk.operations() <= before + 10, "{} operations", disk.operations() - before);
}

#[test]
fn a_reader_that_was_closed_delivers_nothing_new() {
    let disk = MemoryDisk::new();
    let writer = open(&disk);
    append(&writer, "a");
    let reader = reader(&disk);
    let mut all = reader.all().subscribe().unwrap();
    reader.close().unwrap();
    append(&writer, "a");
    let mut delivered = 0;
    while let Ok(Some(delivery)) = all.try_next() {
        delivered += usize::from(matches!(delivery, Delivery::Event(_)));
    }
    assert!(delivered <= 1, "what became visible after the close");
}

/// Whoever touches such a page is ended by a signal.
#[test]
fn a_page_that_cannot_be_read_is_touched_by_nobody() {
    for read_mode in [ReadMode::Map, ReadMode::Pread] {
        let disk = FaultDisk::new(8);
        let writer = open(&disk);
        append(&writer, "a");
        append(&writer, "a");
        let live = Path::new(PATH).join("live");
        let bytes = disk.contents(&live).unwrap().len() as u64;
        disk.spoil(&live, 0..bytes).unwrap();
        assert!(disk.page(&live, Access::Read).is_err());
        let options = Options { mode: Mode::ReadOnly, ..options(read_mode, Durability::Sync) };
        let reader = open_with(&disk, options);
        // What its frames call durable.
        assert!(reader.next_position().0 >= 1);
        drop(writer);
        disk.advance(A_WHILE);
        assert_eq!(About::All.read(&reader).len(), 2);
        let writer = open(&disk);
        append(&writer, "a");
        disk.advance(A_WHILE);
        assert_eq!(About::All.read(&reader).len(), 3, "another page is made");
    }
}
