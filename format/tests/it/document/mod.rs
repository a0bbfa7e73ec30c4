//! The tables of docs/FORMAT.md against the crate, so that neither drifts from the other.

mod index;
mod tables;

use quipu_format::checksum::Domain;
use quipu_format::frame::{
    FLAG_CLOSED, FLAG_SPARSE, FRAME_HEADER_BYTES, FrameHeader, FrameKind, LINK_FRAME_BYTES,
    MARK_FRAME_BYTES, SEAL_FRAME_BYTES,
};
use quipu_format::index::filter::DESCRIPTOR_BYTES;
use quipu_format::index::names::HEAD_BYTES;
use quipu_format::index::{Entry, HeadEntry};
use quipu_format::manifest::{EDIT_BYTES_MAX, EDIT_HEADER_BYTES, Edit};
use quipu_format::record::{self, Codec, RECORD_HEADER_BYTES};
use quipu_format::{
    ByteOffset, FORMAT_VERSION, LIVE_BYTES, PAGE_BYTES, Position, SEAL_BODY_BYTES, Timestamp,
    Version, limits,
};

use crate::samples::{self, Event};
use tables::{Document, OFFSETS};

const PAGE: usize = PAGE_BYTES as usize;

/// Every table of offsets with the size of what it lays out.
const SIZES: [(&str, usize); 22] = [
    ("Segment header", PAGE),
    ("Frame header", FRAME_HEADER_BYTES),
    ("Link", LINK_FRAME_BYTES - FRAME_HEADER_BYTES),
    ("Seal", SEAL_FRAME_BYTES - FRAME_HEADER_BYTES),
    ("Seal summary", SEAL_BODY_BYTES),
    ("Record header", RECORD_HEADER_BYTES),
    ("Manifest header", PAGE),
    ("Edit header", EDIT_HEADER_BYTES),
    ("Edit opened", 16),
    ("Edit closed", 16),
    ("Edit segment", 40),
    ("Edit sealed", 16 + SEAL_BODY_BYTES),
    ("Edit retired", 4),
    ("Index header", PAGE),
    ("Section place", 16),
    ("Filter", DESCRIPTOR_BYTES),
    ("Segment entry", Entry::BYTES as usize),
    ("Run entry", HeadEntry::BYTES as usize),
    ("Postings", 8),
    ("Offsets", 8),
    ("Names", HEAD_BYTES as usize),
    ("Live page", LIVE_BYTES),
];

#[test]
fn every_table_of_offsets_is_without_gaps_and_of_the_size_that_the_crate_says() {
    let Some(document) = Document::read() else { return };
    for (heading, size) in SIZES {
        let mut end = 0;
        for row in document.offsets(heading) {
            assert_eq!(row.offset, end, "{heading}: {row:?}");
            end += row.size;
        }
        assert_eq!(end, size, "{heading}");
    }
    let tables = document.tables();
    let drawn = tables.iter().filter(|(_, first, _)| first.starts_with(OFFSETS));
    assert_eq!(drawn.count(), SIZES.len(), "a table that nobody checks");
}

#[test]
fn each_field_of_a_frame_header_is_found_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let header = FrameHeader {
        kind: FrameKind::Skippable(0x9b),
        flags: 0x9c,
        len: 0x0403_0201,
        events: 0x1a19,
        first_position: Position(0x0c0b_0a09_0807_0605),
        time: Timestamp(0x3433_3231_302f_2e2d),
        durable_to: ByteOffset::from_units(0x3837_3635),
    };
    let mut bytes = header.encode(samples::place(4096));
    bytes[..4].fill(0);
    let fields: [(&str, &[u8]); 7] = [
        ("len", &[1, 2, 3, 4]),
        ("first_position", &[5, 6, 7, 8, 9, 10, 11, 12]),
        ("time", &[0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34]),
        ("durable_to", &[0x35, 0x36, 0x37, 0x38]),
        ("events", &[0x19, 0x1a]),
        ("kind", &[0x9b]),
        ("flags", &[0x9c]),
    ];
    document.find("Frame header", &bytes, &fields);
}

#[test]
fn each_field_of_a_record_header_is_found_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let event = Event {
        tags: vec!["t".into(); 31],
        metadata: vec![0; 0x5152],
        payload: vec![0; 5],
        codec: Codec::Other(9),
        occurred: Some(Timestamp(0)),
        id: Some([0; 16]),
        ..Event::new(&"s".repeat(0x0141), &"k".repeat(0x77))
    };
    let mut frame = vec![0; 0x6162 * 16];
    let start = frame.len();
    let draft = record::encode(&mut frame, &event.fields(0x3635));
    record::settle(
        &mut frame[start..],
        draft,
        Version(0x2827_2625_2423_2221),
        samples::place(4096),
    );
    let bytes = &mut frame[start..start + RECORD_HEADER_BYTES];
    bytes[..4].fill(0);
    let body = (24 + 0x0141 + 0x77 + 31 * 2 + 0x5152_usize).next_multiple_of(16) + 5;
    let len = ((RECORD_HEADER_BYTES + body) as u32).to_le_bytes();
    let fields: [(&str, &[u8]); 9] = [
        ("len", &len),
        ("version", &[0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]),
        ("frame_back", &[0x62, 0x61, 0, 0]),
        ("stream_len", &[0x41, 0x01]),
        ("ordinal", &[0x35, 0x36]),
        ("type_len", &[0x77]),
        ("tags", &[31]),
        ("flags", &[0x09, 0x11]),
        ("metadata_len", &[0x52, 0x51, 0, 0]),
    ];
    document.find("Record header", bytes, &fields);
}

#[test]
fn each_field_of_a_header_page_stands_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let (one, two, four) = (1u32.to_le_bytes(), 2u32.to_le_bytes(), 4u32.to_le_bytes());
    let salt = samples::SALT.0.to_le_bytes();
    let segment: [(&str, &[u8]); 8] = [
        ("magic", b"QUIPUSEG"),
        ("compatible", &one),
        ("read_only_compatible", &two),
        ("incompatible", &four),
        ("segment", &7u32.to_le_bytes()),
        ("origin", &samples::STORE.0),
        ("salt", &salt),
        ("capacity", &(1u64 << 20).to_le_bytes()),
    ];
    document.compare("Segment header", &samples::segment_header().encode(), &segment);
    let manifest: [(&str, &[u8]); 8] = [
        ("magic", b"QUIPUMAN"),
        ("compatible", &one),
        ("read_only_compatible", &two),
        ("incompatible", &four),
        ("store", &samples::STORE.0),
        ("secret", &samples::SECRET),
        ("salt", &salt),
        ("generation", &3u64.to_le_bytes()),
    ];
    document.compare("Manifest header", &samples::manifest_header().encode(), &manifest);
}

#[test]
fn each_field_of_the_page_for_other_processes_stands_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let fields: [(&str, &[u8]); 7] = [
        ("epoch", &samples::EPOCH.0),
        ("durable", &samples::live().durable.0.to_le_bytes()),
        ("visible", &samples::live().visible.0.to_le_bytes()),
        ("next_position", &1100u64.to_le_bytes()),
        ("sealed", &2u32.to_le_bytes()),
        ("layout", &1u16.to_le_bytes()),
        ("failed", &[1]),
    ];
    let mut bytes = samples::live().encode();
    // The checksum has golden bytes.
    bytes[48..52].fill(0);
    document.compare("Live page", &bytes, &fields);
}

#[test]
fn each_field_of_a_link_and_a_seal_stands_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let place = samples::place(4096);
    let link: [(&str, &[u8]); 7] = [
        ("len", &64u32.to_le_bytes()),
        ("last_time", &1_700_000_000_000_001u64.to_le_bytes()),
        ("epoch", &samples::EPOCH.0),
        ("predecessor", &6u32.to_le_bytes()),
        ("predecessor_end", &0xffffu32.to_le_bytes()),
        ("predecessor_salt", &0x99aa_bbcc_ddee_ff00u64.to_le_bytes()),
        ("writer", &[3, 2, 1, 0]),
    ];
    document.compare("Link", &samples::link_after().1.encode(place), &link);

    let (_, seal) = samples::seal_frame();
    let body: [(&str, &[u8]); 2] = [("len", &192u32.to_le_bytes()), ("summary", &seal.encode())];
    document.compare("Seal", &quipu_format::frame::encode_seal(&seal, place), &body);
    let summary: [(&str, &[u8]); 11] = [
        ("events", &90u64.to_le_bytes()),
        ("dropped", &10u64.to_le_bytes()),
        ("first_position", &1000u64.to_le_bytes()),
        ("next_position", &1100u64.to_le_bytes()),
        ("first_time", &1_700_000_000_000_000u64.to_le_bytes()),
        ("last_time", &1_700_000_600_000_000u64.to_le_bytes()),
        ("occurred_min", &samples::LONG_AGO.0.to_le_bytes()),
        ("occurred_max", &1_800_000_000_000_000u64.to_le_bytes()),
        ("content_hash", &[0xc0; 32]),
        ("origin_hash", &[0x0a; 32]),
        ("chain", &[0xcc; 32]),
    ];
    document.compare("Seal summary", &seal.encode(), &summary);
}

#[test]
fn each_field_of_an_edit_stands_at_its_offset() {
    let Some(document) = Document::read() else { return };
    let kinds = document.rows("Edit header", "| kind |");
    let (segment, salt) = (7u32.to_le_bytes(), samples::SALT.0.to_le_bytes());
    for (name, number, offset, edit) in samples::edits() {
        let mut bytes = Vec::new();
        edit.encode(number, samples::place(offset), &mut bytes);
        let (head, body) = bytes.split_at(EDIT_HEADER_BYTES);
        let end = (7u64 << 32 | if number == 2 { 0xffff } else { 0x8000 }).to_le_bytes();
        let (heading, fields): (_, Vec<(&str, &[u8])>) = match &edit {
            Edit::Opened { .. } => ("Edit opened", vec![("epoch", &samples::EPOCH.0)]),
            Edit::Closed { .. } => (
                "Edit closed",
                vec![("end", &end), ("next_position", &[0x4c, 4, 0, 0, 0, 0, 0, 0])],
            ),
            Edit::Segment { .. } => {
                let fields: [(_, &[u8]); 4] = [
                    ("segment", &segment),
                    ("salt", &salt),
                    ("capacity", &[0, 0, 16, 0, 0, 0, 0, 0]),
                    ("origin", &samples::STORE.0),
                ];
                ("Edit segment", fields.to_vec())
            }
            Edit::Sealed { seal, .. } => {
                let ending = u64::from(name.ends_with("cut")).to_le_bytes();
                let fields: [(_, &[u8]); 3] =
                    [("end", &end), ("ending", &ending), ("summary", &seal.encode())];
                document.compare("Edit sealed", body, &fields);
                continue;
            }
            Edit::Retired { .. } => ("Edit retired", vec![("segment", &segment)]),
            Edit::Skippable(_) => continue,
        };
        document.compare(heading, body, &fields);

        let size = SIZES.iter().find(|(of, _)| *of == heading).expect("a size").1;
        let code = kinds.iter().find(|row| heading.ends_with(row[1])).expect("a kind")[0];
        let code: u16 = code.parse().expect("a number");
        let header: [(&str, &[u8]); 3] = [
            ("len", &((EDIT_HEADER_BYTES + size) as u32).to_le_bytes()),
            ("number", &number.to_le_bytes()),
            ("kind", &code.to_le_bytes()),
        ];
        document.compare("Edit header", head, &header);
    }
}

#[test]
fn the_kinds_of_frames_are_those_of_the_crate() {
    let Some(document) = Document::read() else { return };
    let kinds = [
        ("link", FrameKind::Link, Some(LINK_FRAME_BYTES)),
        ("events", FrameKind::Events, None),
        ("control", FrameKind::Control, None),
        ("mark", FrameKind::Mark, Some(MARK_FRAME_BYTES)),
        ("seal", FrameKind::Seal, Some(SEAL_FRAME_BYTES)),
        ("encrypted", FrameKind::Encrypted, None),
    ];
    let rows = document.rows("Frame header", "| kind |");
    assert_eq!(rows.len(), kinds.len());
    for (row, (name, kind, len)) in rows.iter().zip(kinds) {
        let code = samples::header(kind, 0, 0, 0).encode(samples::place(0))[30];
        let len = len.map_or("any".into(), |len| len.to_string());
        assert_eq!(row[..3], [code.to_string(), name.into(), len]);
        assert_eq!(row[3].contains(&format!("Flag {FLAG_CLOSED}, *closed*")), name == "mark");
        assert_eq!(row[3].contains(&format!("Flag {FLAG_SPARSE}, *sparse*")), name == "events");
    }
}

#[test]
fn the_domains_of_checksums_are_those_of_the_crate() {
    let Some(document) = Document::read() else { return };
    let domains = [
        ("frame header", Domain::Frame),
        ("body of a link or seal", Domain::Body),
        ("event record", Domain::Record),
        ("edit of the manifest", Domain::Edit),
    ];
    let rows = document.rows("Checksums", "| domain |");
    assert_eq!(rows.len(), domains.len());
    for (row, (name, domain)) in rows.iter().zip(domains) {
        assert_eq!(*row, [(domain as u32).to_string(), name.into()]);
    }
}

#[test]
fn the_bounds_are_those_of_the_crate() {
    let Some(document) = Document::read() else { return };
    let bounds = [
        ("stream name", limits::STREAM_BYTES_MAX),
        ("event type", limits::TYPE_BYTES_MAX),
        ("tag", limits::TAG_BYTES_MAX),
        ("tags of an event", limits::TAGS_MAX),
        ("metadata of an event", limits::METADATA_BYTES_MAX),
        ("payload of an event", limits::PAYLOAD_BYTES_MAX),
        ("events of a commit", limits::EVENTS_MAX),
        ("frame", limits::FRAME_BYTES_MAX),
        ("edit", EDIT_BYTES_MAX),
        ("manifest", limits::MANIFEST_BYTES_MAX as usize),
        ("smallest segment", limits::SEGMENT_BYTES_MIN as usize),
        ("largest segment, when writing", limits::SEGMENT_BYTES_MAX as usize),
    ];
    let rows = document.rows("Bounds", "| bound |");
    assert_eq!(rows.len(), bounds.len());
    for (row, (name, bound)) in rows.iter().zip(bounds) {
        assert_eq!(*row, [name.to_string(), bound.to_string()]);
    }
    assert!(document.0.contains(&format!("Format {FORMAT_VERSION}.")));
}
