//! Whose file it is, and how much of it is read.

use std::sync::atomic::Ordering;

use quipu_format::{Salt, SegmentId, StoreId};
use quipu_index::{Identity, IndexError, Layer, Run, Sealed};

use super::events::{IDENTITY, covers, lent, memory, write};
use super::segments::sample;
use super::source::{Copied, Lent, write_run};

#[test]
fn the_index_of_another_segment_is_refused() {
    let events = sample();
    let bytes = write(&events, &[memory(0, &events)]);
    let others = [
        Identity { store: StoreId([4; 16]), ..IDENTITY },
        Identity { segment: SegmentId(101), ..IDENTITY },
        Identity { salt: Salt(0x5a18), ..IDENTITY },
    ];
    for other in others {
        let refused = Sealed::open(Box::new(Lent(bytes.clone())), &other).unwrap_err();
        assert!(
            matches!(refused, IndexError::Damaged { what: "the index of another segment", .. }),
            "{refused}"
        );
    }
    assert!(Sealed::open(Box::new(Lent(bytes)), &IDENTITY).is_ok());
}

#[test]
fn a_run_is_told_from_an_index_and_from_a_run_of_another_store() {
    let events = sample();
    let bytes = write(&events, &[memory(0, &events)]);
    let quipu_index::Part::File(sealed) = lent(&bytes) else { unreachable!() };
    let run = write_run(IDENTITY.store, &[Layer::Index(sealed)]).unwrap();
    let first = IDENTITY.segment;
    assert!(Run::open(Box::new(Lent(run.clone())), first, &IDENTITY).is_ok());
    for other in [
        Identity { store: StoreId([4; 16]), ..IDENTITY },
        Identity { segment: SegmentId(first.0 + 1), ..IDENTITY },
        Identity { salt: Salt(IDENTITY.salt.0 + 1), ..IDENTITY },
    ] {
        assert!(Run::open(Box::new(Lent(run.clone())), first, &other).is_err(), "{other:?}");
    }
    assert!(Run::open(Box::new(Lent(run.clone())), SegmentId(first.0 + 1), &IDENTITY).is_err());
    assert!(Run::open(Box::new(Lent(bytes)), first, &IDENTITY).is_err());
    assert!(Sealed::open(Box::new(Lent(run)), &IDENTITY).is_err());
}

#[test]
fn a_file_that_was_cut_or_grew_is_refused() {
    let events = sample();
    let bytes = write(&events, &[memory(0, &events)]);
    for length in [0, 1, 100, 4095, 4096, 5000, bytes.len() - 1] {
        assert!(Sealed::open(Box::new(Lent(bytes[..length].to_vec())), &IDENTITY).is_err());
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(Sealed::open(Box::new(Lent(longer)), &IDENTITY).is_err());
}

#[test]
fn opening_reads_the_header_and_the_checksums_and_finding_few_pages() {
    let events: Vec<_> = sample().into_iter().cycle().take(30_000).collect();
    let many: Vec<_> = (0..30_000u32)
        .zip(events)
        .map(|(at, mut event)| {
            event.local =
                vec![super::events::keys().bytes(quipu_index::Kind::EventId, &at.to_le_bytes())];
            event.born = None;
            event.offset.0 = 4128 + u64::from(at) * 160;
            event
        })
        .collect();
    let bytes = write(&many, &[memory(0, &many)]);
    let size = bytes.len() as u64;
    let source = Copied::new(bytes);
    let read = source.read.clone();
    let sealed = Sealed::open(Box::new(source), &IDENTITY).unwrap();
    let opened = read.swap(0, Ordering::Relaxed);
    assert!(opened <= 4096 + size / 1024 + 4, "{opened} bytes read to open {size}");
    let part = quipu_index::Part::File(std::sync::Arc::new(sealed));
    let key = many[15_000].local[0];
    let held = part.find(key).unwrap().unwrap();
    assert_eq!(held.count, 1);
    let first = read.swap(0, Ordering::Relaxed);
    assert!(first <= 7 * 4096, "{first} bytes read to find a key");
    part.find(key).unwrap();
    let again = read.swap(0, Ordering::Relaxed);
    assert!(again <= 4096, "{again} bytes read to find a key again");
    assert_eq!(part.ordinals(), 0..covers(&many).events);
}
