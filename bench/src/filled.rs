//! Stores with something in them.

use quipu::stepping::{Copy, Part, Step, Stepper, Waiting};
use quipu::{Durability, ExpectedVersion, Result, Store};

use crate::orders::{Random, events, stream};

/// Events of one commit, while a store is filled.
const COMMIT_EVENTS: u64 = 100;

/// What a store is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Number of streams.
    pub streams: u64,
    /// Events of each of them.
    pub events: u64,
}

impl Shape {
    /// Events of all streams together.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.streams * self.events
    }
}

/// Appends to all streams in turn, an event each, until all are filled: a stream's events lie as far from one another as
/// they can.
///
/// # Errors
/// Those of the store.
pub fn fill(store: &Store, shape: Shape) -> Result<()> {
    let names: Vec<String> = (0..shape.streams).map(stream).collect();
    let mut random = Random::new(2);
    for round in 0..shape.events {
        for names in names.chunks(COMMIT_EVENTS as usize) {
            let mut commit = store.commit().durability(Durability::Os);
            for name in names {
                let customer = format!("customer:{}", random.below(shape.streams));
                let orders = events(&mut random, 1).map(|order| order.tag(customer.clone()));
                let expected = match round.checked_sub(1) {
                    Some(version) => ExpectedVersion::Exact(version),
                    None => ExpectedVersion::NoStream,
                };
                commit = commit.append(name, expected, orders);
            }
            commit.submit()?.wait()?;
        }
    }
    Ok(())
}

/// Gives a commit to one stream its place in a store without threads; its bytes are still to be copied.
///
/// # Errors
/// Those of the store.
pub fn place(
    stepper: &Stepper,
    part: &[Part<'static>],
    durability: Durability,
) -> Result<Option<Box<Copy>>> {
    let mut waiting = Waiting::default();
    loop {
        match stepper.place(part, None, durability, &mut waiting)? {
            Step::Placed(copy) => return Ok(Some(copy)),
            Step::Repeated(_) => return Ok(None),
            Step::Refused(answer) => return Err(answer.pending().clone()),
            Step::Busy => settle(stepper),
        }
    }
}

/// Does all that there is to be done, in a store without threads of which every commit is copied.
pub fn settle(stepper: &Stepper) {
    while stepper.take_job() {
        stepper.finish_job();
    }
    while stepper.chore() {}
}

/// Has so many commits of so many events each on disk, in a store without threads.
///
/// # Errors
/// Those of the store.
pub fn fill_stepped(stepper: &Stepper, commits: u64, commit_events: usize) -> Result<()> {
    let mut random = Random::new(3);
    for _ in 0..commits {
        let part = [Part {
            stream: "order-filled",
            expected: ExpectedVersion::Any,
            events: events(&mut random, commit_events).collect(),
        }];
        if let Some(copy) = place(stepper, &part, Durability::Sync)? {
            drop(copy.finish());
        }
        settle(stepper);
    }
    Ok(())
}
