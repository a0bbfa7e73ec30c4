//! What only a store asks of the bytes: which frames and codecs are taken, and where the parts of an index stand.

use quipu_format::frame::{FLAG_SPARSE, FrameHeader, FrameKind};
use quipu_format::index::filter::{self, Probe};
use quipu_format::index::offsets::{self, BLOCK, Encoder, Offsets};
use quipu_format::index::postings::{self, Layout};
use quipu_format::record::Codec;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{FormatError, Position, Timestamp};

fn permitted(kind: FrameKind, flags: u8) -> Result<(), FormatError> {
    let (first_position, time) = (Position(0), Timestamp(0));
    FrameHeader { kind, flags, len: 0, events: 0, first_position, time, durable_to: FIRST_FRAME }
        .permit()
}

#[test]
fn reserved_kinds_and_flags_ask_for_a_newer_version() {
    let reserved = |what, value| Err(FormatError::Unsupported { what, value });
    for flags in [0, 1, FLAG_SPARSE, 4] {
        for kind in [FrameKind::Link, FrameKind::Mark, FrameKind::Seal, FrameKind::Skippable(130)] {
            assert_eq!(permitted(kind, flags), Ok(()), "{kind:?} {flags}");
        }
        assert_eq!(permitted(FrameKind::Control, flags), reserved("frame kind", 3));
        assert_eq!(permitted(FrameKind::Encrypted, flags), reserved("frame kind", 6));
    }
    assert_eq!(permitted(FrameKind::Events, 0), Ok(()));
    assert_eq!(permitted(FrameKind::Events, 5), Ok(()));
    for flags in [FLAG_SPARSE, FLAG_SPARSE | 1] {
        assert_eq!(permitted(FrameKind::Events, flags), reserved("frame flag", u64::from(flags)));
    }
}

#[test]
fn a_codec_without_a_name_is_taken_if_a_record_has_bits_for_it_and_no_name() {
    for code in 0..=u8::MAX {
        assert_eq!(Codec::Other(code).is_storable(), (5..=15).contains(&code), "{code}");
    }
    for named in [Codec::Bytes, Codec::Json, Codec::Rkyv, Codec::Protobuf, Codec::MessagePack] {
        assert!(named.is_storable(), "{named:?}");
    }
}

#[test]
fn ranks_stand_side_by_side() {
    let Ok(Layout::Bitmap(bitmap)) = Layout::of(5_000, 10_000) else { panic!("half of all") };
    assert_eq!(bitmap.ranks_of(2..5), 8..20);
    assert_eq!(bitmap.ranks_of(0..1), 0..4);
}

#[test]
fn a_filter_is_described_by_its_seed_and_its_segments() {
    let mut expected = Vec::new();
    expected.extend(0x0102_0304_0506_0708_u64.to_le_bytes());
    for part in [16_u32, 15, 48] {
        expected.extend(part.to_le_bytes());
    }
    assert_eq!(filter::descriptor(0x0102_0304_0506_0708, 16, 3).to_vec(), expected);
}

#[test]
fn three_fingerprints_that_make_that_of_a_key_may_hold_it() {
    let descriptor = filter::descriptor(7, 16, 3);
    let probes = (0..50_u128).map(|key| Probe::of(&descriptor, key << 40));
    let prints: std::collections::BTreeSet<u8> = probes
        .map(|probe| {
            let print = probe.print();
            assert!(probe.may_hold([print ^ 5, 3, 6]) && !probe.may_hold([print, 3, 6]));
            print
        })
        .collect();
    assert!(prints.len() > 20, "{prints:?}");
}

#[test]
fn places_that_stand_close_take_the_least_bytes_and_each_block_tells_its_own() {
    for events in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7] {
        let offsets = Offsets::of(events);
        for spread in [0, 1, 1000] {
            let units: Vec<u32> = (0..events).map(|at| 9 + at * spread).collect();
            let mut bytes = Vec::new();
            offsets::encode(&units, &mut bytes);
            let least = offsets.bytes_min();
            assert!(bytes.len() as u64 >= least && (spread > 0 || bytes.len() as u64 == least));
            let mut read = Vec::new();
            let mut len = offsets.table_range().end;
            for block in 0..offsets.blocks() {
                let at = offsets.slot_range(block).start as usize;
                let slot = offsets.slot(&bytes[at..]).unwrap();
                assert_eq!(u64::from(slot.at), len, "blocks stand side by side");
                len += offsets.decode(block, slot, &bytes[slot.at as usize..], &mut read).unwrap();
            }
            assert_eq!((read, len), (units, bytes.len() as u64), "{events} events");
        }
    }
}

#[test]
fn places_beyond_those_that_were_announced_are_left_out() {
    let units: Vec<u32> = (0..3 * BLOCK).collect();
    let mut announced = Vec::new();
    offsets::encode(&units[..BLOCK as usize], &mut announced);
    let mut more = Vec::new();
    let mut encoder = Encoder::new(BLOCK, &mut more);
    units.iter().for_each(|&place| encoder.push(place));
    encoder.finish();
    assert_eq!(more, announced);
}

/// Whoever reads a block reads so many bytes, not knowing its length.
#[test]
fn the_widest_blocks_take_as_many_bytes_as_any_may() {
    let mut ordinals: Vec<u32> = (0..postings::BLOCK).collect();
    ordinals[postings::BLOCK as usize - 1] = u32::MAX - 1;
    let mut bytes = Vec::new();
    postings::encode(&ordinals, u32::MAX, &mut bytes);
    assert_eq!(bytes.len() as u64, postings::BLOCK_BYTES_MAX);
    let mut bytes = Vec::new();
    offsets::encode(&ordinals, &mut bytes);
    let table = Offsets::of(BLOCK).table_range().end;
    assert_eq!(bytes.len() as u64 - table, offsets::BLOCK_BYTES_MAX);
}
