//! Bytes whose checksum matches and which no writer gives: the checks behind the checksum.

use proptest::prelude::*;
use quipu_format::checksum::{Domain, Place};
use quipu_format::frame::{FLAG_SPARSE, FrameHeader, FrameKind, Link};
use quipu_format::record::{Check, Record};
use quipu_format::{ByteOffset, FormatError, Timestamp};

use super::structures::{self, Sample, domain, mend, mend_all, mend_page, pages, placed};
use crate::samples::{self, Event};

/// Gives every byte of the sample each of its values, mends the checksum, and decodes.
fn every_value_of_every_byte(sample: &Sample, until: usize, mend: impl Fn(&mut [u8], Place)) {
    let shift = if matches!(sample.name, "link") { 32 } else { 0 };
    for at in 0..until {
        for value in 0..=u8::MAX {
            let mut bytes = sample.bytes.clone();
            bytes[at] = value;
            mend(&mut bytes, sample.place.plus(shift));
            let decoded = (sample.decode)(&bytes, sample.place);
            // A length that goes past the end cannot be summed; whatever else is refused has a
            // matching checksum.
            assert!(
                !matches!(decoded, Err(FormatError::Checksum { .. })),
                "{}, byte {at} = {value}",
                sample.name
            );
        }
    }
}

#[test]
fn a_byte_of_any_value_with_a_matching_checksum_gives_a_value_or_a_reason() {
    for sample in placed() {
        let Some(domain) = domain(&sample) else { continue };
        let mend = if matches!(sample.name, "mark" | "link") { mend_all } else { mend };
        every_value_of_every_byte(&sample, sample.bytes.len(), |bytes, place| {
            mend(bytes, domain, place);
        });
    }
    for sample in pages() {
        every_value_of_every_byte(&sample, 96, |bytes, _| mend_page(bytes));
    }
}

proptest! {
    #[test]
    fn a_frame_header_that_is_accepted_is_canonical(
        mut bytes in any::<[u8; 32]>(),
        len in prop_oneof![Just(32u32), Just(96), Just(224), (0u32..4096), any::<u32>()],
        kind in prop_oneof![0u8..8, any::<u8>()],
        flags in 0u8..4,
        time_top in 0u8..,
        units in any::<u32>(),
    ) {
        let place = samples::place(ByteOffset::from_units(units).0);
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes[23] = time_top;
        bytes[27] = 0;
        (bytes[30], bytes[31]) = (kind, flags);
        mend_all(&mut bytes, Domain::Frame, place);
        match FrameHeader::decode(&bytes, place) {
            Ok(header) => {
                prop_assert_eq!(header.encode(place), bytes);
                prop_assert!(header.durable_to <= place.offset);
                prop_assert!(FrameHeader::is_plausible(&bytes, place, ByteOffset(u64::MAX)));
            }
            Err(FormatError::Invalid(_)) => {}
            Err(FormatError::Unsupported { .. }) => {
                prop_assert!(matches!(kind, 0 | 7..0x80) || flags != 0, "kind {}", kind);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn a_record_with_any_header_gives_a_value_or_a_reason(
        mut header in any::<[u8; 28]>(),
        small in any::<bool>(),
        body in proptest::collection::vec(any::<u8>(), 1024),
    ) {
        if small {
            // Lengths that fit, so that the names behind them are reached.
            (header[1], header[2], header[3]) = (header[1] & 3, 0, 0);
            (header[17], header[21], header[22]) = (0, header[21] & 3, header[22] & 0x0f);
            header[25..].fill(0);
        }
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&body);
        let place = samples::place(4128);
        mend(&mut bytes, Domain::Record, place);
        match structures::record(&bytes, place) {
            Err(FormatError::Checksum { .. }) => prop_assert!(false, "mended"),
            Err(FormatError::Truncated { needed, available }) => prop_assert!(needed > available),
            _ => {}
        }
    }

    #[test]
    fn an_edit_of_any_kind_and_body_gives_a_value_or_a_reason(
        kind in prop_oneof![0u16..8, any::<u16>()],
        len in 0u32..300,
        body in proptest::collection::vec(any::<u8>(), 272),
    ) {
        let mut bytes = vec![0; 32];
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes[16..18].copy_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&body);
        let place = samples::place(4096);
        mend(&mut bytes, Domain::Edit, place);
        let decoded = structures::edit(&bytes, place);
        let mended = !matches!(decoded, Err(FormatError::Checksum { .. }));
        prop_assert!(mended, "a checksum that was mended");
        prop_assert!(kind < 0x8000 || len < 32 || decoded.is_ok());
    }
}

/// A record of `header fields, body` with a matching checksum.
fn mended_record(fields: impl FnOnce(&mut Vec<u8>), place: Place) -> Vec<u8> {
    let mut bytes = samples::record(&samples::events()[1], place);
    fields(&mut bytes);
    mend(&mut bytes, Domain::Record, place);
    bytes
}

#[test]
fn each_rule_of_a_record_is_checked_behind_the_checksum() {
    type Change = fn(&mut Vec<u8>);
    let place = samples::place(4128);
    let cases: [(&str, Change); 9] = [
        ("no stream", |bytes| bytes[20..22].fill(0)),
        ("no type", |bytes| bytes[24] = 0),
        ("more tags than there are bytes", |bytes| bytes[25] = 32),
        ("an empty tag", |bytes| bytes[32 + 24 + 8 + 11] = 0),
        ("a stream that is not text", |bytes| bytes[32 + 24] = 0xff),
        ("a type that is not text", |bytes| bytes[32 + 24 + 8] = 0xff),
        ("a tag that is not text", |bytes| bytes[32 + 24 + 8 + 12] = 0xff),
        ("metadata beyond the record", |bytes| bytes[29] = 1),
        ("a length less than a header", |bytes| bytes[4..8].copy_from_slice(&31u32.to_le_bytes())),
    ];
    for (name, change) in cases {
        let bytes = mended_record(change, place);
        let decoded = structures::record(&bytes, place);
        assert!(matches!(decoded, Err(FormatError::Invalid(_))), "{name}: {decoded:?}");
    }
    for bit in 4..8 {
        let bytes = mended_record(|bytes| bytes[26] |= 1 << bit, place);
        let decoded = structures::record(&bytes, place);
        assert!(matches!(decoded, Err(FormatError::Unsupported { .. })), "reserved bit {bit}");
    }
}

#[test]
fn a_record_without_a_payload_counts_the_padding_behind_its_metadata() {
    let place = samples::place(4128);
    let mut bytes = samples::record(&samples::events()[0], place);
    bytes[4] = 32 + 2;
    mend(&mut bytes, Domain::Record, place);
    let decoded = structures::record(&bytes, place);
    assert!(matches!(decoded, Err(FormatError::Invalid(_))), "{decoded:?}");
}

#[test]
fn optional_fields_that_nobody_knows_are_stepped_over() {
    let place = samples::place(4128);
    let event = &samples::events()[1];
    for unknown in (0u16..64).map(|bits| (bits & 7) << 9 | (bits >> 3) << 13) {
        let valid = samples::record(event, place);
        let (occurred, id) = (&valid[32..40], &valid[40..56]);
        let eights = vec![0xee; (unknown & 0x0e00).count_ones() as usize * 8];
        let sixteens = vec![0xdd; (unknown & 0xe000).count_ones() as usize * 16];
        let names = &valid[56..56 + 8 + 11 + 11 + 10 + 12];
        let mut bytes = [&valid[..32], occurred, &eights, id, &sixteens, names].concat();
        bytes.resize(bytes.len().next_multiple_of(16), 0);
        bytes.extend_from_slice(&event.payload);
        let len = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes[27] |= (unknown >> 8) as u8;
        bytes.resize(bytes.len().next_multiple_of(16), 0);
        mend(&mut bytes, Domain::Record, place);
        let parsed = Record::parse(&bytes, place, Check::Sum).map(|record| Event::of(&record));
        assert_eq!(parsed.as_ref(), Ok(event), "flags {unknown:#06x}");
    }
}

#[test]
fn each_rule_of_a_frame_header_is_checked_behind_the_checksum() {
    let place = samples::place(8192);
    let of = |kind| samples::header(kind, 5, 7, 4096);
    let events = FrameHeader { events: 1, len: 96, ..of(FrameKind::Events) };
    let cases = [
        ("an empty commit", FrameHeader { events: 0, ..events }),
        ("events in no bytes", FrameHeader { len: 32, ..events }),
        ("more events than bytes", FrameHeader { events: 2, ..events }),
        ("a length off the unit", FrameHeader { len: 104, ..events }),
        ("a length less than a header", FrameHeader { len: 16, ..events }),
        ("a frame too large", FrameHeader { len: (64 << 20) + 16, ..events }),
        ("durable past itself", FrameHeader { durable_to: ByteOffset(8208), ..events }),
        ("a time before 1970", FrameHeader { time: Timestamp(-1), ..events }),
        ("a mark with events", FrameHeader { events: 1, ..of(FrameKind::Mark) }),
        ("a mark with a body", FrameHeader { len: 48, ..of(FrameKind::Mark) }),
        ("a link too short", FrameHeader { len: 80, ..of(FrameKind::Link) }),
        ("a link too long", FrameHeader { len: 112, ..of(FrameKind::Link) }),
        ("a seal too short", FrameHeader { len: 208, ..of(FrameKind::Seal) }),
        ("a control with events", FrameHeader { events: 1, ..of(FrameKind::Control) }),
        ("skipped events", FrameHeader { events: 1, ..of(FrameKind::Skippable(0x80)) }),
    ];
    let two = FrameHeader { events: 2, len: 128, ..events };
    let sparse = FrameHeader { events: 9, flags: FLAG_SPARSE, ..events };
    let encrypted = FrameHeader { events: 9, len: 32, ..of(FrameKind::Encrypted) };
    for sound in [events, two, sparse, encrypted] {
        assert_eq!(FrameHeader::decode(&sound.encode(place), place), Ok(sound));
    }
    for (name, header) in cases {
        let decoded = FrameHeader::decode(&header.encode(place), place);
        assert!(matches!(decoded, Err(FormatError::Invalid(_))), "{name}: {decoded:?}");
    }
}

#[test]
fn a_flag_is_known_only_where_its_kind_lists_it() {
    let place = samples::place(8192);
    for kind in [FrameKind::Link, FrameKind::Events, FrameKind::Control, FrameKind::Mark] {
        for bit in 0..8 {
            let events = u16::from(kind == FrameKind::Events);
            let header =
                FrameHeader { flags: 1 << bit, events, ..samples::header(kind, 5, 7, 4096) };
            let known = matches!((kind, bit), (FrameKind::Mark, 0) | (FrameKind::Events, 1));
            let decoded = FrameHeader::decode(&header.encode(place), place);
            assert_eq!(decoded.is_ok(), known, "{kind:?}, bit {bit}");
            assert!(known || matches!(decoded, Err(FormatError::Unsupported { .. })));
        }
    }
}

#[test]
fn each_rule_of_a_link_and_a_seal_is_checked_behind_the_checksum() {
    let place = samples::place(4096);
    let (_, link) = samples::link_after();
    let early = Link { last_time: Timestamp(-1), ..link };
    let decoded = Link::decode(&early.encode(place), place);
    assert!(matches!(decoded, Err(FormatError::Invalid(_))));
    let mut longer = link.encode(place);
    longer[4] += 16;
    mend_all(&mut longer, Domain::Body, place.plus(32));
    assert!(matches!(Link::decode(&longer, place), Err(FormatError::Invalid(_))));

    let seal = samples::seal(None);
    let mut wrong = [seal; 5];
    wrong[0].events += 1;
    wrong[1].next_position.0 = 999;
    (wrong[2].events, wrong[2].dropped) = (u64::MAX, 101);
    wrong[3].first_time = Timestamp(-1);
    wrong[4].last_time = Timestamp(seal.first_time.0 - 1);
    for seal in wrong {
        let body = quipu_format::frame::encode_seal(&seal, place);
        assert!(matches!(structures::seal(&body, place), Err(FormatError::Invalid(_))), "{seal:?}");
    }
}
