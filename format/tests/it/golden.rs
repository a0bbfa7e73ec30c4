//! The crate's bytes against bytes that were computed apart from it, by `golden/make.py`.

use quipu_format::FORMAT_VERSION;
use quipu_format::checksum;
use quipu_format::frame::{FrameHeader, Link, decode_seal};
use quipu_format::index::{Contents, IndexHeader};
use quipu_format::manifest::{Edit, ManifestHeader};
use quipu_format::segment::SegmentHeader;
use quipu_format::{ByteOffset, Live, SegmentId};

use crate::samples;
use crate::samples::index::{self, Opened};

/// A golden file as the bytes it lists: its size, then rows by offset; what no row names is zero.
fn listed(text: &str) -> Vec<u8> {
    let mut lines = text.lines();
    let size = lines.next().and_then(|line| line.strip_prefix("size ")).expect("a size first");
    let mut bytes = vec![0; size.parse().expect("the size in decimal digits")];
    for line in lines {
        let (offset, row) = line.split_once(' ').expect("an offset and a row");
        let offset = usize::from_str_radix(offset, 16).expect("the offset in hexadecimal");
        for (at, pair) in row.as_bytes().chunks(2).enumerate() {
            let pair = std::str::from_utf8(pair).expect("digits");
            bytes[offset + at] = u8::from_str_radix(pair, 16).expect("a byte in hexadecimal");
        }
    }
    bytes
}

macro_rules! golden {
    ($name:expr) => {
        listed(include_str!(concat!("../golden/", $name, ".hex")))
    };
}

#[test]
fn the_checksum_is_the_crc_32_of_zlib() {
    assert_eq!(checksum::plain(b"123456789"), 0xcbf4_3926);
    // The golden bytes belong to format 1. A new number needs new files beside these, never instead.
    assert_eq!(FORMAT_VERSION, 1);
}

#[test]
fn a_segment_header_has_its_golden_bytes() {
    let golden = golden!("segment_header");
    assert_eq!(&*samples::segment_header().encode(), golden);
    assert_eq!(SegmentHeader::decode(&golden), Ok(samples::segment_header()));
}

#[test]
fn a_manifest_header_has_its_golden_bytes() {
    let golden = golden!("manifest_header");
    assert_eq!(&*samples::manifest_header().encode(), golden);
    assert_eq!(ManifestHeader::decode(&golden), Ok(samples::manifest_header()));
}

#[test]
fn the_page_for_other_processes_has_its_golden_bytes() {
    let golden = golden!("live");
    assert_eq!(&samples::live().encode()[..], golden);
    assert_eq!(golden.first_chunk().and_then(Live::decode), Some(samples::live()));
}

#[test]
fn a_link_has_its_golden_bytes() {
    let place = samples::place(4096);
    for (golden, sample) in [
        (golden!("frame_link_first"), samples::link_first()),
        (golden!("frame_link_after"), samples::link_after()),
    ] {
        assert_eq!(samples::link_frame(&sample, place), golden);
        assert_eq!(FrameHeader::decode(&golden, place), Ok(sample.0));
        assert_eq!(Link::decode(&golden[32..], place), Ok(sample.1));
    }
}

#[test]
fn a_mark_has_its_golden_bytes() {
    for (golden, sample, offset) in [
        (golden!("frame_mark"), samples::mark(false), 8192),
        (golden!("frame_mark_closed"), samples::mark(true), 8224),
    ] {
        let place = samples::place(offset);
        assert_eq!(&sample.encode(place)[..], golden);
        assert_eq!(FrameHeader::decode(&golden, place), Ok(sample));
    }
}

#[test]
fn a_commit_has_its_golden_bytes() {
    let golden = golden!("frame_events");
    let (place, events) = (samples::place(4192), samples::events());
    assert_eq!(samples::commit(&samples::events_header(), &events, place), golden);
    let (header, decoded) = samples::read_frame(&golden, place).expect("a valid commit");
    let expected = FrameHeader { len: 304, events: 3, ..samples::events_header() };
    assert_eq!((header, decoded), (expected, events));
    assert_eq!(header.next_position().0, 1003);
}

#[test]
fn a_seal_has_its_golden_bytes() {
    let golden = golden!("frame_seal");
    let (place, sample) = (samples::place(0x8_0000), samples::seal_frame());
    assert_eq!(samples::seal_frame_bytes(&sample, place), golden);
    assert_eq!(FrameHeader::decode(&golden, place), Ok(sample.0));
    assert_eq!(decode_seal(&golden[32..], place), Ok(sample.1));
}

#[test]
fn each_edit_has_its_golden_bytes() {
    let golden = [
        golden!("edit_opened"),
        golden!("edit_closed"),
        golden!("edit_segment"),
        golden!("edit_sealed"),
        golden!("edit_sealed_cut"),
        golden!("edit_retired"),
        golden!("edit_skippable"),
    ];
    for (golden, (name, number, offset, edit)) in golden.iter().zip(samples::edits()) {
        let place = samples::place(offset);
        let mut bytes = Vec::new();
        edit.encode(number, place, &mut bytes);
        assert_eq!(&bytes, golden, "{name}");
        let decoded = Edit::decode(golden, place);
        assert_eq!(decoded, Ok((number, edit, golden.len() as u64)), "{name}");
    }
}

#[test]
fn an_index_of_a_segment_has_its_golden_bytes() {
    let golden = golden!("index_segment");
    assert!(index::segment_file() == golden);
    let opened = Opened::new(&golden).expect("a valid index");
    assert_eq!(opened.header.contents, Contents::Segment(index::covered()));
    assert_eq!(opened.entries().map(|entries| entries.len()), Ok(7));
    for (expected, ordinals) in index::held() {
        let entry = opened.find(expected.key).expect("a valid slot").expect("an entry");
        assert_eq!(
            (entry.before, entry.prev, entry.jump),
            (expected.before, expected.prev, expected.jump)
        );
        assert_eq!((entry.depth, entry.scope), (expected.depth, expected.scope));
        assert_eq!(opened.ordinals(&entry).as_ref(), Ok(&ordinals));
        for (n, ordinal) in (0..).zip(&ordinals) {
            assert_eq!(opened.nth(&entry, n), Ok(Some(*ordinal)));
        }
        assert_eq!(opened.nth(&entry, ordinals.len() as u32), Ok(None));
        assert_eq!(opened.may_hold(expected.key), Ok(true));
    }
    for (ordinal, units) in (0..).zip(index::units()) {
        assert_eq!(opened.offset(ordinal).map(ByteOffset::units), Ok(units));
    }
    assert_eq!(opened.units(), Ok(index::units()));
    assert_eq!(opened.names(""), Ok(index::streams()));
}

#[test]
fn an_index_of_a_segment_says_what_it_does_not_hold() {
    let golden = golden!("index_segment");
    let opened = Opened::new(&golden).expect("a valid index");
    let absent = (0..=255)
        .map(index::key)
        .filter(|key| index::held().iter().all(|(entry, _)| entry.key != *key));
    let mut passed = 0;
    for key in absent {
        assert_eq!(opened.find(key), Ok(None));
        passed += u32::from(opened.may_hold(key) == Ok(true));
    }
    assert!(passed < 10, "{passed} of 249 absent keys pass the filter");
    assert_eq!(opened.names("größe-"), Ok(vec!["größe-L".into(), "größe-M".into()]));
    assert_eq!(opened.names("order-1").map(|names| names.len()), Ok(5));
    for prefix in ["A", "order-99", "y"] {
        assert_eq!(opened.names(prefix), Ok(vec![]), "{prefix}");
    }
}

#[test]
fn a_run_of_heads_has_its_golden_bytes() {
    let golden = golden!("index_run");
    assert!(index::run_file() == golden);
    let opened = Opened::new(&golden).expect("a valid run");
    assert_eq!(opened.header, IndexHeader::decode(&golden, golden.len() as u64).expect("a header"));
    let (first, last) = (SegmentId(1), SegmentId(8));
    assert_eq!(opened.header.contents, Contents::Run { first, last, salt: samples::SALT });
    for head in index::heads() {
        assert_eq!(opened.head(head.key), Ok(Some(head)));
        assert_eq!(opened.may_hold(head.key), Ok(true));
    }
    assert_eq!(opened.head(index::key(0x11)), Ok(None));
}
