//! Each rule alone: what is asked breaks this one and keeps all others, so that no other rule can stand in for it.

use quipu_format::checksum::Place;
use quipu_format::frame::decode_seal;
use quipu_format::index::names::Names;
use quipu_format::index::postings::{self, Layout};
use quipu_format::index::{Contents, Covered, Entry, HeadEntry, IndexHeader, Sections, Span};
use quipu_format::index::{directory, filter};
use quipu_format::record::{Check, Draft, Record, resettle, settle};
use quipu_format::{FormatError, Hash, Lsn, Position, Seal, SegmentId, Timestamp, Version};

use crate::samples::index::{covered, held, segment_file};
use crate::samples::{self, place};

/// What becomes of a valid header whose sections are changed, of a file that is as long as they say.
fn with_sections(change: impl FnOnce(&mut Sections)) -> Result<(), FormatError> {
    let file = segment_file();
    let mut header = IndexHeader::decode(&file, file.len() as u64).expect("a valid header");
    header.features = samples::segment_header().features;
    header.features.incompatible = 0;
    change(&mut header.sections);
    IndexHeader::decode(&header.encode(), header.file_bytes()).map(drop)
}

#[test]
fn the_checksums_of_an_index_begin_a_page_and_are_as_many_as_the_pages_before() {
    let refused = Err(FormatError::Invalid("checksums of pages"));
    assert_eq!(with_sections(|_| {}), Ok(()));
    assert_eq!(with_sections(|sections| sections.checks.bytes -= 4), refused);
    assert_eq!(with_sections(|sections| sections.checks.bytes += 4), refused);
    // Behind the page, with as many checksums as there are whole pages before.
    assert_eq!(with_sections(|sections| sections.checks.start += 64), refused);
    assert_eq!(with_sections(|sections| sections.checks.start += 4096), refused);
    let pages = |pages: u64| {
        with_sections(|checked| {
            checked.checks = Span { start: (pages + 1) * 4096, bytes: pages * 4 };
        })
    };
    assert_eq!(pages(u64::from(u32::MAX)), refused, "pages have numbers of 32 bits");
    assert_eq!(pages(u64::from(u32::MAX) - 1), Ok(()));
}

#[test]
fn the_last_section_ends_with_the_file() {
    let file = segment_file();
    for len in [file.len() as u64 - 1, file.len() as u64 + 1, 0] {
        let decoded = IndexHeader::decode(&file, len).map(drop);
        // The sample asks for a feature that nobody knows, which may be the reason.
        assert!(matches!(decoded, Err(FormatError::Unsupported { .. })), "{decoded:?}");
    }
}

#[test]
fn a_bitmap_has_the_events_that_there_are_and_no_other() {
    let Ok(Layout::Bitmap(bitmap)) = Layout::of(100, 600) else { panic!("so many are a bitmap") };
    // Two ranks, then ten words: eight of the first chunk, two of the second.
    assert_eq!((bitmap.chunks(), bitmap.bytes()), (2, 8 + 10 * 8));
    assert_eq!((bitmap.ranks_range(), bitmap.chunk_range(0)), (0..8, 8..72));
    assert_eq!((bitmap.chunk_range(1), bitmap.chunk_range(2)), (72..88, 88..88));
    assert_eq!([0, 511, 512, 599].map(|ordinal| bitmap.chunk_of(ordinal)), [0, 0, 1, 1]);
    let refused = Err(FormatError::Invalid("a chunk of postings that there is not"));
    assert_eq!(bitmap.chunk(2, &[0; 64]), refused);
    for ordinal in 512..640u32 {
        let mut words = [0; 16];
        let bit = (ordinal - 512) as usize;
        words[bit / 8] = 1 << (bit % 8);
        let read = bitmap.chunk(1, &words).map(|chunk| chunk.ascending().collect::<Vec<_>>());
        match ordinal {
            ..600 => assert_eq!(read, Ok(vec![ordinal])),
            _ => assert_eq!(read, Err(FormatError::Invalid("a posting behind the last event"))),
        }
    }
}

#[test]
fn an_ordinal_that_no_event_has_is_left_out_of_a_bitmap() {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    postings::encode(&[1, 2, 3, 1000], 20, &mut with);
    postings::encode(&[1, 2, 3], 20, &mut without);
    assert_eq!(with, without);
}

#[test]
fn a_block_of_differences_has_the_postings_that_there_are_and_no_other() {
    let Ok(Layout::Deltas(deltas)) = Layout::of(130, 1 << 20) else { panic!("so few are blocks") };
    let slot = deltas.slot(&[0; 8]).expect("a slot");
    let (bytes, mut out) = ([0; 64], Vec::new());
    assert_eq!(deltas.nth(1, slot, &bytes, 1), Ok(1));
    let refused = Err(FormatError::Invalid("a posting that there is not"));
    assert_eq!(deltas.nth(1, slot, &bytes, 2), refused);
    assert_eq!(deltas.decode(1, slot, &bytes, &mut out), Ok(1), "its width is all that it takes");
    assert_eq!(out, [0, 1]);
    let refused = Err(FormatError::Invalid("a block of postings that there is not"));
    assert_eq!(deltas.decode(2, slot, &bytes, &mut out), refused);
}

#[test]
fn a_block_of_names_lies_between_its_table_and_the_end_of_the_section() {
    let head = |names: u32, blocks: u32| [names.to_le_bytes(), blocks.to_le_bytes()].concat();
    let refused = FormatError::Invalid("number of names");
    assert_eq!(Names::decode(&head(33, 3), 19), Err(refused.clone()), "no room for the table");
    assert_eq!(Names::decode(&head(33, 2), 100), Err(refused));
    let names = Names::decode(&head(33, 3), 100).expect("33 names in three blocks");
    let range = |block: u32, slots: [u32; 2]| {
        names.block_range(block, &slots.map(u32::to_le_bytes).concat())
    };
    let refused = Err(FormatError::Invalid("a block of names"));
    assert_eq!(range(0, [20, 50]), Ok(20..50));
    assert_eq!(range(1, [50, 50]), Ok(50..50));
    assert_eq!(range(1, [20, 100]), Ok(20..100));
    assert_eq!(range(2, [60, 0]), Ok(60..100), "the last one ends with the section");
    assert_eq!(range(0, [19, 50]), refused, "in the table");
    assert_eq!(range(0, [50, 49]), refused, "ends before it begins");
    assert_eq!(range(0, [20, 101]), refused, "past the section");
    assert_eq!(range(3, [60, 100]), refused, "there are three");
    assert!(Names::decode(&head(33, 3), 20).is_ok(), "the table alone");
    let names = Names::decode(&head(33, 3), 2000).expect("33 names in three blocks");
    let first = |end: u32| names.first_range(0, &[20, end].map(u32::to_le_bytes).concat());
    assert_eq!((first(500), first(1500)), (Ok(20..500), Ok(20..534)));
}

#[test]
fn a_directory_has_as_many_slots_as_its_bits_can_tell_apart_and_one_more() {
    assert_eq!([0, 1, 2].map(directory::bytes), [Some(8), Some(12), Some(20)]);
    assert_eq!([32, 33].map(directory::bytes), [Some(((1 << 32) + 1) * 4), None]);
    let slots = [0, 1, 32, 33].map(|bits| directory::slot(bits, u128::MAX));
    assert_eq!(slots, [0, 1, u64::from(u32::MAX), u64::from(u32::MAX)]);
    let of_ten = |first: u32, end: u32| {
        directory::decode(&[first.to_le_bytes(), end.to_le_bytes()].concat(), 10)
    };
    assert_eq!((of_ten(3, 3), of_ten(0, 10)), (Ok(3..3), Ok(0..10)));
    let refused = Err(FormatError::Invalid("slot of the directory"));
    assert_eq!((of_ten(4, 3), of_ten(3, 11)), (refused.clone(), refused));
}

#[test]
fn a_filter_has_room_for_all_that_a_key_may_ask_of_it() {
    let check = |length: u32, count: u32, bytes| {
        let numbers = [length, length - 1, count].map(u32::to_le_bytes).concat();
        let descriptor: Vec<u8> = [7; 8].into_iter().chain(numbers).collect();
        filter::check(descriptor.first_chunk().expect("20 bytes"), bytes)
    };
    let refused = Err(FormatError::Invalid("descriptor of the filter"));
    assert_eq!((check(8, 16, 32), check(8, 16, 0)), (Ok(()), Ok(())));
    assert_eq!(check(8, 16, 31), refused);
    // Places are numbers of 32 bits, however large the section is.
    assert_eq!(check(1 << 31, 1 << 31, u64::MAX), refused);
}

#[test]
fn as_many_events_as_are_covered_may_be_found_by_their_ids() {
    let file = segment_file();
    let mut header = IndexHeader::decode(&file, file.len() as u64).expect("a valid header");
    let mut with = |ids, events| {
        header.features.incompatible = 0;
        header.contents = Contents::Segment(Covered { ids, events, ..covered() });
        IndexHeader::decode(&header.encode(), header.file_bytes()).map(drop)
    };
    assert_eq!((with(9, 9), with(9, 10)), (Ok(()), Ok(())));
    assert_eq!(with(10, 9), Err(FormatError::Invalid("ids of more events than are covered")));
}

#[test]
fn an_entry_stands_where_its_number_says_and_names_events_that_there_are() {
    assert_eq!(Entry::part(3..5), 3 * Entry::BYTES..5 * Entry::BYTES);
    assert_eq!(HeadEntry::part(3..5), 3 * HeadEntry::BYTES..5 * HeadEntry::BYTES);
    let (entry, _) = held().remove(0);
    let layout = |count, last| Entry { count, last, ..entry }.layout(5);
    assert_eq!((layout(1, 4), layout(5, 4)), (Ok(Layout::Last), Ok(Layout::Every)));
    let refused = Err(FormatError::Invalid("a last posting behind the last event"));
    assert_eq!(layout(1, 5), refused);
    assert_eq!(layout(0, 5), Ok(Layout::Nothing), "of none there is no last");
}

#[test]
fn a_seal_may_hold_one_moment_and_it_may_be_the_first() {
    let sealed = |first: i64, last: i64| {
        let times = (Timestamp(first), Timestamp(last));
        let seal = Seal { first_time: times.0, last_time: times.1, ..samples::seal(None) };
        Seal::decode(&seal.encode()).map(|seal| (seal.first_time, seal.last_time))
    };
    assert_eq!(sealed(0, 0), Ok((Timestamp(0), Timestamp(0))));
    assert_eq!(sealed(7, 7), Ok((Timestamp(7), Timestamp(7))));
    let refused = Err(FormatError::Invalid("a seal whose recorded times disagree"));
    assert_eq!(sealed(8, 7), refused);
    assert_eq!(sealed(-1, 7), refused);
}

#[test]
fn less_than_a_header_of_a_record_is_left_alone() {
    let mut bytes = [7; 31];
    settle(&mut bytes, Draft { offset: 32, tail: 1 }, Version(2), place(4128));
    resettle(&mut bytes, place(4128));
    assert_eq!(bytes, [7; 31]);
}

#[test]
fn what_was_summed_before_is_not_summed_again() {
    let (event, at) = (&samples::events()[0], place(4128));
    let bytes = samples::record(event, at);
    let elsewhere = Place { salt: at.salt, offset: place(8192).offset };
    assert!(matches!(
        Record::sum(&bytes, elsewhere, Check::Sum),
        Err(FormatError::Checksum { .. })
    ));
    assert_eq!(Record::sum(&bytes, elsewhere, Check::Trust), Record::sum(&bytes, at, Check::Sum));
}

#[test]
fn a_body_that_is_cut_short_anywhere_is_truncated() {
    let (_, seal) = samples::seal_frame();
    let body = quipu_format::frame::encode_seal(&seal, place(4128));
    for len in 0..body.len() {
        let short = Err(FormatError::Truncated { needed: 192, available: len as u64 });
        assert_eq!(decode_seal(&body[..len], place(4128)), short);
    }
}

#[test]
fn numbers_go_on_from_themselves_and_saturate() {
    assert_eq!((Version(3).plus(4), Version(u64::MAX).plus(1)), (Version(7), Version(u64::MAX)));
    assert_eq!(
        (Position(3).plus(4), Position(u64::MAX).plus(1)),
        (Position(7), Position(u64::MAX))
    );
}

#[test]
fn places_hashes_and_errors_are_shown_as_people_know_them() {
    let place = Lsn::new(SegmentId(3), place(4128).offset);
    assert_eq!((place.to_string(), format!("{place:?}")), ("3@4128".into(), "Lsn(3@4128)".into()));
    let hash = Hash(std::array::from_fn(|at| at as u8));
    let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    assert_eq!((hash.to_string(), format!("{hash:?}")), (digits.into(), format!("Hash({digits})")));
    let shown = [
        (FormatError::Truncated { needed: 2, available: 1 }, "2 bytes are needed where 1 remain"),
        (
            FormatError::Magic { file: "segment" },
            "this is no segment: the first eight bytes differ",
        ),
        (
            FormatError::Checksum { stored: 1, computed: 2 },
            "checksum mismatch: stored 0x00000001, computed 0x00000002",
        ),
        (FormatError::Invalid("a rule"), "invalid: a rule"),
        (
            FormatError::Unsupported { what: "frame kind", value: 9 },
            "frame kind 0x9 is not known to this version",
        ),
    ];
    for (error, words) in shown {
        assert_eq!(error.to_string(), words);
    }
}
