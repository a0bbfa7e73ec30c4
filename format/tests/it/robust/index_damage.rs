//! No damage of an index file passes the checks of its pages.

use quipu_format::features::Features;
use quipu_format::index::IndexHeader;
use quipu_format::index::checks::{Tie, check_all, stored};
use quipu_format::{FormatError, SegmentId};

use crate::samples::index::{Opened, key, run_file, segment_file};

const PAGE: usize = 4096;

/// Checks the page that holds this byte, and nothing else: what a reader does that comes across it.
fn check_at(file: &[u8], at: usize) -> Result<(), FormatError> {
    let header = IndexHeader::decode(&file[..PAGE], file.len() as u64)?;
    let checks = &file[header.sections.checks.start as usize..];
    let page = at / PAGE;
    if at >= header.sections.checks.start as usize {
        return check_all(checks, header.checks_crc);
    }
    if page == 0 {
        return Ok(());
    }
    Tie::of(file)?.check(page as u32, &file[page * PAGE..(page + 1) * PAGE], checks)
}

#[test]
fn every_single_flipped_bit_is_found_by_the_page_it_stands_in() {
    for mut file in [segment_file(), run_file()] {
        for at in 0..file.len() {
            assert_eq!(check_at(&file, at), Ok(()), "byte {at}");
            for bit in 0..8 {
                file[at] ^= 1 << bit;
                let found = check_at(&file, at);
                let header = at < 8 && matches!(found, Err(FormatError::Magic { .. }));
                let sum = matches!(found, Err(FormatError::Checksum { .. }));
                assert!(header || sum, "byte {at}, bit {bit}: {found:?}");
                assert!(Opened::new(&file).is_err(), "byte {at}, bit {bit}");
                file[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn a_flipped_bit_of_a_page_is_no_matter_of_the_other_pages() {
    let mut file = segment_file();
    file[PAGE + 100] ^= 1;
    assert_eq!(check_at(&file, 2 * PAGE), Ok(()));
    assert_eq!(check_at(&file, file.len() - 1), Ok(()));
    assert!(check_at(&file, PAGE).is_err());
}

/// Zeros pass for an entry, and not for a page: what a power cut has left of a file that was not synced, say.
#[test]
fn zeros_are_no_page_of_an_index() {
    for valid in [segment_file(), run_file()] {
        let checks =
            IndexHeader::decode(&valid[..PAGE], valid.len() as u64).unwrap().sections.checks;
        let checks = checks.start as usize..checks.end() as usize;
        for page in 0..valid.len().div_ceil(PAGE) {
            let (mut file, start) = (valid.clone(), page * PAGE);
            let end = file.len().min(start + PAGE);
            file[start..end].fill(0);
            assert!(file != valid && Opened::new(&file).is_err(), "page {page}");
            assert!(check_at(&file, start).is_err() || page == 0, "page {page}");
            file[checks.clone()].fill(0);
            assert!(Opened::new(&file).is_err(), "page {page} and the sums");
        }
    }
}

/// Without the check of its page damage would be served: the test above finds something that matters.
#[test]
fn damage_that_nobody_checks_is_read_as_something_else() {
    let valid = segment_file();
    let opened = Opened::new(&valid).expect("a valid file");
    let mut differ = 0;
    for at in PAGE..2 * PAGE {
        let mut file = valid.clone();
        file[at] ^= 1;
        // The header and the sums are those of the valid file: only the byte differs.
        let read = opened.unverified(&file);
        let entries = |file: &Opened<'_>| {
            (0x10..=0xff).map(|number| file.find(key(number))).collect::<Vec<_>>()
        };
        differ += usize::from(
            entries(&read) != entries(&opened)
                || read.units() != opened.units()
                || read.names("") != opened.names(""),
        );
    }
    assert!(differ > 500, "{differ} of {PAGE} flips differ");
}

#[test]
fn a_page_does_not_pass_at_the_place_of_another() {
    let file = segment_file();
    let tie = Tie::of(&file).expect("a header page");
    let page = &file[PAGE..2 * PAGE];
    let sum = tie.sum(1, page).expect("a page");
    for other in (0..100).filter(|other| *other != 1) {
        assert_ne!(tie.sum(other, page), Ok(sum), "page {other}");
    }
    for bit in 0..32 {
        assert_ne!(tie.sum(1 ^ 1 << bit, page), Ok(sum), "bit {bit} of the number");
    }
}

#[test]
fn a_page_of_another_file_does_not_pass() {
    let file = segment_file();
    let header = IndexHeader::decode(&file, file.len() as u64).expect("a header");
    let page = &file[PAGE..2 * PAGE];
    let sum = Tie::of(&file).and_then(|tie| tie.sum(1, page));
    for bit in 0..8 * 68 {
        let mut other = file[..PAGE].to_vec();
        other[20 + bit / 8] ^= 1 << (bit % 8);
        assert_ne!(Tie::of(&other).and_then(|tie| tie.sum(1, page)), sum, "bit {bit} of the tie");
    }
    let quipu_format::index::Contents::Segment(mut covered) = header.contents else {
        panic!("a file of a segment");
    };
    covered.segment = SegmentId(8);
    let contents = quipu_format::index::Contents::Segment(covered);
    let other = IndexHeader { contents, ..header }.encode();
    assert_ne!(Tie::of(&other).and_then(|tie| tie.sum(1, page)), sum);
}

#[test]
fn a_file_of_another_length_is_refused() {
    for mut file in [segment_file(), run_file()] {
        // Without a bit that nobody knows, which may be the reason for anything.
        let header = IndexHeader::decode(&file, file.len() as u64).expect("a header");
        file[..PAGE].copy_from_slice(&IndexHeader { features: Features::KNOWN, ..header }.encode());
        for len in 0..file.len() {
            let cut = IndexHeader::decode(&file[..len], len as u64);
            let truncated = matches!(cut, Err(FormatError::Truncated { .. }));
            let invalid = cut == Err(FormatError::Invalid("length of an index file"));
            assert!(if len < PAGE { truncated } else { invalid }, "cut to {len}: {cut:?}");
        }
        let longer = IndexHeader::decode(&file, file.len() as u64 + 1);
        assert_eq!(longer, Err(FormatError::Invalid("length of an index file")));
    }
}

#[test]
fn less_than_a_page_and_a_page_that_there_is_not_are_refused() {
    let file = segment_file();
    let tie = Tie::of(&file).expect("a header page");
    let checks = &file[file.len() - 8..];
    assert_eq!(tie.check(1, &file[PAGE..2 * PAGE], checks), Ok(()));
    let short = tie.check(1, &file[PAGE..2 * PAGE - 1], checks);
    assert_eq!(short, Err(FormatError::Truncated { needed: 4096, available: 4095 }));
    for page in [0, 3, u32::MAX] {
        assert_eq!(stored(checks, page), None);
        let without = tie.check(page, &file[PAGE..2 * PAGE], checks);
        assert_eq!(without, Err(FormatError::Invalid("a page without checksum")), "page {page}");
    }
    assert!(matches!(Tie::of(&file[..87]), Err(FormatError::Truncated { .. })));
}
