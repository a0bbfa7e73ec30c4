//! What all scenes have in common: a small store, events that can be recognised, and what must hold of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use quipu::{Durability, Event, ExpectedVersion, NewEvent, Options, Result, Store, Ticket};
use quipu_disk::FaultDisk;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{JoinHandle, spawn};

/// Where the store lies.
pub(super) const PATH: &str = "/store";

/// What a scene panics with, so that a failure says what was expected.
pub(super) const JOINED: &str = "a thread of the scene ends without a panic";

/// A number below `end`, drawn by the schedule.
pub(super) fn below(end: usize) -> usize {
    thread_rng().gen_range(0..end)
}

/// One of the two.
pub(super) fn any_durability() -> Durability {
    [Durability::Sync, Durability::Os][below(2)]
}

/// A store of which three commits fill a staging buffer and six a segment.
pub(super) fn open(disk: &FaultDisk, durability: Durability) -> Store {
    open_with(disk, durability, 8192)
}

/// The same with segments of another size.
pub(super) fn open_with(disk: &FaultDisk, durability: Durability, segment_bytes: u64) -> Store {
    let options = Options {
        durability,
        buffer_bytes: 4096,
        buffers: 2,
        segment_bytes_min: segment_bytes,
        segment_bytes_max: segment_bytes,
        ballast_bytes: 0,
        ..Options::default()
    };
    let builder = Store::builder(Path::new(PATH)).options(options).disk(Arc::new(disk.clone()));
    builder.open().expect("a store of a scene opens")
}

/// Bytes of the payload of a commit.
const PAYLOAD_BYTES: usize = 1200;

/// The stream of a writer.
pub(super) fn stream(writer: usize) -> String {
    format!("writer-{writer}")
}

/// The commit of a writer with this number, counted from 0; each has one event.
pub(super) fn submit(
    store: &Store,
    writer: usize,
    number: u64,
    durability: Durability,
) -> Result<Ticket> {
    let payload = vec![number as u8; PAYLOAD_BYTES];
    let expected = match number.checked_sub(1) {
        None => ExpectedVersion::NoStream,
        Some(last) => ExpectedVersion::Exact(last),
    };
    let stream = stream(writer);
    let commit = store.commit().durability(durability);
    commit.append(&stream, expected, [NewEvent::new("Counted", payload)]).submit()
}

/// As [`submit`], by a caller that commits itself if nobody else does, and waits.
pub(super) fn append(store: &Store, writer: usize, number: u64) -> Result<u64> {
    let payload = vec![number as u8; PAYLOAD_BYTES];
    let expected = match number.checked_sub(1) {
        None => ExpectedVersion::NoStream,
        Some(last) => ExpectedVersion::Exact(last),
    };
    let event = NewEvent::new("Counted", payload);
    store.append(&stream(writer), expected, [event]).map(|done| done.position.0)
}

/// Checks that events come densely, each stream with its versions in order.
#[derive(Default)]
pub(super) struct Order {
    pub(super) next: u64,
    versions: HashMap<String, u64>,
}

impl Order {
    pub(super) fn check(&mut self, event: &Event<'_>) {
        assert_eq!(event.position().0, self.next, "skipped, repeated or out of order");
        self.next += 1;
        let version = self.versions.entry(event.stream().to_owned()).or_default();
        assert_eq!(event.version().0, *version, "of {}", event.stream());
        assert_eq!(event.payload(), [*version as u8; PAYLOAD_BYTES], "of {}", event.stream());
        *version += 1;
    }
}

/// Reads everything that is visible; gives how much that is.
pub(super) fn read_all(store: &Store) -> u64 {
    let mut order = Order::default();
    let mut events = store.all().events().expect("everything can be read");
    while let Some(event) = events.next().expect("nothing is damaged") {
        order.check(&event);
    }
    order.next
}

/// Lets writers loose on a store.
pub(super) fn writers<T: Send + 'static>(
    store: &Arc<Store>,
    count: usize,
    write: impl Fn(&Store, usize) -> T + Copy + Send + 'static,
) -> Vec<JoinHandle<T>> {
    let begin = |writer| {
        let store = Arc::clone(store);
        spawn(move || write(&store, writer))
    };
    (0..count).map(begin).collect()
}

/// Waits for all of them.
pub(super) fn join<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().expect(JOINED)).collect()
}

/// The store, once nobody else has it.
pub(super) fn alone(store: Arc<Store>) -> Store {
    Arc::into_inner(store).expect("all threads of the scene have ended")
}
