//! Whatever can be written is read back as it was.

use proptest::prelude::*;
use quipu_format::checksum::Place;
use quipu_format::features::Features;
use quipu_format::frame::{self, FLAG_SPARSE, FrameHeader, FrameKind, Link};
use quipu_format::manifest::{Edit, Ending, ManifestHeader};
use quipu_format::record::{self, Check, Codec, Record};
use quipu_format::segment::SegmentHeader;
use quipu_format::{
    ByteOffset, Epoch, Hash, Lsn, Position, Salt, Seal, SegmentId, StoreId, Timestamp,
};

use crate::samples::{self, Event};

fn places() -> impl Strategy<Value = Place> {
    (any::<u64>(), 256..u32::MAX)
        .prop_map(|(salt, units)| Place::new(Salt(salt), ByteOffset::from_units(units)))
}

fn times() -> impl Strategy<Value = Timestamp> {
    (0..=i64::MAX).prop_map(Timestamp)
}

fn features() -> impl Strategy<Value = Features> {
    any::<(u32, u32, u32)>().prop_map(|(compatible, read_only_compatible, incompatible)| Features {
        compatible,
        read_only_compatible,
        incompatible,
    })
}

fn lsns() -> impl Strategy<Value = Lsn> {
    any::<u64>().prop_map(Lsn)
}

fn links() -> impl Strategy<Value = Link> {
    let ends = (1..=u32::MAX, any::<u32>(), any::<u64>()).prop_map(|(segment, end, salt)| {
        (Lsn::new(SegmentId(segment), ByteOffset::from_units(end)), Salt(salt))
    });
    (proptest::option::of(ends), times(), any::<[u8; 16]>(), any::<u32>()).prop_map(
        |(predecessor, last_time, epoch, writer)| Link {
            predecessor,
            last_time,
            epoch: Epoch(epoch),
            writer,
        },
    )
}

fn seals() -> impl Strategy<Value = Seal> {
    let counts = (0..u64::MAX / 4, 0..u64::MAX / 4, 0..u64::MAX / 4);
    let occurred = proptest::option::of(any::<(i64, i64)>());
    let hashes = any::<([u8; 32], [u8; 32], [u8; 32])>();
    (counts, times(), times(), occurred, hashes).prop_map(
        |((events, dropped, first), one, other, occurred, hashes)| Seal {
            events,
            dropped,
            first_position: Position(first),
            next_position: Position(first + events + dropped),
            first_time: one.min(other),
            last_time: one.max(other),
            occurred: occurred.map(|(a, b)| (Timestamp(a.min(b)), Timestamp(a.max(b)))),
            content_hash: Hash(hashes.0),
            origin_hash: Hash(hashes.1),
            chain: Hash(hashes.2),
        },
    )
}

fn edits() -> impl Strategy<Value = Edit> {
    let endings = prop_oneof![Just(Ending::Framed), Just(Ending::Cut)];
    prop_oneof![
        any::<[u8; 16]>().prop_map(|epoch| Edit::Opened { epoch: Epoch(epoch) }),
        (lsns(), any::<u64>())
            .prop_map(|(end, next)| Edit::Closed { end, next_position: Position(next) }),
        (1..=u32::MAX, any::<u64>(), 2u64..1 << 24, any::<[u8; 16]>()).prop_map(
            |(segment, salt, pages, origin)| Edit::Segment {
                segment: SegmentId(segment),
                salt: Salt(salt),
                capacity: ByteOffset(pages * 4096),
                origin: StoreId(origin),
            }
        ),
        (lsns(), seals(), endings).prop_map(|(end, seal, ending)| Edit::Sealed {
            end,
            seal,
            ending
        }),
        any::<u32>().prop_map(|segment| Edit::Retired { segment: SegmentId(segment) }),
        (0x8000..=u16::MAX).prop_map(Edit::Skippable),
    ]
}

/// A header that a writer may give, at a place that it may stand at.
fn headers() -> impl Strategy<Value = (FrameHeader, Place)> {
    let kinds = prop_oneof![
        Just((FrameKind::Link, 0, 96, 0)),
        (5u32..=4_194_304, any::<u16>()).prop_map(|(units, events)| {
            let most = u16::try_from((units - 2) / 3).unwrap_or(u16::MAX);
            (FrameKind::Events, 0, units * 16, 1 + events % most)
        }),
        (2u32..=4_194_304, 1u16..).prop_map(|(units, events)| (
            FrameKind::Events,
            FLAG_SPARSE,
            units * 16,
            events
        )),
        (2u32..=4_194_304).prop_map(|units| (FrameKind::Control, 0, units * 16, 0)),
        (0u8..=1).prop_map(|closed| (FrameKind::Mark, closed, 32, 0)),
        Just((FrameKind::Seal, 0, 224, 0)),
        (2u32..=4_194_304, any::<u16>()).prop_map(|(units, events)| (
            FrameKind::Encrypted,
            0,
            units * 16,
            events
        )),
        (0x80u8.., any::<u8>(), 2u32..=4_194_304).prop_map(|(code, flags, units)| (
            FrameKind::Skippable(code),
            flags,
            units * 16,
            0
        )),
    ];
    (kinds, places(), any::<u64>(), times(), any::<u32>()).prop_map(
        |((kind, flags, len, events), place, first_position, time, durable_to)| {
            let durable_to = ByteOffset::from_units(durable_to % (place.offset.units() + 1));
            let first_position = Position(first_position);
            (FrameHeader { kind, flags, len, events, first_position, time, durable_to }, place)
        },
    )
}

fn codecs() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::Bytes),
        Just(Codec::Json),
        Just(Codec::Rkyv),
        Just(Codec::Protobuf),
        Just(Codec::MessagePack),
        (5u8..16).prop_map(Codec::Other),
    ]
}

/// A name of 1 to `bytes` bytes.
fn names(bytes: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 1..40).prop_map(move |chars| {
        let mut name = String::new();
        for char in chars {
            if name.len() + char.len_utf8() <= bytes {
                name.push(char);
            }
        }
        name
    })
}

pub(crate) fn events() -> impl Strategy<Value = Event> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    let optional = (proptest::option::of(any::<i64>()), proptest::option::of(any::<[u8; 16]>()));
    let tags = proptest::collection::vec(names(255).prop_map(Into::into), 0..=32);
    (any::<u64>(), names(512), names(255), tags, bytes(300), bytes(300), codecs(), optional)
        .prop_map(|(version, stream, kind, tags, metadata, payload, codec, (occurred, id))| Event {
            version,
            stream,
            kind,
            tags,
            metadata,
            payload,
            codec,
            occurred: occurred.map(Timestamp),
            id,
        })
}

proptest! {
    #[test]
    fn a_segment_header_is_read_as_written(
        features in features(),
        origin in any::<[u8; 16]>(),
        segment in 1u32..,
        salt in any::<u64>(),
        pages in 2u64..1 << 24,
    ) {
        let header = SegmentHeader {
            features,
            origin: StoreId(origin),
            segment: SegmentId(segment),
            salt: Salt(salt),
            capacity: ByteOffset(pages * 4096),
        };
        prop_assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn a_manifest_header_is_read_as_written(
        features in features(),
        ids in any::<([u8; 16], [u8; 16])>(),
        salt in any::<u64>(),
        generation in any::<u64>(),
    ) {
        let (store, secret) = (StoreId(ids.0), ids.1);
        let header = ManifestHeader { features, store, secret, salt: Salt(salt), generation };
        prop_assert_eq!(ManifestHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn a_frame_header_is_read_as_written((header, place) in headers()) {
        let bytes = header.encode(place);
        prop_assert_eq!(FrameHeader::decode(&bytes, place), Ok(header));
        let capacity = ByteOffset(place.offset.0 + u64::from(header.len));
        prop_assert!(FrameHeader::is_plausible(&bytes, place, capacity));
        prop_assert!(!FrameHeader::is_plausible(&bytes, place, ByteOffset(capacity.0 - 16)));
    }

    #[test]
    fn a_link_is_read_as_written(link in links(), place in places()) {
        prop_assert_eq!(Link::decode(&link.encode(place), place), Ok(link));
    }

    #[test]
    fn a_seal_is_read_as_written(seal in seals(), place in places()) {
        prop_assert_eq!(frame::decode_seal(&frame::encode_seal(&seal, place), place), Ok(seal));
    }

    #[test]
    fn an_edit_is_read_as_written(edit in edits(), number in any::<u64>(), place in places()) {
        let mut bytes = vec![7; 48];
        edit.encode(number, place, &mut bytes);
        prop_assert_eq!(&bytes[..48], &[7; 48][..]);
        let len = bytes.len() as u64 - 48;
        prop_assert_eq!(Edit::decode(&bytes[48..], place), Ok((number, edit, len)));
    }

    #[test]
    fn a_commit_is_read_as_written(
        events in proptest::collection::vec(events(), 1..6),
        place in places(),
    ) {
        let header = FrameHeader { durable_to: ByteOffset(0), ..samples::events_header() };
        let bytes = samples::commit(&header, &events, place);
        let (_, decoded) = samples::read_frame(&bytes, place).expect("a valid commit");
        prop_assert_eq!(decoded, events);
    }

    #[test]
    fn a_record_takes_the_bytes_that_were_foretold(
        event in events(),
        before in 0usize..8,
    ) {
        let mut frame = vec![0; before * 16];
        let draft = record::encode(&mut frame, &event.fields(3));
        prop_assert_eq!(draft.offset as usize, before * 16);
        let appended = (frame.len() - before * 16) as u64;
        prop_assert_eq!(record::encoded_bytes(&event.fields(3)), appended);
        prop_assert_eq!(appended % 16, 0);
    }

    #[test]
    fn a_record_that_was_moved_is_valid_there_and_nowhere_else(
        event in events(),
        from in places(),
        to in places(),
    ) {
        let mut bytes = samples::record(&event, from);
        record::resettle(&mut bytes, to);
        let moved = Record::parse(&bytes, to, Check::Sum).map(|record| Event::of(&record));
        prop_assert_eq!(moved, Ok(event));
        prop_assert!(from == to || Record::parse(&bytes, from, Check::Sum).is_err());
    }

    #[test]
    fn a_payload_begins_at_a_unit_of_the_file(event in events(), place in places()) {
        let bytes = samples::record(&event, place);
        let parsed = Record::parse(&bytes, place, Check::Sum).expect("a valid record");
        let before = parsed.payload().as_ptr() as usize - bytes.as_ptr() as usize;
        prop_assert_eq!(before % 16, 0);
    }
}
