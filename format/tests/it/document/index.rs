//! The tables of index files.

use quipu_format::index::{
    Contents, Covered, Entry, HeadEntry, IndexHeader, Scope, Sections, Span, bitmap, build, names,
    offsets, postings,
};
use quipu_format::{ByteOffset, Position, SegmentId, Timestamp};

use super::tables::Document;
use crate::samples;

const SALT: [u8; 8] = samples::SALT.0.to_le_bytes();

#[test]
fn each_field_of_an_index_header_stands_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let span = |start, bytes| Span { start, bytes };
    let header = IndexHeader {
        features: samples::features(),
        store: samples::STORE,
        contents: Contents::Segment(Covered {
            segment: SegmentId(7),
            salt: samples::SALT,
            base: Position(0x2120_1f1e_1d1c_1b1a),
            events: 0x2524_2322,
            ids: 0x5756_5554,
            end: ByteOffset::from_units(0x2928_2726),
            last_time: Timestamp(0x3130_2f2e_2d2c_2b2a),
        }),
        entries: 0x3534_3332,
        directory_bits: 0x36,
        filter: [0x37; 20],
        sections: Sections {
            filter: span(0x40, 0x41),
            directory: span(0x42, 0x43),
            entries: span(0x44, 0x45),
            postings: span(0x46, 0x47),
            offsets: span(0x48, 0x49),
            names: span(0x4a, 0x4b),
            checks: span(0x4c, 0x4d),
        },
        checks_crc: 0x5352_5150,
    };
    let places: Vec<u8> = (0x40..0x4eu64).flat_map(u64::to_le_bytes).collect();
    let (one, two, four) = (1u32.to_le_bytes(), 2u32.to_le_bytes(), 4u32.to_le_bytes());
    let fields: [(&str, &[u8]); 19] = [
        ("magic", b"QUIPUIDX"),
        ("compatible", &one),
        ("read_only_compatible", &two),
        ("incompatible", &four),
        ("contents", &one),
        ("store", &samples::STORE.0),
        ("first", &[7, 0, 0, 0]),
        ("last", &[7, 0, 0, 0]),
        ("salt", &samples::SALT.0.to_le_bytes()),
        ("base", &[0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21]),
        ("events", &[0x22, 0x23, 0x24, 0x25]),
        ("ids", &[0x54, 0x55, 0x56, 0x57]),
        ("end", &[0x26, 0x27, 0x28, 0x29]),
        ("entries", &[0x32, 0x33, 0x34, 0x35]),
        ("last_time", &[0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31]),
        ("filter", &[0x37; 20]),
        ("directory_bits", &[0x36]),
        ("sections", &places),
        ("checks_crc", &[0x50, 0x51, 0x52, 0x53]),
    ];
    document.compare("Index header", &header.encode(), &fields);
    let place = [("start", &places[..8]), ("bytes", &places[8..16])];
    document.compare("Section place", &places[..16], &place);

    let contents = Contents::Run { first: SegmentId(3), last: SegmentId(4), salt: samples::SALT };
    let run_fields: Vec<(&str, &[u8])> = fields
        .iter()
        .map(|(name, bytes)| match *name {
            "contents" => (*name, &two[..]),
            "first" => (*name, &[3, 0, 0, 0][..]),
            "last" => (*name, &four[..]),
            "salt" => (*name, &SALT[..]),
            "base" | "events" | "ids" | "end" | "last_time" => (*name, &[0; 8][..bytes.len()]),
            _ => (*name, *bytes),
        })
        .collect();
    document.compare("Index header", &IndexHeader { contents, ..header }.encode(), &run_fields);
}

#[test]
fn each_field_of_an_entry_stands_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let key = 0x100f_0e0d_0c0b_0a09_0807_0605_0403_0201u128;
    let entry = Entry {
        key,
        before: 0x1817_1615_1413_1211,
        count: 0x1c1b_1a19,
        last: 0x201f_1e1d,
        postings: 0x2423_2221,
        prev: Some(SegmentId(0x2827_2625)),
        jump: Some(SegmentId(0x2c2b_2a29)),
        depth: 0x302f_2e2d,
        scope: Scope::Store,
    };
    let mut bytes = Vec::new();
    entry.encode(&mut bytes);
    let counted: Vec<u8> = (1..=48).collect();
    let fields: [(&str, &[u8]); 8] = [
        ("key", &counted[..16]),
        ("before", &counted[16..24]),
        ("count", &counted[24..28]),
        ("last", &counted[28..32]),
        ("postings", &counted[32..36]),
        ("prev", &counted[36..40]),
        ("jump", &counted[40..44]),
        ("depth", &counted[44..48]),
    ];
    document.find("Segment entry", &bytes, &fields);
    let mut local = Vec::new();
    Entry { scope: Scope::Local, ..entry }.encode(&mut local);
    bytes[47] |= 0x80;
    assert_eq!(local, bytes);

    let head = HeadEntry {
        key,
        count: 0x1817_1615_1413_1211,
        position: Position(0x201f_1e1d_1c1b_1a19),
        segment: SegmentId(0x2423_2221),
        depth: 0x2827_2625,
    };
    let mut bytes = Vec::new();
    head.encode(&mut bytes);
    let fields: [(&str, &[u8]); 5] = [
        ("key", &counted[..16]),
        ("count", &counted[16..24]),
        ("position", &counted[24..32]),
        ("segment", &counted[32..36]),
        ("depth", &counted[36..40]),
    ];
    document.find("Run entry", &bytes, &fields);
}

#[test]
fn each_field_of_a_table_of_blocks_stands_at_its_offset() {
    let Some(document) = Document::read() else { return };
    // 129 ordinals of 4,000: two blocks, the second of which holds only the last.
    let ordinals: Vec<u32> = (0..129).map(|n| 259 + n * 20).collect();
    let mut bytes = Vec::new();
    postings::encode(&ordinals, 4000, &mut bytes);
    let first: [(&str, &[u8]); 2] = [("first", &[3, 1, 0, 0]), ("at", &[16, 0, 0, 0])];
    document.compare("Postings", &bytes[..8], &first);
    // One byte of width and 127 differences of 5 bits.
    let second: [(&str, &[u8]); 2] = [("first", &[3, 11, 0, 0]), ("at", &[97, 0, 0, 0])];
    document.compare("Postings", &bytes[8..16], &second);
    assert_eq!(bytes[16..18], [5, 0b0111_0011]);
    assert_eq!(bytes[97..], [0]);

    let mut bytes = Vec::new();
    offsets::encode(&[0x0102_0304, 0x0102_0307], &mut bytes);
    let slot: [(&str, &[u8]); 2] = [("base", &[4, 3, 2, 1]), ("at", &[8, 0, 0, 0])];
    document.compare("Offsets", &bytes[..8], &slot);
    assert_eq!(bytes[8..], [2, 0b1100]);

    let mut bytes = Vec::new();
    names::encode(&["order-1", "order-2"], &mut bytes);
    let head: [(&str, &[u8]); 2] = [("names", &[2, 0, 0, 0]), ("blocks", &[1, 0, 0, 0])];
    document.compare("Names", &bytes[..8], &head);
    assert_eq!(bytes[8..], *b"\x0c\0\0\0\x07\0order-1\x06\0\x01\x002");
}

#[test]
fn the_descriptor_of_a_filter_is_that_of_the_crate_which_builds_it() {
    use xorf::{BinaryFuse8, DmaSerializable};
    let Some(document) = Document::read() else { return };
    let built = BinaryFuse8::try_from(&vec![1, 2, 3]).expect("distinct keys");
    let mut bytes = [0; 20];
    built.dma_copy_descriptor_to(&mut bytes);
    let fields: [(&str, &[u8]); 4] = [
        ("seed", &built.descriptor.seed.to_le_bytes()),
        ("segment_length", &built.descriptor.segment_length.to_le_bytes()),
        ("segment_length_mask", &built.descriptor.segment_length_mask.to_le_bytes()),
        ("segment_count_length", &built.descriptor.segment_count_length.to_le_bytes()),
    ];
    document.compare("Filter", &bytes, &fields);
}

#[test]
fn the_numbers_of_an_index_are_those_of_the_crate() {
    let Some(document) = Document::read() else { return };
    let numbers = [
        ("ordinals of a block of postings", postings::BLOCK),
        ("a bitmap for more than one in so many events", postings::BITMAP_ONE_IN),
        ("ordinals of a chunk of a bitmap", bitmap::CHUNK),
        ("events of a block of offsets", offsets::BLOCK),
        ("names of a block", names::BLOCK),
    ];
    let rows = document.rows("Index file", "| number |");
    assert_eq!(rows.len(), numbers.len());
    for (row, (name, number)) in rows.iter().zip(numbers) {
        assert_eq!(*row, [name.to_string(), number.to_string()]);
    }
}

#[test]
fn sections_stand_in_the_order_of_the_drawing() {
    let Some(document) = Document::read() else { return };
    let drawn =
        "| index header | filter | directory | entries | postings | offsets | names | checks |";
    assert!(document.0.contains(drawn));
    let parts = quipu_format::index::Parts {
        filter: &[],
        directory: &[0; 8],
        entries: &[],
        postings: &[1; 5],
        offsets: &[2; 65],
        names: &[3; 4096],
    };
    let file = build(&quipu_format::index::Draft {
        features: samples::features(),
        store: samples::STORE,
        contents: Contents::Segment(samples::index::covered()),
        filter: [0; 20],
        parts,
    });
    let Sections { filter, directory, entries, postings, offsets, names, checks } =
        IndexHeader::decode(&file, file.len() as u64).expect("a header").sections;
    let starts = [filter, directory, entries, postings, offsets, names, checks];
    assert_eq!(
        starts.map(|span| (span.start, span.bytes)),
        [(4096, 0), (4096, 8), (4160, 0), (4160, 5), (4224, 65), (4352, 4096), (12288, 8)]
    );
    assert!(file[4352..8448].iter().all(|byte| *byte == 3));
    assert!(file[8448..12288].iter().all(|byte| *byte == 0));
}
