//! What every store that takes part must do, and a twin that must be caught.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum as _;

use super::Contestant;
use crate::check::{self, Given, stamp};
use crate::failure::{Failure, Result};
use crate::payload::Payloads;
use crate::plan::{Event, Made, Plan, Tags, stream_name, tag_name};
use crate::store::{
    Append, Condition, Durability, Entry, Found, Planned, Reader, Seen, Store, Visit,
};
use crate::works::fill::load;

/// A folder that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("quipu-compare-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Place(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every store with every durability that it has.
fn all() -> Vec<(Contestant, Durability)> {
    let both =
        |contestant: &Contestant| [(*contestant, Durability::Sync), (*contestant, Durability::Os)];
    let arms = Contestant::value_variants().iter().flat_map(both);
    arms.filter(|(contestant, durability)| contestant.offers(*durability)).collect()
}

/// Runs a test on every arm and says which one failed.
fn on_all(test: impl Fn(&dyn Store, Contestant)) {
    for (contestant, durability) in all() {
        eprintln!("{} {durability:?}", contestant.name());
        let place = Place::new(contestant.name());
        let store = contestant.open(&place.0, durability).unwrap();
        test(&*store, contestant);
        store.close().unwrap();
    }
}

/// Appends events that follow on what was seen of a stream, and notes them.
fn append(
    store: &dyn Store,
    (stream, seen): (u64, Option<Seen>),
    count: u64,
    given: &mut Given,
) -> Result<Seen> {
    let payloads = Payloads::new(1);
    let first = seen.map_or(0, |seen| seen.version + 1);
    let made: Vec<Made> = (first..first + count)
        .map(|version| Made::new(Event { stream, version, tag: Some(stream % 3) }, &payloads))
        .collect();
    let events: Vec<Entry<'_>> = made.iter().map(Made::entry).collect();
    let name = stream_name(stream);
    let done = store.append(&Append { stream: &name, seen, condition: None, events: &events })?;
    for version in first..first + count {
        let position = done.position + 1 + version - first - count;
        given.stamps = given.stamps.wrapping_add(stamp(stream, version, position));
        given.lengths[stream as usize] += 1;
    }
    Ok(done)
}

/// Three streams, commits of one and of several events, by turns.
fn fill(store: &dyn Store) -> (Given, [Option<Seen>; 3]) {
    let mut given = Given::new(3);
    let mut seen = [None; 3];
    for turn in 0..12 {
        let stream = turn % 3;
        let count = 1 + turn as u64 % 4;
        seen[stream] =
            Some(append(store, (stream as u64, seen[stream]), count, &mut given).unwrap());
    }
    (given, seen)
}

fn checked(store: &dyn Store, given: &Given) -> Result<u64> {
    check::history(&mut *store.reader()?, &Payloads::new(1), given)
}

#[test]
fn every_store_gives_back_the_same_history() {
    on_all(|store, contestant| {
        let (given, seen) = fill(store);
        assert_eq!(checked(store, &given).unwrap(), given.events());
        let mut versions = Vec::new();
        let mut reader = store.reader().unwrap();
        let payloads = Payloads::new(1);
        let mut number = 0;
        reader
            .stream(&stream_name(1), &mut |found| {
                assert_eq!(found.stream, &*stream_name(1));
                assert_eq!(found.payload, payloads.payload(1, number));
                versions.push(found.version);
                number += 1;
            })
            .unwrap();
        assert_eq!(number, given.lengths[1]);
        assert_eq!(seen[1].unwrap().version + 1, number);
        let expected = (0..number).map(Some).collect::<Vec<_>>();
        let without = vec![None; number as usize];
        assert!(versions == expected || versions == without, "{}", contestant.name());
        reader.stream("order-none", &mut |_| panic!("nothing is there")).unwrap();
    });
}

#[test]
fn every_store_finds_events_by_tag_in_their_order() {
    on_all(|store, _| {
        let (given, _) = fill(store);
        let mut last = None;
        let mut count = 0;
        store
            .reader()
            .unwrap()
            .tagged(&tag_name(2), &mut |found| {
                assert_eq!(found.stream, &*stream_name(2));
                assert!(last < Some(found.position));
                last = Some(found.position);
                count += 1;
            })
            .unwrap();
        assert_eq!(count, given.lengths[2]);
    });
}

#[test]
fn every_store_refuses_what_is_not_as_it_was_seen() {
    on_all(|store, contestant| {
        let (mut given, seen) = fill(store);
        let before = given.clone();
        let stale = Seen { version: 0, position: 0 };
        for wrong in [None, Some(stale)] {
            let refused = append(store, (0, wrong), 1, &mut given);
            assert_eq!(refused, Err(Failure::Refused), "{}", contestant.name());
        }
        assert_eq!(checked(store, &before).unwrap(), before.events());
        given = before;
        append(store, (0, seen[0]), 2, &mut given).unwrap();
        checked(store, &given).unwrap();
    });
}

#[test]
fn every_store_refuses_where_a_condition_does_not_hold() {
    on_all(|store, contestant| {
        let (given, seen) = fill(store);
        let payload = Payloads::new(1).payload(1, 0);
        let tag = tag_name(1);
        let events = [Entry { kind: "OrderPlaced", payload: &payload, tag: Some(&tag) }];
        let (name, last) = (stream_name(1), seen[1].unwrap());
        let attempt = |after| {
            let condition = Some(Condition { tag: &tag, after });
            store.append(&Append { stream: &name, seen: seen[1], condition, events: &events })
        };
        for after in [None, Some(last.position - 1)] {
            assert_eq!(attempt(after), Err(Failure::Refused), "{}", contestant.name());
        }
        let done = attempt(Some(last.position)).unwrap();
        assert_eq!(done, Seen { version: last.version + 1, position: given.events() });
    });
}

#[test]
fn positions_are_dense_however_many_threads_append() {
    on_all(|store, contestant| {
        let threads = 6;
        let parts: Vec<Given> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..threads)
                .map(|stream| {
                    scope.spawn(move || {
                        let (mut given, mut seen) = (Given::new(threads), None);
                        for _ in 0..8 {
                            seen = Some(append(store, (stream, seen), 2, &mut given).unwrap());
                        }
                        given
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let stamps = parts.iter().fold(0_u64, |sum, part| sum.wrapping_add(part.stamps));
        let given = Given { lengths: vec![16; threads as usize], stamps };
        assert_eq!(checked(store, &given), Ok(threads * 16), "{}", contestant.name());
    });
}

#[test]
fn every_flight_lands_in_the_order_in_which_it_was_sent() {
    on_all(|store, contestant| {
        let flight = store.flight();
        assert_eq!(flight.is_some(), contestant.has_flights());
        let Some(mut flight) = flight else { return };
        let payloads = Payloads::new(1);
        let made: Vec<Made> = (0..20)
            .map(|stream| Made::new(Event { stream, version: 0, tag: None }, &payloads))
            .collect();
        for made in &made {
            let events = [made.entry()];
            let append =
                Append { stream: &made.stream, seen: None, condition: None, events: &events };
            flight.submit(&append).unwrap();
        }
        for position in 0..20 {
            assert_eq!(flight.settle(), Ok(Seen { version: 0, position }), "{}", contestant.name());
        }
    });
}

#[test]
fn a_store_that_was_filled_is_as_planned_when_it_is_opened_again() {
    let plan = Plan::Even { streams: 11, each: 30, tags: Tags::Among(4) };
    for (contestant, durability) in all() {
        let place = Place::new(contestant.name());
        let store = contestant.open(&place.0, durability).unwrap();
        load(&*store, plan, &Payloads::new(1)).unwrap();
        store.close().unwrap();
        let store = contestant.open(&place.0, Durability::Sync).unwrap();
        let mut given = Given::by_plan(plan, 0);
        assert_eq!(checked(&*store, &given), Ok(330), "{}", contestant.name());
        append(&*store, (4, plan.seen(4)), 1, &mut given).unwrap();
        assert_eq!(checked(&*store, &given), Ok(331), "{}", contestant.name());
        store.close().unwrap();
    }
}

/// What a twin does wrong with the event at position 5.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Loses,
    Swaps,
    Repeats,
    Damages,
    /// It moves an event behind one of another stream, and numbers them as they then come.
    Reorders,
}

/// A store in memory, and what it does wrong.
struct Twin {
    events: Mutex<Vec<(String, u64, Vec<u8>)>>,
    fault: Option<Fault>,
}

impl Twin {
    fn new(fault: Option<Fault>) -> Twin {
        Twin { events: Mutex::default(), fault }
    }

    fn shown(&self) -> Vec<(u64, String, u64, Vec<u8>)> {
        let events = self.events.lock().unwrap().clone();
        let mut shown: Vec<_> = (0..)
            .zip(events)
            .map(|(position, (stream, version, payload))| (position, stream, version, payload))
            .collect();
        match self.fault {
            None => {}
            Some(Fault::Loses) => drop(shown.remove(5)),
            Some(Fault::Swaps) => shown.swap(5, 6),
            Some(Fault::Repeats) => shown.insert(5, shown[5].clone()),
            Some(Fault::Damages) => shown[5].3[200] ^= 1,
            Some(Fault::Reorders) => {
                let other = (6..shown.len()).find(|at| shown[*at].1 != shown[5].1).unwrap();
                // What stands between goes along, so that versions stay in order.
                shown[5..=other].rotate_right(1);
                (0..).zip(&mut shown).for_each(|(position, event)| event.0 = position);
            }
        }
        shown
    }
}

impl Store for Twin {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let mut events = self.events.lock().unwrap();
        let first = events.len() as u64;
        for (entry, version) in append.events.iter().zip(append.first_version()..) {
            events.push((append.stream.to_owned(), version, entry.payload.to_vec()));
        }
        Ok(append.done(first))
    }

    fn load(&self, _: &[Planned<'_>]) -> Result<()> {
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(TwinReader(self)))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct TwinReader<'t>(&'t Twin);

impl Reader for TwinReader<'_> {
    fn stream(&mut self, _: &str, _: Visit<'_>) -> Result<()> {
        Ok(())
    }

    fn tagged(&mut self, _: &str, _: Visit<'_>) -> Result<()> {
        Ok(())
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        for (position, stream, version, payload) in self.0.shown() {
            visit(&Found { position, version: Some(version), stream: &stream, payload: &payload });
        }
        Ok(())
    }
}

#[test]
fn a_store_that_gives_back_something_else_is_caught() {
    let sound = Twin::new(None);
    let (given, _) = fill(&sound);
    assert_eq!(checked(&sound, &given).unwrap(), given.events());
    let mut said = BTreeMap::new();
    for fault in [Fault::Loses, Fault::Swaps, Fault::Repeats, Fault::Damages, Fault::Reorders] {
        let twin = Twin::new(Some(fault));
        let (given, _) = fill(&twin);
        let caught = checked(&twin, &given).expect_err(&format!("{fault:?}"));
        said.insert(format!("{fault:?}"), caught.to_string());
    }
    assert!(said["Loses"].contains("position 6 comes where 5 must"), "{said:?}");
    assert!(said["Damages"].contains("not the payload"), "{said:?}");
    assert!(said["Reorders"].contains("lie elsewhere"), "{said:?}");
}

#[test]
fn a_store_that_lost_its_end_is_caught() {
    let twin = Twin::new(None);
    let (given, _) = fill(&twin);
    twin.events.lock().unwrap().pop();
    let caught = checked(&twin, &given).unwrap_err().to_string();
    assert!(caught.contains("were given"), "{caught}");
}
