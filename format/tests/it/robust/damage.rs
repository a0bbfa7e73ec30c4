//! No damage passes: flipped bits, bytes at another place or with another salt, ends cut off.

use quipu_format::FormatError;
use quipu_format::checksum::Place;
use quipu_format::record::{Check, Record};
use quipu_format::{ByteOffset, Salt};

use super::structures::{Sample, pages, placed};
use crate::samples;

fn every_flip_is_found(sample: &mut Sample) {
    for at in 0..sample.bytes.len() {
        for bit in 0..8 {
            sample.bytes[at] ^= 1 << bit;
            assert!(sample.decoded().is_err(), "{}, byte {at}, bit {bit}", sample.name);
            sample.bytes[at] ^= 1 << bit;
        }
    }
    assert_eq!(sample.decoded(), Ok(()));
}

#[test]
fn every_single_flipped_bit_of_a_placed_structure_is_found() {
    placed().iter_mut().for_each(every_flip_is_found);
}

#[test]
fn every_single_flipped_bit_of_a_header_page_is_found() {
    pages().iter_mut().for_each(every_flip_is_found);
}

#[test]
fn flipped_bits_of_a_page_are_named_by_magic_or_checksum() {
    for mut sample in pages() {
        sample.bytes[0] ^= 1;
        assert!(matches!(sample.decoded(), Err(FormatError::Magic { .. })), "{}", sample.name);
        sample.bytes[0] ^= 1;
        sample.bytes[2000] ^= 1;
        assert!(matches!(sample.decoded(), Err(FormatError::Checksum { .. })), "{}", sample.name);
    }
}

#[test]
fn pairs_of_flipped_bits_in_a_frame_header_are_found() {
    let place = samples::place(8192);
    let valid = samples::mark(false).encode(place);
    for first in 0..256 {
        for second in 0..first {
            let mut bytes = valid;
            bytes[first / 8] ^= 1 << (first % 8);
            bytes[second / 8] ^= 1 << (second % 8);
            let decoded = quipu_format::frame::FrameHeader::decode(&bytes, place);
            assert!(
                matches!(decoded, Err(FormatError::Checksum { .. })),
                "bits {first} and {second}"
            );
        }
    }
}

#[test]
fn bytes_at_another_offset_do_not_pass() {
    for sample in placed() {
        // Every single bit of an offset that a file can have, and the neighbours.
        let bits = (4..36).map(|bit| sample.place.offset.0 ^ (1 << bit));
        let around = (1..300).map(|units| sample.place.offset.0 + units * 16);
        for offset in bits.chain(around) {
            let elsewhere = Place::new(sample.place.salt, ByteOffset(offset));
            let decoded = (sample.decode)(&sample.bytes, elsewhere);
            assert!(
                matches!(decoded, Err(FormatError::Checksum { .. })),
                "{} at {offset}",
                sample.name
            );
        }
    }
}

#[test]
fn bytes_of_another_salt_do_not_pass() {
    for sample in placed() {
        for bit in 0..64 {
            let salt = Salt(sample.place.salt.0 ^ (1 << bit));
            let decoded = (sample.decode)(&sample.bytes, Place::new(salt, sample.place.offset));
            assert!(
                matches!(decoded, Err(FormatError::Checksum { .. })),
                "{}, bit {bit} of the salt",
                sample.name
            );
        }
    }
}

#[test]
fn an_end_cut_off_at_any_length_is_truncated() {
    for sample in pages().into_iter().chain(placed()) {
        for len in 0..sample.bytes.len() {
            let decoded = (sample.decode)(&sample.bytes[..len], sample.place);
            let Err(FormatError::Truncated { needed, available }) = decoded else {
                panic!("{} cut to {len}: {decoded:?}", sample.name);
            };
            // Within a frame the bytes are counted from the structure that lacks them.
            assert!(needed > available && available <= len as u64, "{} cut to {len}", sample.name);
        }
    }
}

#[test]
fn what_follows_a_structure_changes_nothing() {
    for sample in pages().into_iter().chain(placed()) {
        for fill in [0x00, 0xff, 0x51] {
            let mut bytes = sample.bytes.clone();
            bytes.resize(bytes.len() + 512, fill);
            assert_eq!((sample.decode)(&bytes, sample.place), Ok(()), "{}", sample.name);
        }
    }
}

#[test]
fn a_record_that_is_trusted_is_not_summed_but_still_measured() {
    let place = samples::place(4128);
    let mut bytes = samples::record(&samples::events()[1], place);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(Record::parse(&bytes, place, Check::Sum).is_err());
    assert!(Record::parse(&bytes, place, Check::Trust).is_ok());
    let cut = Record::parse(&bytes[..last], place, Check::Trust);
    assert!(matches!(cut, Err(FormatError::Truncated { .. })));
}

#[test]
fn zeros_are_no_structure() {
    let zeros = vec![0; 4096];
    for sample in pages().into_iter().chain(placed()) {
        assert!((sample.decode)(&zeros, sample.place).is_err(), "{}", sample.name);
    }
}
