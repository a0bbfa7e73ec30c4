//! The values that `golden/make.py` lays out, and the rule by which a frame is read to its end.

use std::borrow::Cow;

use quipu_format::checksum::Place;
use quipu_format::features::Features;
use quipu_format::frame::{FLAG_CLOSED, FRAME_HEADER_BYTES, FrameHeader, FrameKind, Link};
use quipu_format::manifest::{Edit, Ending, ManifestHeader};
use quipu_format::record::{self, Check, Codec, Fields, Record};
use quipu_format::segment::SegmentHeader;
use quipu_format::{
    ByteOffset, Epoch, FormatError, Hash, Live, Lsn, Position, Salt, Seal, SegmentId, Standing,
    StoreId, Timestamp, Version, frame,
};

pub(crate) mod index;

pub(crate) const SALT: Salt = Salt(0x1122_3344_5566_7788);
pub(crate) const STORE: StoreId = StoreId(counted(0xa0));
pub(crate) const EPOCH: Epoch = Epoch(counted(0xe0));
pub(crate) const SECRET: [u8; 16] = counted(0x50);
pub(crate) const EVENT_ID: [u8; 16] = 0x0198_c0de_7abc_7def_8123_4567_89ab_cdef_u128.to_be_bytes();
/// Version 1.2.3.
pub(crate) const WRITER: u32 = 0x01_0203;
/// The year 1, long before the store.
pub(crate) const LONG_AGO: Timestamp = Timestamp(-62_135_596_800_000_000);

const fn counted(from: u8) -> [u8; 16] {
    let mut bytes = [from; 16];
    let mut at = 0;
    while at < 16 {
        bytes[at] += at as u8;
        at += 1;
    }
    bytes
}

pub(crate) fn place(offset: u64) -> Place {
    Place::new(SALT, ByteOffset(offset))
}

pub(crate) fn features() -> Features {
    Features { compatible: 1, read_only_compatible: 2, incompatible: 4 }
}

pub(crate) fn segment_header() -> SegmentHeader {
    SegmentHeader {
        features: features(),
        origin: STORE,
        segment: SegmentId(7),
        salt: SALT,
        capacity: ByteOffset(1 << 20),
    }
}

pub(crate) fn manifest_header() -> ManifestHeader {
    ManifestHeader { features: features(), store: STORE, secret: SECRET, salt: SALT, generation: 3 }
}

/// A header of this kind, with the length that the kind has.
pub(crate) fn live() -> Live {
    Live {
        epoch: EPOCH,
        durable: Lsn::new(SegmentId(7), ByteOffset(0x8000 * 16)),
        visible: Lsn::new(SegmentId(7), ByteOffset(0x8004 * 16)),
        next_position: Position(1100),
        sealed: 2,
        standing: Standing::Failed,
    }
}

pub(crate) fn header(kind: FrameKind, position: u64, time: i64, durable_to: u64) -> FrameHeader {
    FrameHeader {
        kind,
        flags: 0,
        len: match kind {
            FrameKind::Link => 96,
            FrameKind::Seal => 224,
            _ => 32,
        },
        events: 0,
        first_position: Position(position),
        time: Timestamp(time),
        durable_to: ByteOffset(durable_to),
    }
}

pub(crate) fn mark(closed: bool) -> FrameHeader {
    if closed {
        let header = header(FrameKind::Mark, 1003, 1_700_000_000_000_004, 8224);
        FrameHeader { flags: FLAG_CLOSED, ..header }
    } else {
        header(FrameKind::Mark, 1003, 1_700_000_000_000_003, 8192)
    }
}

pub(crate) fn link_first() -> (FrameHeader, Link) {
    let link = Link { predecessor: None, last_time: Timestamp(0), epoch: EPOCH, writer: WRITER };
    (header(FrameKind::Link, 0, 1_700_000_000_000_000, 4096), link)
}

pub(crate) fn link_after() -> (FrameHeader, Link) {
    let end = Lsn::new(SegmentId(6), ByteOffset(0x0f_fff0));
    let link = Link {
        predecessor: Some((end, Salt(0x99aa_bbcc_ddee_ff00))),
        last_time: Timestamp(1_700_000_000_000_001),
        epoch: EPOCH,
        writer: WRITER,
    };
    (header(FrameKind::Link, 1000, 1_700_000_000_000_002, 4096), link)
}

pub(crate) fn seal(occurred: Option<(Timestamp, Timestamp)>) -> Seal {
    Seal {
        events: 90,
        dropped: 10,
        first_position: Position(1000),
        next_position: Position(1100),
        first_time: Timestamp(1_700_000_000_000_000),
        last_time: Timestamp(1_700_000_600_000_000),
        occurred,
        content_hash: Hash([0xc0; 32]),
        origin_hash: Hash([0x0a; 32]),
        chain: Hash([0xcc; 32]),
    }
}

pub(crate) fn seal_frame() -> (FrameHeader, Seal) {
    let header = header(FrameKind::Seal, 1100, 1_700_000_600_000_000, 0x7_fff0);
    (header, seal(Some((LONG_AGO, Timestamp(1_800_000_000_000_000)))))
}

/// Every kind of edit, with its number and its offset.
pub(crate) fn edits() -> [(&'static str, u64, u64, Edit); 7] {
    let segment = SegmentId(7);
    let closed = Edit::Closed {
        end: Lsn::new(segment, ByteOffset(0x0f_fff0)),
        next_position: Position(1100),
    };
    let listed =
        Edit::Segment { segment, salt: SALT, capacity: ByteOffset(1 << 20), origin: STORE };
    let end = Lsn::new(segment, ByteOffset(0x8_0000));
    let sealed = Edit::Sealed { end, seal: seal(None), ending: Ending::Framed };
    let occurred = Some((Timestamp(-1), Timestamp(1)));
    let cut = Edit::Sealed { end, seal: seal(occurred), ending: Ending::Cut };
    [
        ("edit_opened", 1, 4096, Edit::Opened { epoch: EPOCH }),
        ("edit_closed", 2, 4144, closed),
        ("edit_segment", 3, 4192, listed),
        ("edit_sealed", 4, 4272, sealed),
        ("edit_sealed_cut", 5, 4480, cut),
        ("edit_retired", 6, 4688, Edit::Retired { segment }),
        ("edit_skippable", 7, 4736, Edit::Skippable(0x8001)),
    ]
}

/// An event as a test keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) version: u64,
    pub(crate) stream: String,
    pub(crate) kind: String,
    pub(crate) tags: Vec<Cow<'static, str>>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) codec: Codec,
    pub(crate) occurred: Option<Timestamp>,
    pub(crate) id: Option<[u8; 16]>,
}

impl Event {
    pub(crate) fn new(stream: &str, kind: &str) -> Event {
        Event {
            version: 0,
            stream: stream.into(),
            kind: kind.into(),
            tags: Vec::new(),
            metadata: Vec::new(),
            payload: Vec::new(),
            codec: Codec::Bytes,
            occurred: None,
            id: None,
        }
    }

    pub(crate) fn fields(&self, ordinal: u16) -> Fields<'_> {
        Fields {
            stream: &self.stream,
            kind: &self.kind,
            tags: &self.tags,
            metadata: &self.metadata,
            payload: &self.payload,
            codec: self.codec,
            occurred: self.occurred,
            id: self.id,
            ordinal,
        }
    }

    pub(crate) fn of(record: &Record<'_>) -> Event {
        Event {
            version: record.version().0,
            stream: record.stream().into(),
            kind: record.kind().into(),
            tags: record.tags().map(|tag| tag.to_owned().into()).collect(),
            metadata: record.metadata().into(),
            payload: record.payload().into(),
            codec: record.codec(),
            occurred: record.occurred(),
            id: record.id(),
        }
    }
}

pub(crate) fn events() -> Vec<Event> {
    vec![
        Event::new("a", "b"),
        Event {
            version: 41,
            tags: vec!["customer:7".into(), "größe:L".into()],
            metadata: br#"{"by":"web"}"#.into(),
            payload: br#"{"total":12}"#.into(),
            codec: Codec::Json,
            occurred: Some(LONG_AGO),
            id: Some(EVENT_ID),
            ..Event::new("order-42", "OrderPlaced")
        },
        Event {
            version: 42,
            payload: (0..24).collect(),
            codec: Codec::Rkyv,
            ..Event::new("order-42", "OrderPaid")
        },
    ]
}

/// The commit of these events as a frame at this place. Length and number of events are filled in.
pub(crate) fn commit(header: &FrameHeader, events: &[Event], place: Place) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    for (ordinal, event) in events.iter().enumerate() {
        let draft = record::encode(&mut bytes, &event.fields(ordinal as u16));
        let start = draft.offset as usize;
        let stands = place.plus(draft.offset.into());
        record::settle(&mut bytes[start..], draft, Version(event.version), stands);
    }
    let header = FrameHeader { len: bytes.len() as u32, events: events.len() as u16, ..*header };
    bytes[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode(place));
    bytes
}

/// One record by itself, at this place.
pub(crate) fn record(event: &Event, place: Place) -> Vec<u8> {
    let mut bytes = Vec::new();
    let draft = record::encode(&mut bytes, &event.fields(0));
    record::settle(&mut bytes, draft, Version(event.version), place);
    bytes
}

pub(crate) fn events_header() -> FrameHeader {
    header(FrameKind::Events, 1000, 1_700_000_000_000_003, 4096)
}

/// A link frame: header and body.
pub(crate) fn link_frame((header, link): &(FrameHeader, Link), place: Place) -> Vec<u8> {
    [&header.encode(place)[..], &link.encode(place)].concat()
}

/// A seal frame: header and body.
pub(crate) fn seal_frame_bytes((header, seal): &(FrameHeader, Seal), place: Place) -> Vec<u8> {
    [&header.encode(place)[..], &frame::encode_seal(seal, place)].concat()
}

/// Reads a whole frame with all that it holds, as FORMAT.md says that a frame is valid.
pub(crate) fn read_frame(
    bytes: &[u8],
    place: Place,
) -> Result<(FrameHeader, Vec<Event>), FormatError> {
    let header = FrameHeader::decode(bytes, place)?;
    let Some(body) = bytes.get(FRAME_HEADER_BYTES..header.len as usize) else {
        return Err(FormatError::Truncated {
            needed: header.len.into(),
            available: bytes.len() as u64,
        });
    };
    let mut events = Vec::new();
    match header.kind {
        FrameKind::Link => drop(Link::decode(body, place)?),
        FrameKind::Seal => drop(frame::decode_seal(body, place)?),
        FrameKind::Events => {
            let mut at = 0;
            while at < body.len() {
                let back = (FRAME_HEADER_BYTES + at) as u64;
                let record = Record::parse(&body[at..], place.plus(back), Check::Sum)?;
                if record.frame_back() != back || usize::from(record.ordinal()) != events.len() {
                    return Err(FormatError::Invalid("a record out of its place"));
                }
                at += record.padded_len() as usize;
                events.push(Event::of(&record));
            }
            if events.len() != usize::from(header.events) {
                return Err(FormatError::Invalid("number of records"));
            }
        }
        _ => {}
    }
    Ok((header, events))
}
