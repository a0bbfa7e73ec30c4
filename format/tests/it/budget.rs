//! What a commit costs on disk beyond what the user gave.

use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader};
use quipu_format::record::{self, RECORD_BYTES_MIN, RECORD_HEADER_BYTES};

use crate::samples::{self, Event};

/// Bytes of the names of an event with the padding behind them: the budget does not count these.
fn names(event: &Event) -> usize {
    let tags: usize = event.tags.iter().map(|tag| 1 + tag.len()).sum();
    let id = event.id.map_or(0, |id| id.len()) + event.occurred.map_or(0, |_| 8);
    (event.stream.len() + event.kind.len() + tags + id + event.metadata.len()).next_multiple_of(16)
}

fn commit_bytes(events: &[Event]) -> usize {
    samples::commit(&samples::events_header(), events, samples::place(8192)).len()
}

#[test]
fn a_commit_of_one_event_costs_64_bytes_and_each_further_event_32() {
    assert_eq!((FRAME_HEADER_BYTES, RECORD_HEADER_BYTES), (32, 32));
    for event in samples::events() {
        let payload = event.payload.len().next_multiple_of(16);
        let mut events = Vec::new();
        for further in 0..5 {
            events.push(event.clone());
            let given = events.len() * (names(&event) + payload);
            assert_eq!(commit_bytes(&events) - given, 64 + 32 * further);
        }
    }
}

#[test]
fn padding_takes_less_than_a_unit_before_and_after_the_payload() {
    for name in 1..40 {
        for payload in 0..40 {
            let event =
                Event { payload: vec![0; payload], ..Event::new(&"s".repeat(name), "type") };
            let bytes = record::encoded_bytes(&event.fields(0)) as usize;
            let given = RECORD_HEADER_BYTES + name + 4 + payload;
            assert!((given..=given + 30).contains(&bytes), "{name} and {payload}");
        }
    }
}

/// So no writer gives a frame more events than its bytes may hold.
#[test]
fn the_smallest_events_take_as_many_bytes_as_a_frame_must_have_for_each() {
    let place = samples::place(8192);
    let smallest = Event::new("a", "b");
    for events in [1, 2, 100, 65_535] {
        let bytes =
            samples::commit(&samples::events_header(), &vec![smallest.clone(); events], place);
        assert_eq!(bytes.len(), FRAME_HEADER_BYTES + events * RECORD_BYTES_MIN);
        let header = FrameHeader::decode(&bytes, place).unwrap();
        assert_eq!(usize::from(header.events), events);
    }
    assert_eq!(commit_bytes(&[smallest]), 80);
}
