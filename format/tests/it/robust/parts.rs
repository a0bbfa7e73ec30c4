//! The parts of an index and what begins a record, at the bounds of each: what the engine asks while it looks for
//! something, and where one more or less would only cost time.

use quipu_format::FormatError;
use quipu_format::index::Span;
use quipu_format::index::names::{self, Names};
use quipu_format::index::offsets::{self, Offsets};
use quipu_format::index::postings::{self, Deltas, Layout};
use quipu_format::record::{Check, Record};

use crate::samples::{self, place};

const REFUSED_PART: FormatError = FormatError::Invalid("a place beyond its section");

#[test]
fn a_part_may_be_empty_and_may_be_all_of_its_section() {
    let span = Span { start: 100, bytes: 10 };
    assert_eq!(span.part(0..10), Ok(100..110));
    assert_eq!((span.part(0..0), span.part(10..10)), (Ok(100..100), Ok(110..110)));
    assert_eq!(span.part(0..11), Err(REFUSED_PART));
    #[expect(clippy::reversed_empty_ranges, reason = "it is what is refused")]
    let reversed = span.part(5..4);
    assert_eq!(reversed, Err(REFUSED_PART));
    assert_eq!((span.clip(4..99), span.clip(11..99)), (Ok(104..110), Err(REFUSED_PART)));
}

/// The second name of a block whose first is this long.
fn second_name(first: usize, shared: u16, rest: u16) -> Result<usize, FormatError> {
    let mut bytes = (first as u16).to_le_bytes().to_vec();
    bytes.resize(2 + first, b'x');
    bytes.extend_from_slice(&shared.to_le_bytes());
    bytes.extend_from_slice(&rest.to_le_bytes());
    bytes.resize(bytes.len() + usize::from(rest), b'y');
    let head = [2u32.to_le_bytes(), 1u32.to_le_bytes()].concat();
    let mut block = Names::decode(&head, 12 + bytes.len() as u64)?.block(0, &bytes);
    assert_eq!(block.next_name()?.map(str::len), Some(first));
    block.next_name().map(|name| name.map_or(0, str::len))
}

#[test]
fn a_name_may_share_all_of_the_one_before_and_be_as_long_as_a_name_may_be() {
    let refused = Err(FormatError::Invalid("length of a name"));
    assert_eq!((second_name(500, 500, 12), second_name(500, 499, 13)), (Ok(512), Ok(512)));
    assert_eq!(second_name(500, 500, 13), refused);
    assert_eq!(second_name(500, 501, 1), refused, "more than the name before has");
}

#[test]
fn the_first_name_of_a_block_says_how_many_bytes_it_needs() {
    assert_eq!(names::first(&[2, 0, b'a', b'b', b'c']), Ok(&b"ab"[..]));
    let short = |needed, available| Err(FormatError::Truncated { needed, available });
    assert_eq!(names::first(&[5, 0, b'a']), short(7, 3));
    assert_eq!(names::first(&[5]), short(2, 1));
}

#[test]
fn a_section_is_the_same_wherever_it_is_written() {
    let all: Vec<String> = (0..40).map(|number| format!("order-{number:03}")).collect();
    let units: Vec<u32> = (0..300).map(|at| 1000 + at * 3).collect();
    let written = |before: usize| {
        let (mut of_names, mut of_places) = (vec![7; before], vec![7; before]);
        names::encode(&all, &mut of_names);
        offsets::encode(&units, &mut of_places);
        (of_names.split_off(before), of_places.split_off(before))
    };
    let first = written(0);
    assert!(first.0.len() > 64 && first.1.len() > 64, "several blocks");
    assert_eq!(written(4096), first);
}

#[test]
fn the_places_of_events_stand_behind_a_slot_for_each_block() {
    let offsets = Offsets::of(129);
    assert_eq!((offsets.blocks(), offsets.table_range()), (2, 0..16));
    let slot = offsets.slot(&[9, 0, 0, 0, 50, 0, 0, 0]).expect("a whole slot");
    assert_eq!(offsets.block_range(slot), 50..50 + offsets::BLOCK_BYTES_MAX);
    assert_eq!(Offsets::of(0).table_range(), 0..0);
}

/// The layout of 400 ordinals among so many events that they are four blocks.
fn four_blocks() -> Deltas {
    let Ok(Layout::Deltas(deltas)) = Layout::of(400, 1 << 20) else { unreachable!("so few are") };
    assert_eq!(deltas.blocks(), 4);
    deltas
}

#[test]
fn an_ordinal_is_looked_for_in_the_last_block_that_begins_with_no_greater_one() {
    let ordinals: Vec<u32> = (0..400).map(|at| 10 + at * 5).collect();
    let mut section = Vec::new();
    postings::encode(&ordinals, 1 << 20, &mut section);
    let deltas = four_blocks();
    let table = deltas.table_range();
    let table = &section[table.start as usize..table.end as usize];
    for (at, ordinal) in ordinals.iter().enumerate() {
        assert_eq!(deltas.find(table, *ordinal) as usize, at / 128, "of {ordinal} itself");
        assert_eq!(deltas.find(table, ordinal + 1) as usize, at / 128, "behind {ordinal}");
    }
    assert_eq!((deltas.find(table, 0), deltas.find(table, u32::MAX)), (0, 3));
}

#[test]
fn the_last_event_is_a_posting_and_the_one_behind_it_is_none() {
    let deltas = four_blocks();
    let first = |ordinal: u32| {
        let slot = deltas.slot(&[ordinal.to_le_bytes(), [0; 4]].concat()).expect("a whole slot");
        deltas.nth(3, slot, &[0; 8], 0)
    };
    assert_eq!(first((1 << 20) - 1), Ok((1 << 20) - 1));
    assert_eq!(first(1 << 20), Err(FormatError::Invalid("a posting behind the last event")));
}

#[test]
fn what_may_begin_a_record_stands_where_it_says_and_is_one_of_the_frames_events() {
    let frame = samples::commit(&samples::events_header(), &samples::events(), place(8192));
    let first = Record::extent(&frame[32..]).expect("as written");
    let back = 32 + first.len;
    let bytes = &frame[back as usize..];
    let record = Record::extent(bytes).expect("as written");
    assert_eq!((record.frame_back, record.ordinal), (back, 1));
    let (bytes, ordinal) = (&bytes[..record.len as usize], 1);
    assert!(Record::is_plausible(bytes, back, ordinal + 1));
    assert!(!Record::is_plausible(bytes, back, ordinal), "it would be one event too many");
    assert!(!Record::is_plausible(bytes, back + 16, ordinal + 1), "it says that it is elsewhere");
    assert!(!Record::is_plausible(&bytes[..bytes.len() - 16], back, ordinal + 1), "cut short");
    assert!(!Record::is_plausible(&bytes[..31], back, ordinal + 1), "no whole header");
}

#[test]
fn optional_fields_take_as_many_bytes_as_they_have() {
    let len = |event: &samples::Event| {
        let bytes = samples::record(event, place(4128));
        Record::parse(&bytes, place(4128), Check::Sum).expect("as written").optional_len()
    };
    for event in samples::events() {
        let expected = event.occurred.map_or(0, |_| 8) + event.id.map_or(0, |_| 16);
        assert_eq!(len(&event), expected);
    }
}
