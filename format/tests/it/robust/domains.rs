//! No structure passes for another: by the domain of its checksum, and where a chosen tail makes up for
//! that, by its fields.

use quipu_format::checksum::{self, Domain, HEAD_BYTES, Place};
use quipu_format::frame::{FrameHeader, Link, decode_seal};
use quipu_format::manifest::Edit;
use quipu_format::record::{self, Codec, Draft};
use quipu_format::{ByteOffset, FormatError, Salt, Version};

use super::structures;
use crate::samples::{self, Event};

const DOMAINS: [Domain; 4] = [Domain::Frame, Domain::Body, Domain::Record, Domain::Edit];

/// Records with all sorts of headers: every length of a type, every codec, lengths of metadata in each of
/// the bytes where a frame header has its number of events and its kind.
fn drafted() -> impl Iterator<Item = (Vec<u8>, Draft)> {
    [0, 1, 255, 4096, 65_535, 65_536].into_iter().flat_map(|metadata| {
        (1u8..=255).zip((0u8..16).cycle()).map(move |(type_len, codec)| {
            let event = Event {
                kind: "t".repeat(type_len.into()),
                metadata: vec![0; metadata],
                codec: Codec::Other(codec),
                ..Event::new("stream", "")
            };
            let mut bytes = Vec::new();
            let draft = record::encode(&mut bytes, &event.fields(0));
            (bytes, draft)
        })
    })
}

/// The state of a CRC-32 before these bytes of zeros, if this is the state after them. A step forwards
/// sets the highest bit exactly where it takes the polynomial in.
fn before_zeros(bytes: usize, after: u32) -> u32 {
    (0..bytes * 8).fold(after, |state, _| match state >> 31 {
        1 => ((state ^ 0xedb8_8320) << 1) | 1,
        _ => state << 1,
    })
}

#[test]
fn equal_bytes_have_another_checksum_in_each_domain() {
    for (bytes, draft) in drafted() {
        let head = bytes.first_chunk().expect("a header");
        for tail in [draft.tail, 0, u32::MAX] {
            let place = samples::place(4128);
            let mut sums = DOMAINS.map(|domain| checksum::seal(domain, tail, head, place));
            sums.sort_unstable();
            assert!(sums.windows(2).all(|pair| pair[0] != pair[1]), "{sums:x?}");
        }
    }
}

/// Any structure, summed as one of another domain, is refused for its checksum and before anything else.
#[test]
fn the_domain_alone_refuses_a_structure_of_another() {
    let place = samples::place(4096);
    let body = place.plus(32);
    let frame = samples::mark(true).encode(samples::place(8224));
    let link = samples::link_after().1.encode(place);
    let seal = quipu_format::frame::encode_seal(&samples::seal_frame().1, place);
    let record = samples::record(&samples::events()[1], place);
    let mut edit = Vec::new();
    samples::edits()[0].3.encode(1, place, &mut edit);
    type Case<'a> = (&'a [u8], Domain, Place, &'a dyn Fn(&[u8]) -> Result<(), FormatError>);
    let cases: [Case<'_>; 5] = [
        (&frame, Domain::Frame, samples::place(8224), &|bytes| {
            FrameHeader::decode(bytes, samples::place(8224)).map(drop)
        }),
        (&link, Domain::Body, body, &|bytes| Link::decode(bytes, place).map(drop)),
        (&seal, Domain::Body, body, &|bytes| decode_seal(bytes, place).map(drop)),
        (&record, Domain::Record, place, &|bytes| structures::record(bytes, place)),
        (&edit, Domain::Edit, place, &|bytes| Edit::decode(bytes, place).map(drop)),
    ];
    for (bytes, own, stands, decode) in cases {
        for domain in DOMAINS {
            let mut bytes = bytes.to_vec();
            structures::mend_all(&mut bytes, domain, stands);
            match decode(&bytes) {
                Ok(()) => assert_eq!(domain, own),
                Err(FormatError::Checksum { .. }) => assert_ne!(domain, own),
                Err(other) => panic!("{own:?} as {domain:?}: {other}"),
            }
        }
    }
}

/// A user chooses every byte of a payload, so also what the CRC of a tail comes to. Without domains 0
/// would do, with which the header of a record is summed as a frame header is.
#[test]
fn a_record_with_an_empty_sum_of_its_tail_is_refused_by_the_domain() {
    let place = samples::place(200 << 20);
    for (mut bytes, draft) in drafted() {
        record::settle(&mut bytes, Draft { tail: 0, ..draft }, Version(0), place);
        let decoded = FrameHeader::decode(&bytes, place);
        assert!(matches!(decoded, Err(FormatError::Checksum { .. })), "{decoded:?}");
    }
}

/// The tail whose sum makes up for the difference between a record and a frame header in a file with this
/// salt: a CRC is linear.
fn cancelling_tail(salt: Salt) -> u32 {
    let turned = |domain: Domain| salt.0.rotate_left(8 * domain as u32);
    let salts = turned(Domain::Record) ^ turned(Domain::Frame);
    let domains = Domain::Record as u32 ^ Domain::Frame as u32;
    // From the end of what is summed to its beginning: domain, offset, salt, head without its checksum.
    let before_offset = before_zeros(4, domains);
    let before_salt = [(salts >> 32) as u32, salts as u32]
        .into_iter()
        .fold(before_offset, |after, word| before_zeros(4, after) ^ word);
    before_zeros(HEAD_BYTES - 4, before_salt)
}

/// Another tail would do than without domains, but a different one for every salt, which users do not
/// know. Who does know it meets the fields, which must not make a frame header.
#[test]
fn a_record_whose_tail_makes_up_for_the_domain_is_refused_by_its_fields() {
    let places = [samples::place(200 << 20), Place::new(Salt(0x0123_4567), ByteOffset(4128))];
    assert_ne!(cancelling_tail(places[0].salt), cancelling_tail(places[1].salt));
    for place in places {
        let tail = cancelling_tail(place.salt);
        for (mut bytes, draft) in drafted() {
            record::settle(&mut bytes, Draft { tail, ..draft }, Version(0), place);
            let head = bytes.first_chunk().expect("a header");
            let as_frame = checksum::seal(Domain::Frame, 0, head, place);
            assert_eq!(head[..4], as_frame.to_le_bytes());
            let decoded = FrameHeader::decode(&bytes, place);
            assert!(
                matches!(decoded, Err(FormatError::Invalid(_) | FormatError::Unsupported { .. })),
                "{draft:?}: {decoded:?}"
            );
        }
    }
}

/// A salt with which 32 zero bytes at this place have the checksum 0.
fn salt_that_zeros_match(domain: Domain, offset: ByteOffset) -> Salt {
    let after_salt = [domain as u32, offset.units(), 0]
        .into_iter()
        .fold(u32::MAX, |after, word| before_zeros(4, after) ^ word);
    let after_head = !checksum::plain(&[0; HEAD_BYTES - 4]);
    let turned = u64::from(before_zeros(4, after_salt) ^ after_head);
    Salt(turned.rotate_right(8 * domain as u32))
}

#[test]
fn zeros_are_refused_even_where_their_checksum_matches() {
    let (zeros, offset) = ([0; HEAD_BYTES], ByteOffset(8192));
    let place = |domain| {
        let place = Place::new(salt_that_zeros_match(domain, offset), offset);
        assert_eq!(checksum::seal(domain, 0, &zeros, place), 0, "{domain:?}");
        place
    };
    let frame = FrameHeader::decode(&zeros, place(Domain::Frame));
    assert_eq!(frame, Err(FormatError::Invalid("no frame: zeros")));
    let edit = Edit::decode(&zeros, place(Domain::Edit));
    assert_eq!(edit, Err(FormatError::Invalid("no edit: zeros")));
    assert!(!FrameHeader::is_plausible(&zeros, place(Domain::Frame), ByteOffset(1 << 20)));
}

#[test]
fn zeros_are_told_from_a_header_with_one_bit() {
    let place = samples::place(8192);
    for bit in 0..HEAD_BYTES * 8 {
        let mut bytes = [0; HEAD_BYTES];
        bytes[bit / 8] |= 1 << (bit % 8);
        let zeros = FormatError::Invalid("no frame: zeros");
        assert_ne!(FrameHeader::decode(&bytes, place), Err(zeros), "bit {bit}");
        let zeros = FormatError::Invalid("no edit: zeros");
        assert_ne!(Edit::decode(&bytes, place), Err(zeros), "bit {bit}");
    }
}
