//! What a log is asked for that only a stepper has at hand.

use quipu_disk::MemoryDisk;
use quipu_format::Position;
use uuid::Uuid;

use super::*;
use crate::pipeline::Guard;
use crate::{ExpectedVersion, NewEvent};

const EVENTS: u64 = 60;

/// A commit of the n-th event.
fn parts(nth: u64) -> [Part<'static>; 1] {
    let event = NewEvent::new("T", vec![7; 900]).id(Uuid::from_u128(u128::from(nth) + 1));
    [Part { stream: "a", expected: ExpectedVersion::Any, events: vec![event] }]
}

fn work(stepper: &Stepper) {
    while stepper.chore() || (stepper.take_job() && stepper.finish_job()) {}
}

/// What has been looked at before is passed over by whole segments.
#[test]
fn ids_are_found_in_all_that_was_not_looked_at_before() {
    let options = Options {
        id_segments: 64,
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ..Options::default()
    };
    let stepper = Stepper::open(Arc::new(MemoryDisk::new()), Path::new("s"), &options).unwrap();
    let mut waiting = Waiting::default();
    while stepper.next_position().0 < EVENTS {
        let parts = parts(stepper.next_position().0);
        match stepper.place(&parts, None, Durability::Os, &mut waiting).unwrap() {
            Step::Placed(copy) => drop(copy.finish()),
            Step::Busy => {}
            Step::Repeated(_) | Step::Refused(_) => unreachable!("each id is new"),
        }
        work(&stepper);
    }
    assert!(stepper.segments() > 5, "{}", stepper.segments());
    let (log, keys) = (stepper.log().unwrap(), &stepper.segments.shelf.keys);
    let context = Context { keys, ids: &stepper.ids, disk: &*stepper.disk, index_ids: true };
    let mut passed = 0;
    for nth in 0..EVENTS {
        let mut draft = Draft::new(Durability::Os);
        let [Part { stream, expected, events }] = parts(nth);
        draft.append(&context, stream, expected, events).unwrap();
        let draft = draft.finish().unwrap();
        for from in 0..=EVENTS {
            let (seen, ids) = (Position(from), draft.outline.id_keys().to_vec());
            let mut guard = Guard { seen, fail_if: None, ids };
            let known = log.known_ids(&draft, &mut guard, seen).unwrap().is_some();
            assert!(known || nth < from, "event {nth}, looked for from {from} on");
            passed += u64::from(!known);
        }
    }
    assert!(passed > EVENTS, "{passed} were looked for in vain");
}
