//! Payloads as rkyv archives.

use quipu::rkyv::{self, Archive, Deserialize, Serialize, rancor};
use quipu::{Codec, ErrorKind, ExpectedVersion, NewEvent, Options, ReadMode, Store};

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
#[rkyv(crate = rkyv)]
struct Moved {
    to: String,
    steps: Vec<u64>,
    weight: Option<u128>,
}

fn moved(number: u64) -> Moved {
    Moved {
        to: "x".repeat(number as usize * 7),
        steps: (0..number).collect(),
        weight: number.is_multiple_of(2).then_some(u128::from(number)),
    }
}

#[test]
fn archived_payloads_are_read_in_place() {
    for read_mode in [ReadMode::Map, ReadMode::Pread] {
        let options = Options { read_mode, ..Options::default() };
        let store = Store::builder("s").in_memory().options(options).open().unwrap();
        for number in 0..20 {
            // Names of any length: the archive is aligned all the same.
            let tag = "t".repeat(1 + number as usize);
            let event = NewEvent::archived("Moved", &moved(number)).unwrap().tag(tag);
            assert!(event == event.clone().codec(Codec::Rkyv));
            store.append("a", ExpectedVersion::Any, [event]).unwrap();
        }
        let mut events = store.stream("a").events().unwrap();
        let mut count = 0;
        while let Some(event) = events.next().unwrap() {
            let archived = event.archived::<Moved>().unwrap();
            let payload = event.payload().as_ptr_range();
            assert!(payload.contains(&std::ptr::from_ref(archived).cast()), "not in place");
            let back: Moved = rkyv::deserialize::<_, rancor::Error>(archived).unwrap();
            assert_eq!(back, moved(count));
            count += 1;
        }
        assert_eq!(count, 20);
    }
}

#[test]
fn what_is_no_archive_of_the_type_is_refused() {
    let store = Store::builder("s").in_memory().open().unwrap();
    let good = NewEvent::archived("Moved", &moved(5)).unwrap();
    let cut = NewEvent::new("Moved", vec![0xff; 24]).codec(Codec::Rkyv);
    let other = good.clone().codec(Codec::Bytes);
    let empty = NewEvent::new("Moved", vec![]).codec(Codec::Rkyv);
    store.append("a", ExpectedVersion::Any, [cut, other, empty, good]).unwrap();
    let mut events = store.stream("a").events().unwrap();
    for _ in 0..3 {
        let event = events.next().unwrap().unwrap();
        let refused = event.archived::<Moved>().err().map(|error| error.kind());
        assert_eq!(refused, Some(ErrorKind::Invalid));
    }
    assert!(events.next().unwrap().unwrap().archived::<Moved>().is_ok());
}

/// A type that holds itself: only the payload says how deep.
#[derive(Archive, Serialize)]
#[rkyv(crate = rkyv, serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rancor::Source)))]
struct Nest(#[rkyv(omit_bounds)] Vec<Nest>);

/// The archive of so many nests in one another. Each but the innermost is 8 bytes that say: one, right before me.
fn nests(depth: usize) -> Vec<u8> {
    let two = rkyv::to_bytes::<rancor::Error>(&Nest(vec![Nest(vec![])])).unwrap();
    let (innermost, outer) = two.split_at(8);
    [innermost, &outer.repeat(depth - 1)].concat()
}

#[test]
fn a_payload_that_claims_to_be_deep_is_refused_and_uses_up_no_stack() {
    let store = Store::builder("s").in_memory().open().unwrap();
    // What the innermost holds counts too, though it is empty.
    let depths = [1, 2, 200, 255, 256, 257, 100_000, 2_000_000];
    let events = depths.map(|depth| NewEvent::new("Nest", nests(depth)).codec(Codec::Rkyv));
    for event in events {
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
    }
    let mut events = store.stream("a").events().unwrap();
    let mut read = Vec::new();
    while let Some(event) = events.next().unwrap() {
        match event.archived::<Nest>() {
            Ok(outermost) => {
                let nests = std::iter::successors(Some(outermost), |nest| nest.0.first());
                read.push(nests.count());
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid),
        }
    }
    assert_eq!(read, depths[..4]);
}
