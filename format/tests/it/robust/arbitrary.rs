//! Bytes that nobody wrote.

use proptest::prelude::*;
use quipu_format::ByteOffset;
use quipu_format::frame::FrameHeader;
use quipu_format::record::{Check, Record};

use super::structures::{DECODERS, pages, placed};
use crate::samples::{self, Event};

/// All that a record gives, for a record whose checksum nobody asked for.
fn look_at(record: &Record<'_>, len: usize) -> Event {
    assert!(record.padded_len() <= len as u64);
    assert!(record.tags().count() <= 32);
    assert_eq!(record.frame_back() % 16, 0);
    Event::of(record)
}

proptest! {
    #[test]
    fn no_decoder_panics_or_believes_arbitrary_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..700),
        units in any::<u32>(),
    ) {
        let place = samples::place(ByteOffset::from_units(units).0);
        for decode in DECODERS {
            prop_assert!(decode(&bytes, place).is_err());
        }
        let plausible = FrameHeader::is_plausible(&bytes, place, ByteOffset(1 << 30));
        prop_assert!(!plausible || bytes.len() >= 32);
        if let Ok(record) = Record::parse(&bytes, place, Check::Trust) {
            look_at(&record, bytes.len());
        }
    }

    #[test]
    fn a_trusted_record_with_arbitrary_fields_stays_within_its_bytes(
        len in 0u32..400,
        stream_len in 0u16..40,
        type_len in 0u8..40,
        tags in 0u8..5,
        flags in any::<u16>(),
        metadata_len in 0u32..80,
        body in proptest::collection::vec(0u8..40, 400),
    ) {
        let mut bytes = vec![0; 32];
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes[20..22].copy_from_slice(&stream_len.to_le_bytes());
        bytes[24] = type_len;
        bytes[25] = tags;
        bytes[26..28].copy_from_slice(&(flags & 0xff0f).to_le_bytes());
        bytes[28..32].copy_from_slice(&metadata_len.to_le_bytes());
        bytes.extend_from_slice(&body);
        if let Ok(record) = Record::parse(&bytes, samples::place(4128), Check::Trust) {
            let event = look_at(&record, bytes.len());
            // What stands beyond the record does not reach into it.
            let padded = record.padded_len() as usize;
            let exact = Record::parse(&bytes[..padded], samples::place(4128), Check::Trust);
            prop_assert_eq!(exact.map(|record| Event::of(&record)), Ok(event));
        }
    }

    #[test]
    fn no_structure_survives_scattered_damage(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..8),
    ) {
        let all: Vec<_> = pages().into_iter().chain(placed()).collect();
        let sample = which.get(&all);
        let mut bytes = sample.bytes.clone();
        for (at, change) in changes {
            bytes[at.index(sample.bytes.len())] ^= change;
        }
        let decoded = (sample.decode)(&bytes, sample.place);
        prop_assert_eq!(decoded.is_ok(), bytes == sample.bytes, "{}", sample.name);
    }
}

#[test]
fn no_structure_is_taken_for_another() {
    let all: Vec<_> = pages().into_iter().chain(placed()).collect();
    for sample in &all {
        for other in &all {
            // A decoder of the same bytes from another sample, at the place of this one.
            if !std::ptr::fn_addr_eq(sample.decode, other.decode) {
                let decoded = (other.decode)(&sample.bytes, sample.place);
                assert!(decoded.is_err(), "{} read as {}", sample.name, other.name);
            }
        }
    }
}
