//! Index files whose checksums match and which no writer gives.

use proptest::prelude::*;
use quipu_format::index::{Entry, HeadEntry, IndexHeader};
use quipu_format::{FormatError, checksum};

use crate::samples::index::{Opened, key, run_file, segment_file};

const PAGE: usize = 4096;

/// Sums every page, the checksums and the header anew, as far as the header says where they are. The order is
/// stated here once more: page, bytes 20 to 88 of the header, number.
fn mend(file: &mut [u8]) {
    let at = |file: &[u8]| u64::from_le_bytes(file[208..216].try_into().expect("eight bytes"));
    let checks = at(file) as usize;
    if checks <= file.len() && checks.is_multiple_of(PAGE) {
        for page in 1..checks / PAGE {
            let mut summed = file[page * PAGE..(page + 1) * PAGE].to_vec();
            summed.extend_from_slice(&file[20..88]);
            summed.extend_from_slice(&(page as u32).to_le_bytes());
            let place = checks + page * 4 - 4;
            if let Some(sum) = file.get_mut(place..place + 4) {
                sum.copy_from_slice(&checksum::plain(&summed).to_le_bytes());
            }
        }
        let all = checksum::plain(&file[checks..]);
        file[224..228].copy_from_slice(&all.to_le_bytes());
    }
    let sum = checksum::plain(&file[..PAGE - 4]);
    file[PAGE - 4..PAGE].copy_from_slice(&sum.to_le_bytes());
}

/// Everything that can be asked of a file, as far as it answers. Nothing that it answers is beyond what
/// the header says that there is.
fn ask_all(file: &[u8]) -> Result<(), FormatError> {
    let opened = Opened::new(file)?;
    let of_segment = opened.header.contents.entry_bytes() == Entry::BYTES;
    let mut first = Ok(());
    let mut keep = |result: Result<(), FormatError>| {
        if first.is_ok() {
            first = result;
        }
    };
    for number in 0..=u8::MAX {
        keep(opened.may_hold(key(number)).map(drop));
        keep(if of_segment {
            opened.find(key(number)).map(drop)
        } else {
            opened.head(key(number)).map(drop)
        });
    }
    if !of_segment {
        return first;
    }
    for entry in opened.entries()? {
        match opened.ordinals(&entry) {
            Ok(all) => {
                assert!(all.iter().all(|ordinal| *ordinal < opened.events), "{entry:?}");
            }
            Err(error) => keep(Err(error)),
        }
        for n in [0, 1, 127, 128, entry.count / 2, entry.count.saturating_sub(1), u32::MAX] {
            keep(opened.nth(&entry, n).map(drop));
        }
    }
    let last = opened.events.saturating_sub(1);
    for ordinal in [0, 1, 127, 128, opened.events / 2, last, opened.events, u32::MAX] {
        keep(opened.offset(ordinal).map(drop).or(if ordinal > last {
            Ok(())
        } else {
            Err(TOO_FAR)
        }));
    }
    keep(opened.units().map(|units| assert!(units.len() <= opened.events as usize)));
    for prefix in ["", "order-1", "größe", "z"] {
        keep(opened.names(prefix).map(drop));
    }
    first
}

const TOO_FAR: FormatError = FormatError::Invalid("an ordinal without a place");

/// The file with these bytes at these places, mended.
fn changed(file: &[u8], changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (at, bytes) in changes {
        file[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    mend(&mut file);
    file
}

/// Where the sections of a file begin.
fn starts(file: &[u8]) -> quipu_format::index::Sections {
    IndexHeader::decode(file, file.len() as u64).expect("a valid header").sections
}

#[test]
fn mending_gives_the_checksums_that_the_crate_gives() {
    for file in [segment_file(), run_file()] {
        assert!(changed(&file, &[]) == file);
        assert_eq!(ask_all(&file), Ok(()));
    }
}

#[test]
fn each_rule_of_the_header_is_checked_behind_the_checksum() {
    const MANY: &[u8] = &[0xff; 8];
    let file = segment_file();
    let checks = starts(&file).checks.start;
    let unaligned = (checks + 64).to_le_bytes();
    let cases: [(&str, usize, &[u8]); 18] = [
        ("segment 0", 40, &[0; 8]),
        ("a segment that ends before it begins", 44, &[6, 0, 0, 0]),
        ("two segments", 44, &[8, 0, 0, 0]),
        ("ids of more events than are covered", 68, &[0xff; 4]),
        ("a time before 1970", 80, MANY),
        ("more entries than there are", 76, &[8, 0, 0, 0]),
        ("less entries than there are", 76, &[6, 0, 0, 0]),
        ("more slots than there are", 108, &[3]),
        ("more bits than a slot has", 108, &[200]),
        ("a filter that begins in the header", 112, &[0; 8]),
        ("a filter off the alignment", 112, &[1, 16, 0, 0, 0, 0, 0, 0]),
        ("a section that goes past all numbers", 120, MANY),
        ("a directory that begins in the filter", 128, &[0, 16, 0, 0, 0, 0, 0, 0]),
        ("postings that begin past the checksums", 160, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ("offsets that end past the file", 184, &[0, 0, 0, 0, 1, 0, 0, 0]),
        ("checksums off a page", 208, &unaligned),
        ("less checksums than pages", 216, &[4, 0, 0, 0, 0, 0, 0, 0]),
        ("more checksums than pages", 216, &[12, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (name, at, bytes) in cases {
        // A bit that nobody knows may be the reason, so the file has none here.
        let file = changed(&file, &[(8, &[0; 12]), (at, bytes)]);
        let decoded = IndexHeader::decode(&file, file.len() as u64);
        assert!(matches!(decoded, Err(FormatError::Invalid(_))), "{name}: {decoded:?}");
        let file = changed(&file, &[(16, &[8])]);
        let decoded = IndexHeader::decode(&file, file.len() as u64);
        let unsupported = matches!(decoded, Err(FormatError::Unsupported { value: 8, .. }));
        assert!(unsupported, "{name}: {decoded:?}");
    }
    for contents in [0, 3, 255] {
        let file = changed(&file, &[(8, &[0; 12]), (20, &[contents])]);
        let decoded = IndexHeader::decode(&file, file.len() as u64);
        let expected =
            FormatError::Unsupported { what: "contents of an index", value: contents.into() };
        assert_eq!(decoded, Err(expected));
    }
}

#[test]
fn a_filter_that_would_look_past_its_end_is_refused() {
    let file = changed(&segment_file(), &[(8, &[0; 12])]);
    let cases: [(&str, usize, u32); 8] = [
        ("segments of a length that is no power of two", 96, 6),
        ("segments without length", 96, 0),
        ("segments that are too long", 96, 16),
        ("segments that are as long as can be", 96, 1 << 31),
        ("a mask that is too long", 100, 15),
        ("no segments", 104, 0),
        ("more segments than there are", 104, 16),
        ("segments past all numbers", 104, u32::MAX - 7),
    ];
    for (name, at, value) in cases {
        let file = changed(&file, &[(at, &value.to_le_bytes())]);
        let expected = Err(FormatError::Invalid("descriptor of the filter"));
        assert_eq!(IndexHeader::decode(&file, file.len() as u64).map(drop), expected, "{name}");
    }
    // Any seed will do, it only leads to other places.
    let file = changed(&file, &[(88, &[0xff; 8])]);
    assert_eq!(ask_all(&file), Ok(()));
}

#[test]
fn each_rule_behind_the_header_is_checked() {
    let file = segment_file();
    let sections = starts(&file);
    let entry = |number: u64, field: u64| sections.entries.start + number * Entry::BYTES + field;
    // Of the keys in samples::index: 0x43 is a bitmap, 0x44 one block, 0x88 two blocks.
    let opened = Opened::new(&file).expect("a valid file");
    let stored = |number| {
        let entry = opened.find(key(number)).expect("a valid slot").expect("an entry");
        sections.postings.start + entry.postings_at()
    };
    let (bitmap, block, blocks) = (stored(0x43), stored(0x44), stored(0x88));
    let cases: [(&str, u64, &[u8]); 21] = [
        ("a slot past the entries", sections.directory.start + 4, &[8, 0, 0, 0]),
        ("a slot that ends before it begins", sections.directory.start, &[5, 0, 0, 0]),
        ("a last posting that is no event", entry(0, 28), &[0x60, 9, 0, 0]),
        ("more postings than events", entry(1, 24), &[0x61, 9, 0, 0]),
        ("postings past their section", entry(2, 32), &[0xff, 0xff, 0xff, 0xff]),
        ("a bitmap that ends past its section", entry(2, 32), &[0x80, 0, 0, 0]),
        ("a posting past the events in a bitmap", bitmap + 24 + 37 * 8 + 4, &[0xff]),
        ("a first posting past the events", block, &[0x60, 9, 0, 0]),
        ("a last posting past the events", block, &[0x5f, 9, 0, 0]),
        ("a width past 32", block + 4, &[33]),
        ("a width past the section", blocks + 4, &[0xff, 0xff, 0, 0]),
        ("a block past its section", blocks + 12, &[0xff, 0xff, 0xff, 0xff]),
        ("a first posting of a block past the events", blocks + 8, &[0xff, 0xff, 0xff, 0xff]),
        ("offsets past their section", sections.offsets.start + 4, &[0xff, 0xff, 0xff, 0xff]),
        ("a place past all numbers", sections.offsets.start + 8, &[0xff, 0xff, 0xff, 0xff]),
        ("more names than blocks hold", sections.names.start, &[33, 0, 0, 0]),
        (
            "more blocks of names than there are",
            sections.names.start + 4,
            &[0xff, 0xff, 0xff, 0xff],
        ),
        ("a block of names in their table", sections.names.start + 8, &[15, 0, 0, 0]),
        ("a block of names past the section", sections.names.start + 12, &[0xff, 0xff, 0, 0]),
        ("an empty name", sections.names.start + 16, &[0, 0]),
        ("a name that is not text", sections.names.start + 18, &[0xff]),
    ];
    for (name, at, bytes) in cases {
        let asked = ask_all(&changed(&file, &[(at as usize, bytes)]));
        let refused = matches!(asked, Err(FormatError::Invalid(_) | FormatError::Truncated { .. }));
        assert!(refused, "{name}: {asked:?}");
    }
}

#[test]
fn a_head_without_a_segment_is_refused() {
    let file = run_file();
    let at = starts(&file).entries.start as usize + 32;
    let file = changed(&file, &[(at, &[0; 4])]);
    assert_eq!(ask_all(&file), Err(FormatError::Invalid("a head without segment")));
    assert_eq!(HeadEntry::BYTES, 40);
}

#[test]
fn what_is_reserved_in_the_header_is_ignored() {
    for file in [segment_file(), run_file()] {
        for reserved in [109..112, 228..4092] {
            for at in reserved {
                let changed = changed(&file, &[(at, &[0xff])]);
                assert_eq!(Opened::new(&changed).map(drop), Ok(()), "byte {at}");
            }
        }
    }
    // A run says nothing of these.
    for at in 48..76 {
        let changed = changed(&run_file(), &[(at, &[0xff])]);
        assert_eq!(ask_all(&changed), Ok(()), "byte {at}");
    }
}

#[test]
fn a_byte_of_any_value_in_the_header_gives_a_value_or_a_reason() {
    for file in [segment_file(), run_file()] {
        for at in 0..228 {
            for value in [0, 1, 2, 7, 8, 0x0f, 0x10, 0x40, 0x7f, 0x80, 0xfe, 0xff] {
                let asked = ask_all(&changed(&file, &[(at, &[value])]));
                // The place of the checksums is what mending goes by.
                let mended = !matches!(asked, Err(FormatError::Checksum { .. }));
                assert!(mended || (208..228).contains(&at), "byte {at} = {value}: {asked:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_behind_the_header_give_a_value_or_a_reason(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>(), 1usize..5), 1..6),
        events in prop_oneof![3 => Just(None), 1 => any::<u32>().prop_map(Some)],
        run in any::<bool>(),
    ) {
        let mut file = if run { run_file() } else { segment_file() };
        let end = starts(&file).checks.start as usize;
        for (at, value, len) in changes {
            let at = PAGE + at.index(end - PAGE - 4);
            file[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        if let Some(events) = events {
            file[64..68].copy_from_slice(&events.to_le_bytes());
        }
        mend(&mut file);
        let asked = ask_all(&file);
        let expected = matches!(
            asked,
            Ok(()) | Err(FormatError::Invalid(_) | FormatError::Truncated { .. })
        );
        prop_assert!(expected, "{:?}", asked);
    }

    #[test]
    fn arbitrary_bytes_are_no_index(
        bytes in proptest::collection::vec(any::<u8>(), 0..8300),
        magic in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if magic && bytes.len() >= 8 {
            bytes[..8].copy_from_slice(b"QUIPUIDX");
        }
        prop_assert!(Opened::new(&bytes).is_err());
    }
}
