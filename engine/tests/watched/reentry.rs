//! A subscriber that uses the store that it is told of: what a store tells, it tells without a lock, and not before
//! others can go on.

use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Options, Result, Store, Uuid};
use quipu_disk::threads::Mutex;
use quipu_disk::{Disk, FaultDisk, PowerCut};

use super::mood::Moody;
use super::subscriber::listen;
use super::{ANY, large, small};

/// Longer than anything here takes.
const FOR_EVER: Duration = Duration::from_secs(60);

fn append(store: &Store) -> Result<()> {
    store.append("a", ANY, large()).map(drop)
}

fn open(disk: &Arc<dyn Disk>, mode: Mode, options: Options) -> Arc<Store> {
    let builder = Store::builder("s").disk(Arc::clone(disk)).options(options);
    Arc::new(builder.mode(mode).open().unwrap())
}

/// It fills the segment, and goes on in the one that it is told of.
#[test]
fn who_is_told_of_a_prepared_segment_can_write_to_it() {
    let listening = listen();
    let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new(1));
    let store = open(&disk, Mode::Create, small());
    let (tell, told) = channel();
    let shared = Arc::clone(&store);
    listening.act("prepared the next segment", move || {
        let appended: Vec<_> = (0..10).map(|_| append(&shared)).collect();
        tell.send(appended.into_iter().collect::<Result<Vec<()>>>()).unwrap();
    });
    (0..6).for_each(|_| append(&store).unwrap());
    told.recv_timeout(FOR_EVER).expect("it waits for itself").unwrap();
    assert!(listening.count("rolled to a new segment") > 0, "the first segment was to be full");
}

/// What is told of a job may append, and wait for that, also where it is told by the thread that does all jobs.
#[test]
fn who_is_told_of_a_job_can_append() {
    for what in ["rolled to a new segment", "slow sync"] {
        let listening = listen();
        let disk = Moody::new(&FaultDisk::new(3));
        disk.sync_in(Duration::from_secs(1));
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let store = open(&disk, Mode::Create, small());
        let (tell, told) = channel();
        let shared = Arc::clone(&store);
        listening.act(what, move || tell.send(append(&shared)).unwrap());
        let (done, finished) = channel();
        std::thread::spawn(move || {
            for _ in 0..10 {
                let tickets = ["a", "b", "c"].map(|name| store.append_async(name, ANY, large()));
                for ticket in tickets {
                    ticket.unwrap().wait().unwrap();
                }
            }
            done.send(()).unwrap();
        });
        told.recv_timeout(FOR_EVER).expect("it waits for itself").unwrap();
        finished.recv_timeout(FOR_EVER).expect("others wait for it");
    }
}

/// Whoever does a job at that moment leaves the next one to the thread that is told.
#[test]
fn who_is_told_of_a_job_can_append_while_another_does_one() {
    let listening = listen();
    let moody = Moody::new(&FaultDisk::new(4));
    moody.sync_in(Duration::from_secs(1));
    let moody = Arc::new(moody);
    let disk: Arc<dyn Disk> = Arc::clone(&moody) as _;
    let store = open(&disk, Mode::Create, small());
    let (tell, told) = channel();
    let shared = Arc::clone(&store);
    listening.act("slow sync", move || {
        let (begun, proceed) = moody.hold_the_next_sync();
        let other = Arc::clone(&shared);
        let beside = std::thread::spawn(move || append(&other));
        begun.recv().unwrap();
        let later = std::thread::spawn(move || {
            // Long enough for the commit of who is told to be placed, which nobody can see.
            std::thread::sleep(Duration::from_millis(50));
            proceed.send(()).unwrap();
        });
        tell.send(append(&shared)).unwrap();
        later.join().unwrap();
        beside.join().unwrap().unwrap();
    });
    // Done by the store's own thread: nobody waits for it here yet.
    let ticket = store.append_async("a", ANY, large()).unwrap();
    told.recv_timeout(FOR_EVER).expect("it waits for itself").unwrap();
    ticket.wait().unwrap();
    assert_eq!(store.next_position().0, 3);
}

/// A commit that is refused because of one that is on its way waits for that one, and so does one that repeats it: also in
/// the thread that alone would write it.
#[test]
fn who_is_told_of_a_job_can_append_what_waits_for_another_commit() {
    for id in [None, Some(Uuid::from_u128(7))] {
        let listening = listen();
        let moody = Moody::new(&FaultDisk::new(5));
        moody.sync_in(Duration::from_secs(1));
        let disk: Arc<dyn Disk> = Arc::new(moody);
        let store = open(&disk, Mode::Create, small());
        let (tell, told) = channel();
        let shared = Arc::clone(&store);
        listening.act("slow sync", move || {
            let event = || large().map(|event| id.into_iter().fold(event, NewEvent::id));
            let first = shared.append_async("b", ExpectedVersion::NoStream, event()).unwrap();
            let second = shared.append("b", ExpectedVersion::NoStream, event());
            tell.send((first.wait(), second)).unwrap();
        });
        store.append_async("a", ANY, large()).unwrap().wait().unwrap();
        let (first, second) = told.recv_timeout(FOR_EVER).expect("it waits for itself");
        match id {
            None => assert_eq!(second.unwrap_err().kind(), ErrorKind::Conflict),
            Some(_) => assert_eq!(second.unwrap(), first.unwrap()),
        }
    }
}

/// The store's own thread, which tells it, does no job meanwhile: who waits does it then.
#[test]
fn who_is_told_of_a_job_can_wait_for_somebody_who_appends() {
    let listening = listen();
    let moody = Moody::new(&FaultDisk::new(6));
    moody.sync_in(Duration::from_secs(1));
    let moody = Arc::new(moody);
    let disk: Arc<dyn Disk> = Arc::clone(&moody) as _;
    let store = open(&disk, Mode::Create, small());
    let lines = Arc::new(Mutex::new(0));
    let wanted = Arc::clone(&lines);
    listening.act("slow sync", move || *wanted.lock() += 1);
    let (begun, proceed) = moody.hold_the_next_sync();
    let ticket = store.append_async("a", ANY, large()).unwrap();
    begun.recv().unwrap();
    let (done, finished) = channel();
    let (shared, held) = (Arc::clone(&store), Arc::clone(&lines));
    let (holds, holding) = channel();
    let appending = std::thread::spawn(move || {
        let _held = held.lock();
        holds.send(()).unwrap();
        done.send(append(&shared)).unwrap();
    });
    holding.recv().unwrap();
    // Long enough for that commit to be placed while the store's own thread syncs, which nobody can see.
    std::thread::sleep(Duration::from_millis(50));
    proceed.send(()).unwrap();
    finished.recv_timeout(FOR_EVER).expect("each waits for the other").unwrap();
    appending.join().unwrap();
    ticket.wait().unwrap();
    assert_eq!(store.next_position().0, 2);
}

/// The recovery is its own: it cannot wait for it.
#[test]
fn who_is_told_of_a_late_recovery_is_refused_and_does_not_wait() {
    let listening = listen();
    let before = FaultDisk::new(2);
    let shared: Arc<dyn Disk> = Arc::new(before.clone());
    let store = open(&shared, Mode::Create, small());
    append(&store).unwrap();
    let disk = before.power_cut(PowerCut::KeepAll);
    drop(store);
    for name in disk.list("s".as_ref()).unwrap() {
        // A segment that was prepared would give the recovery its room.
        if name.ends_with(".seg") && name != "0000000001.seg" {
            disk.remove(&std::path::Path::new("s").join(name)).unwrap();
        }
    }
    disk.plan_full(Some(0));
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = open(&shared, Mode::Existing, small());
    assert!(store.opening().postponed.is_some());
    disk.plan_full(None);
    let refused = Arc::new(OnceLock::new());
    let (kept, again) = (Arc::clone(&refused), Arc::clone(&store));
    listening.act("the store was not closed properly: recovered", move || {
        kept.set(append(&again).unwrap_err().kind()).unwrap();
    });
    let (tell, told) = channel();
    let appending = Arc::clone(&store);
    let thread = std::thread::spawn(move || tell.send(append(&appending)).unwrap());
    told.recv_timeout(FOR_EVER).expect("it waits for itself").unwrap();
    thread.join().unwrap();
    assert_eq!(refused.get(), Some(&ErrorKind::Busy));
    append(&store).unwrap();
}
