//! Panics in the threads that drive a store, or in a caller that commits itself: all who wait are told, nothing
//! that is not durable is acknowledged, and closing ends.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use quipu::{Error, ErrorKind, Mode, Options, Result, Store};
use quipu_disk::{Errno, Fault, FaultDisk, FaultKind, Gate, PowerCut};

use super::mood::Moody;
use super::subscriber::{Listening, listen};
use super::{ANY, large, panicking, small};

/// Longer than anything here takes.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Runs this in a thread, and fails if that hangs.
fn ends<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = channel();
    let thread = std::thread::spawn(move || {
        let _nobody_waits = tell.send(act());
    });
    let Ok(done) = told.recv_timeout(FOR_EVER) else { panic!("{what}: it hangs, or has panicked") };
    thread.join().unwrap();
    done
}

fn open(disk: &FaultDisk, options: Options) -> Store {
    Store::builder("s").disk(Arc::new(disk.clone())).options(options).open().unwrap()
}

/// Positions and payload sizes are not compared: that all acknowledged events are there is enough here, and the
/// simulator does the rest.
fn events_in(store: &Store) -> u64 {
    let mut events = store.all().events().unwrap();
    let mut count = 0;
    while events.next().unwrap().is_some() {
        count += 1;
    }
    count
}

/// That a failure says that a thread has panicked, and what it wrote.
fn is_told_well(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Poisoned | ErrorKind::Unknown), "{error:?}");
    assert!(error.to_string().contains("panicked"), "{error}");
}

/// Appends without waiting until that is refused, then waits for all: how many were acknowledged.
fn append_until_refused(store: &Store, append: fn(&Store) -> Result<()>) -> u64 {
    let mut acknowledged = 0;
    for _ in 0..10_000 {
        match append(store) {
            Ok(()) => acknowledged += 1,
            Err(error) => {
                is_told_well(&error);
                return acknowledged;
            }
        }
    }
    panic!("nothing has panicked");
}

fn append_here(store: &Store) -> Result<()> {
    store.append("a", ANY, large()).map(drop)
}

/// Has the committer's thread do it.
fn append_there(store: &Store) -> Result<()> {
    let first = store.append_async("a", ANY, large())?;
    let second = store.append_async("b", ANY, large());
    first.wait()?;
    second?.wait().map(drop)
}

fn a_panic_poisons(at: &'static str, append: fn(&Store) -> Result<()>, events: u64) {
    let listening = listen();
    let disk = FaultDisk::new(1);
    let store = open(&disk, small());
    listening.dread(&[at]);
    is_poisoned_by_it(&listening, &disk, store, (append, events));
}

/// The disk panics under a job, of a store that has something to lose.
fn a_panic_of_the_disk_poisons(append: fn(&Store) -> Result<()>, events: u64) {
    let listening = listen();
    let disk = FaultDisk::new(1);
    let moody = Moody::new(&disk);
    let store = Store::builder("s").disk(Arc::new(moody.clone())).options(small()).open().unwrap();
    append(&store).unwrap();
    moody.sync_nothing();
    is_poisoned_by_it(&listening, &disk, store, (append, events));
}

fn is_poisoned_by_it(
    listening: &Listening,
    disk: &FaultDisk,
    store: Store,
    (append, events): (fn(&Store) -> Result<()>, u64),
) {
    let follower = store.all().subscribe().unwrap();
    let acknowledged = ends("a panic", move || {
        let following = std::thread::spawn(move || follower.into_iter().last());
        let acknowledged = std::thread::scope(|scope| {
            let appending = |_| scope.spawn(|| append_until_refused(&store, append));
            let threads: Vec<_> = (0..3).map(appending).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
        });
        is_told_well(&append(&store).unwrap_err());
        is_told_well(&following.join().unwrap().unwrap().unwrap_err());
        assert!(events_in(&store) >= acknowledged * events, "reads go on");
        let closed = store.close().unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Poisoned, "{closed}");
        acknowledged
    });
    let poisoned = listening.heard("poisoned: the store refuses writes until it is opened anew");
    assert!(poisoned.fields["error"].contains("panicked"), "{poisoned:?}");
    listening.dread(&[]);
    let after = disk.power_cut(PowerCut::LoseAll);
    assert!(events_in(&open(&after, small())) >= acknowledged * events, "P1");
}

#[test]
fn a_panic_under_a_sync_of_the_caller_is_an_error() {
    a_panic_of_the_disk_poisons(append_here, 1);
}

#[test]
fn a_panic_of_the_committers_thread_is_an_error_for_all_who_wait() {
    a_panic_of_the_disk_poisons(append_there, 2);
}

/// By then all who wait have been told.
#[test]
fn a_panic_of_who_is_told_of_a_job_costs_nothing() {
    let listening = listen();
    let disk = Moody::new(&FaultDisk::new(3));
    let store = Store::builder("s").disk(Arc::new(disk.clone())).options(small()).open().unwrap();
    listening.dread(&["rolled to a new segment", "slow sync"]);
    disk.sync_in(Duration::from_secs(1));
    ends("a job", move || {
        for _ in 0..10 {
            append_here(&store).unwrap();
            append_there(&store).unwrap();
        }
        assert_eq!(events_in(&store), 30);
        let stats = store.stats();
        assert!(stats.rolls > 1 && stats.slow_syncs > 10, "{stats:?}");
        store.close().unwrap();
    });
}

#[test]
fn a_panic_while_a_segment_is_prepared_is_an_error_for_all_who_wait() {
    a_panic_poisons("prepared the next segment", append_here, 1);
}

#[test]
fn a_panic_while_a_segment_is_sealed_is_an_error_for_all_who_wait() {
    a_panic_poisons("sealed a segment", append_there, 2);
}

#[test]
fn a_panic_as_a_span_begins_is_an_error_for_all_who_wait() {
    a_panic_poisons("seal", append_here, 1);
}

#[test]
fn nobody_hangs_where_the_news_of_a_failure_makes_the_subscriber_panic() {
    let listening = listen();
    let disk = FaultDisk::new(2);
    let store = open(&disk, Options::default());
    append_here(&store).unwrap();
    listening.dread(&["poisoned", "closing the store"]);
    disk.plan(Fault {
        at: disk.operations() + 1,
        kind: FaultKind::Error(Errno::Io),
        sticky: false,
    });
    ends("poisoned", move || {
        assert_eq!(append_here(&store).unwrap_err().kind(), ErrorKind::Unknown);
        assert_eq!(append_there(&store).unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(events_in(&store), 1);
        // Dropping it tells that it was poisoned, once more in vain.
        drop(store);
    });
    assert_eq!(listening.count("closing the store"), 1);
}

struct Ringing(Gate);

impl Wake for Ringing {
    fn wake(self: Arc<Self>) {
        self.0.raise(1);
    }
}

#[test]
fn a_task_is_woken_although_the_one_before_it_and_the_subscriber_panic() {
    let listening = listen();
    listening.dread(&["waker panicked"]);
    let disk = FaultDisk::new(4);
    let store = open(&disk, Options::default());
    disk.hold_syncs(true);
    let (mut first, mut second) = (
        pin!(store.append_async("a", ANY, large()).unwrap()),
        pin!(store.append_async("b", ANY, large()).unwrap()),
    );
    let ringing = Arc::new(Ringing(Gate::new()));
    let wakers = [panicking::waker(), Waker::from(Arc::clone(&ringing))];
    // Both wait for both groups, whichever their commits are in.
    for waker in &wakers {
        let mut context = Context::from_waker(waker);
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
    }
    disk.hold_syncs(false);
    assert!(ringing.0.wait(1, Some(FOR_EVER)), "it was not woken");
    append_here(&store).unwrap();
    store.close().unwrap();
    listening.heard("a task's waker panicked");
}

#[test]
fn a_panic_under_the_lock_reaches_its_caller_and_poisons_for_the_others() {
    let _listening = listen();
    let disk = Moody::new(&FaultDisk::new(5));
    let store = Store::builder("s").disk(Arc::new(disk.clone())).options(small()).open().unwrap();
    let follower = store.all().subscribe().unwrap();
    disk.lose_the_clock(true);
    ends("the lock", move || {
        // An event with an id of its own: the time is asked for only as the commit gets its place.
        let events = || large().map(|event| event.id(quipu::Uuid::from_u128(7)));
        let panicked = catch_unwind(AssertUnwindSafe(|| store.append_async("a", ANY, events())));
        assert!(panicked.is_err(), "it is the caller's own disk");
        disk.lose_the_clock(false);
        is_told_well(&append_there(&store).unwrap_err());
        is_told_well(&follower.into_iter().last().unwrap().unwrap_err());
        assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
    });
}

#[test]
fn a_panic_while_closing_is_an_error_and_followers_are_told() {
    let _listening = listen();
    let disk = Moody::new(&FaultDisk::new(8));
    let store = Store::builder("s").disk(Arc::new(disk.clone())).options(small()).open().unwrap();
    append_here(&store).unwrap();
    let follower = store.all().subscribe().unwrap();
    // Closing writes an index of the active segment.
    disk.create_nothing();
    ends("closing", move || {
        let closed = store.close().unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Poisoned, "{closed}");
        is_told_well(&closed);
        is_told_well(&follower.into_iter().last().unwrap().unwrap_err());
    });
    assert_eq!(events_in(&open(&disk.disk, small())), 1);
}

#[test]
fn a_store_may_be_dropped_by_a_thread_that_panics() {
    let listening = listen();
    let disk = FaultDisk::new(6);
    let store = open(&disk, Options::default());
    let ticket = store.append_async("a", ANY, large()).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _store = store;
        panic!("for a reason of its own");
    }));
    assert!(panicked.is_err());
    ticket.wait().unwrap();
    assert_eq!(
        listening
            .first("poisoned: the store refuses writes until it is opened anew")
            .map(|told| told.what),
        None
    );
    assert_eq!(events_in(&open(&disk, Options::default())), 1, "it was closed");
}

#[test]
fn who_follows_another_process_is_told_where_the_looking_panics() {
    let _listening = listen();
    let disk = FaultDisk::new(7);
    let store = open(&disk, Options::default());
    append_here(&store).unwrap();
    let reading = Moody::new(&disk);
    let reader =
        Store::builder("s").disk(Arc::new(reading.clone())).mode(Mode::ReadOnly).open().unwrap();
    let mut follower = reader.all().subscribe().unwrap().into_iter();
    ends("following", move || {
        assert!(follower.next().unwrap().is_ok());
        // From here on it waits for what the watch finds.
        reading.lose_the_clock_in("quipu-watch");
        is_told_well(&follower.next().unwrap().unwrap_err());
        drop(reader);
    });
    store.close().unwrap();
}
