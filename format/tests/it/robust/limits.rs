//! The bounds, on both sides of each; and what unknown feature bits mean.

use quipu_format::checksum::Domain;
use quipu_format::features::{Features, Use};
use quipu_format::frame::{FrameHeader, FrameKind};
use quipu_format::limits::{
    EVENTS_MAX, FRAME_BYTES_MAX, METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN, STREAM_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX, TYPE_BYTES_MAX,
};
use quipu_format::manifest::{EDIT_BYTES_MAX, Edit};
use quipu_format::record::{Check, Record};
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};
use quipu_format::{ByteOffset, FormatError, PAGE_BYTES, SegmentId};

use super::structures::{mend, mend_page, record};
use crate::samples::{self, Event};

fn filled(len: usize) -> String {
    "x".repeat(len)
}

/// The largest event that may be written.
fn largest() -> Event {
    Event {
        tags: vec![filled(TAG_BYTES_MAX).into(); TAGS_MAX],
        metadata: vec![1; METADATA_BYTES_MAX],
        payload: vec![2; PAYLOAD_BYTES_MAX],
        ..Event::new(&filled(STREAM_BYTES_MAX), &filled(TYPE_BYTES_MAX))
    }
}

#[test]
fn an_event_at_all_its_bounds_is_read_as_written() {
    let (place, event) = (samples::place(4128), largest());
    let bytes = samples::record(&event, place);
    assert!(bytes.len() < FRAME_BYTES_MAX - PAGE_BYTES as usize);
    let parsed = Record::parse(&bytes, place, Check::Sum).expect("within all bounds");
    assert!(Event::of(&parsed) == event);
}

#[test]
fn an_event_past_one_of_its_bounds_is_refused() {
    let small = || Event::new("stream", "type");
    let cases = [
        ("stream", Event { stream: filled(STREAM_BYTES_MAX + 1), ..small() }),
        ("tags", Event { tags: vec!["tag".into(); TAGS_MAX + 1], ..small() }),
        ("metadata", Event { metadata: vec![0; METADATA_BYTES_MAX + 1], ..small() }),
        ("payload", Event { payload: vec![0; PAYLOAD_BYTES_MAX + 1], ..small() }),
        ("no stream", Event { stream: String::new(), ..small() }),
        ("no type", Event { kind: String::new(), ..small() }),
        ("an empty tag", Event { tags: vec!["".into()], ..small() }),
    ];
    for (name, event) in cases {
        let place = samples::place(4128);
        let decoded = record(&samples::record(&event, place), place);
        assert!(matches!(decoded, Err(FormatError::Invalid(_))), "{name}: {decoded:?}");
    }
}

#[test]
fn a_record_longer_than_any_frame_is_refused_before_it_is_looked_for() {
    let place = samples::place(4128);
    let mut bytes = samples::record(&samples::events()[0], place);
    for (len, refused) in [(FRAME_BYTES_MAX, false), (FRAME_BYTES_MAX + 1, true)] {
        bytes[4..8].copy_from_slice(&(len as u32).to_le_bytes());
        match record(&bytes, place) {
            Err(FormatError::Truncated { needed, available }) => {
                assert!(!refused);
                assert_eq!((needed, available), (len as u64, bytes.len() as u64));
            }
            other => assert!(refused && matches!(other, Err(FormatError::Invalid(_)))),
        }
    }
}

#[test]
fn the_bounds_fit_into_their_fields_and_into_each_other() {
    assert_eq!(EVENTS_MAX, usize::from(u16::MAX));
    assert_eq!(TYPE_BYTES_MAX, usize::from(u8::MAX));
    assert_eq!(TAG_BYTES_MAX, usize::from(u8::MAX));
    assert!(TAGS_MAX <= usize::from(u8::MAX) && STREAM_BYTES_MAX <= usize::from(u16::MAX));
    let around = FIRST_FRAME.0 + 96 + 224;
    assert!(FRAME_BYTES_MAX as u64 + around <= SEGMENT_BYTES_MAX);
    assert!(around + 96 <= SEGMENT_BYTES_MIN);
}

#[test]
fn a_segment_has_a_capacity_that_its_places_can_address() {
    let addressable = u64::from(u32::MAX) / 256 * 4096;
    let with = |capacity| {
        let capacity = ByteOffset(capacity);
        SegmentHeader::decode(&SegmentHeader { capacity, ..samples::segment_header() }.encode())
    };
    for capacity in [SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX, addressable] {
        assert_eq!(with(capacity).map(|header| header.capacity), Ok(ByteOffset(capacity)));
    }
    let header = SegmentHeader { features: Features::default(), ..samples::segment_header() };
    for capacity in [0, SEGMENT_BYTES_MIN - 4096, SEGMENT_BYTES_MIN + 16, 1 << 36, 1 << 63] {
        let page = SegmentHeader { capacity: ByteOffset(capacity), ..header }.encode();
        assert_eq!(SegmentHeader::decode(&page), Err(FormatError::Invalid("segment capacity")));
    }
    let page = SegmentHeader { segment: SegmentId(0), ..header }.encode();
    assert_eq!(SegmentHeader::decode(&page), Err(FormatError::Invalid("segment number")));
}

#[test]
fn a_newer_segment_is_unsupported_before_any_other_field_is_judged() {
    let newer = SegmentHeader { capacity: ByteOffset(1), ..samples::segment_header() };
    let decoded = SegmentHeader::decode(&newer.encode());
    assert!(matches!(decoded, Err(FormatError::Unsupported { value: 4, .. })), "{decoded:?}");
}

#[test]
fn reserved_bytes_of_a_page_are_ignored() {
    let mut page = samples::segment_header().encode();
    page[56..4092].fill(0xaa);
    mend_page(&mut page);
    assert_eq!(SegmentHeader::decode(&page), Ok(samples::segment_header()));
}

#[test]
fn an_edit_may_be_as_long_as_its_bound_and_have_grown() {
    let place = samples::place(4096);
    let grown = |edit: &Edit, len: usize| {
        let mut bytes = Vec::new();
        edit.encode(1, place, &mut bytes);
        bytes.resize(len.next_multiple_of(16), 0x77);
        bytes[4..8].copy_from_slice(&(len as u32).to_le_bytes());
        mend(&mut bytes, Domain::Edit, place);
        Edit::decode(&bytes, place)
    };
    for (name, _, _, edit) in samples::edits() {
        assert_eq!(grown(&edit, 300), Ok((1, edit, 304)), "{name}");
        assert_eq!(grown(&edit, EDIT_BYTES_MAX), Ok((1, edit, EDIT_BYTES_MAX as u64)), "{name}");
        let refused = Err(FormatError::Invalid("length of an edit"));
        assert_eq!(grown(&edit, EDIT_BYTES_MAX + 1), refused, "{name}");
        assert_eq!(grown(&edit, 31), refused, "{name}");
        // Without its body an edit says nothing; one that is stepped over needs none.
        assert_eq!(grown(&edit, 32).is_ok(), matches!(edit, Edit::Skippable(_)), "{name}");
    }
}

#[test]
fn kinds_that_nobody_knows_are_stepped_over_in_their_upper_half_only() {
    let place = samples::place(8192);
    for kind in 0..=u8::MAX {
        let header = samples::header(FrameKind::Skippable(kind), 0, 0, 0);
        let decoded = FrameHeader::decode(&header.encode(place), place);
        match kind {
            1..=6 => assert!(!matches!(decoded, Err(FormatError::Unsupported { .. })), "{kind}"),
            0 | 7..0x80 => {
                assert!(matches!(decoded, Err(FormatError::Unsupported { .. })), "{kind}");
            }
            0x80.. => assert_eq!(decoded, Ok(header)),
        }
    }
    for kind in [0, 6, 0x7fff, 0x8000, 0xffff] {
        let mut bytes = Vec::new();
        Edit::Skippable(kind).encode(1, place, &mut bytes);
        let decoded = Edit::decode(&bytes, place);
        if kind < 0x8000 {
            assert!(matches!(decoded, Err(FormatError::Unsupported { .. })), "{kind}");
        } else {
            assert_eq!(decoded, Ok((1, Edit::Skippable(kind), 32)));
        }
    }
}

#[test]
fn an_unknown_bit_is_treated_by_the_mask_that_it_stands_in() {
    assert_eq!(Features::default().permit(), Ok(Use::ReadWrite));
    for bit in 0..32 {
        let unknown = |known: u32| (1 << bit) & !known;
        let compatible = Features { compatible: 1 << bit, ..Features::default() };
        assert_eq!(compatible.permit(), Ok(Use::ReadWrite));

        let read_only = unknown(Features::KNOWN.read_only_compatible);
        let features = Features { read_only_compatible: read_only, ..compatible };
        let expected = if read_only == 0 { Use::ReadWrite } else { Use::ReadOnly };
        assert_eq!(features.permit(), Ok(expected));

        let incompatible = unknown(Features::KNOWN.incompatible);
        let refused = Features { incompatible, ..features }.permit();
        assert_eq!(refused.is_err(), incompatible != 0);
        assert!(
            incompatible == 0
                || matches!(refused, Err(FormatError::Unsupported { value, .. }) if value == 1 << bit)
        );
    }
    assert_eq!(Features::KNOWN.permit(), Ok(Use::ReadWrite));
}

#[test]
fn an_edit_names_only_segments_that_there_can_be() {
    let place = samples::place(4096);
    for (segment, capacity) in [(0, 8192), (1, 4096), (1, 8200), (1, 1 << 40)] {
        let edit = Edit::Segment {
            segment: quipu_format::SegmentId(segment),
            salt: quipu_format::Salt(1),
            capacity: quipu_format::ByteOffset(capacity),
            origin: quipu_format::StoreId([1; 16]),
        };
        let mut bytes = Vec::new();
        edit.encode(1, place, &mut bytes);
        let decoded = Edit::decode(&bytes, place);
        assert!(matches!(decoded, Err(FormatError::Invalid(_))), "{segment} {capacity}");
    }
}
