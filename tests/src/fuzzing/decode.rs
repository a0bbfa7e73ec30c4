//! Structures of a segment and of a manifest, each decoded alone: a frame with what it holds, a record, a seal, an
//! edit, the page `live`.

use std::borrow::Cow;
use std::fmt::Debug;

use quipu_format::checksum::{Domain, Place};
use quipu_format::frame::{
    self, FRAME_HEADER_BYTES, FrameHeader, FrameKind, LINK_FRAME_BYTES, Link, SEAL_FRAME_BYTES,
};
use quipu_format::manifest::{EDIT_HEADER_BYTES, Edit, ManifestHeader};
use quipu_format::record::{self, Check, Extent, Fields, RECORD_HEADER_BYTES, Record};
use quipu_format::segment::SegmentHeader;
use quipu_format::{ByteOffset, LIVE_BYTES, Live, SEAL_BODY_BYTES, Salt, Seal};

use super::input::Input;
use super::{Judged, ensure, mend};

/// The salt of all structures here.
pub(super) const SALT: Salt = Salt(0x1122_3344_5566_7788);
/// Of the first byte: the checksums are mended.
pub(super) const MENDED: u8 = 1;
/// Where a frame header says of what kind the frame is, and what it says of a seal.
const KIND: usize = 30;
const SEAL: u8 = 5;

/// Where a structure stands, whether it is to be mended, and its bytes.
fn placed(input: &[u8]) -> (bool, Place, Vec<u8>) {
    let mut input = Input::new(input);
    let is_mended = input.byte() & MENDED != 0;
    let units = u32::from(u16::from_le_bytes(input.array()));
    (is_mended, Place::new(SALT, ByteOffset::from_units(units)), input.rest().to_vec())
}

fn same<T: PartialEq + Debug>(found: &T, expected: &T) -> Judged {
    ensure(found == expected, || format!("{found:?} where {expected:?} was to be"))
}

/// A frame header, and the body of a link or a seal.
pub(super) fn frame(input: &[u8]) -> Judged {
    let (is_mended, place, mut bytes) = placed(input);
    if is_mended {
        let header = bytes.len().min(FRAME_HEADER_BYTES);
        mend::structure(&mut bytes[..header], Domain::Frame, place);
        let size = if bytes.get(KIND) == Some(&SEAL) { SEAL_FRAME_BYTES } else { LINK_FRAME_BYTES };
        let end = bytes.len().min(size);
        let body = bytes.get_mut(FRAME_HEADER_BYTES..end).unwrap_or_default();
        mend::structure(body, Domain::Body, place.plus(FRAME_HEADER_BYTES as u64));
    }
    let Ok(header) = FrameHeader::decode(&bytes, place) else { return Ok(()) };
    ensure(header.encode(place) == bytes[..FRAME_HEADER_BYTES], || format!("{header:?}"))?;
    let capacity = ByteOffset(place.offset.0 + u64::from(header.len));
    ensure(FrameHeader::is_plausible(&bytes, place, capacity), || {
        format!("not plausible: {header:?}")
    })?;
    let body = bytes.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    match header.kind {
        FrameKind::Link => {
            let Ok(link) = Link::decode(body, place) else { return Ok(()) };
            ensure(header.len as usize == LINK_FRAME_BYTES, || format!("{header:?}"))?;
            same(&Link::decode(&link.encode(place), place), &Ok(link))
        }
        FrameKind::Seal => seal_at(body, place),
        _ => Ok(()),
    }
}

/// The body of a seal frame, and a seal without anything around it.
pub(super) fn seal(input: &[u8]) -> Judged {
    let (is_mended, place, mut bytes) = placed(input);
    if is_mended {
        let body = bytes.len().min(SEAL_FRAME_BYTES - FRAME_HEADER_BYTES);
        mend::structure(&mut bytes[..body], Domain::Body, place.plus(FRAME_HEADER_BYTES as u64));
    }
    seal_at(&bytes, place)?;
    let Ok(seal) = Seal::decode(&bytes) else { return Ok(()) };
    let encoded = seal.encode();
    same(&Seal::decode(&encoded), &Ok(seal))?;
    // Times of which the first is after the last stand for none, and there are many such.
    ensure(seal.occurred.is_none() || encoded == bytes[..SEAL_BODY_BYTES], || format!("{seal:?}"))
}

fn seal_at(body: &[u8], place: Place) -> Judged {
    let Ok(seal) = frame::decode_seal(body, place) else { return Ok(()) };
    ensure(body.len() >= SEAL_FRAME_BYTES - FRAME_HEADER_BYTES, || format!("{seal:?}"))?;
    same(&frame::decode_seal(&frame::encode_seal(&seal, place), place), &Ok(seal))
}

/// A record, summed and trusted.
pub(super) fn record(input: &[u8]) -> Judged {
    let (is_mended, place, mut bytes) = placed(input);
    if is_mended && let Ok(Extent { len, .. }) = Record::extent(&bytes) {
        let len = bytes.len().min(len as usize);
        record::resettle(&mut bytes[..len], place);
    }
    let trusted = Record::parse(&bytes, place, Check::Trust);
    if let Ok(record) = &trusted {
        within(record, bytes.len())?;
    }
    let Ok(record) = Record::parse(&bytes, place, Check::Sum) else { return Ok(()) };
    ensure(trusted.is_ok(), || format!("{record:?} is not trusted"))?;
    let extent = Record::sum(&bytes, place, Check::Sum);
    same(&extent, &Record::extent(&bytes))?;
    let len = extent.map_or(0, |extent| extent.len);
    same(&len, &record.padded_len())?;
    written_again(&record, place)
}

/// All that a record lends lies within its bytes and its bounds.
fn within(record: &Record<'_>, bytes: usize) -> Judged {
    let tags: usize = record.tags().map(|tag| 1 + tag.len()).sum();
    let fields = [record.stream().len(), record.kind().len(), tags, record.metadata().len()];
    let lent = fields.iter().sum::<usize>() + record.optional_len() + record.payload().len();
    let len = RECORD_HEADER_BYTES + lent;
    ensure(len as u64 <= record.padded_len() && record.padded_len() <= bytes as u64, || {
        format!("{lent} bytes are lent of a record of {}", record.padded_len())
    })?;
    ensure(record.tags().count() <= 32, || "more tags than an event can have".to_owned())
}

/// Encoding what was decoded and decoding it again gives the same.
fn written_again(record: &Record<'_>, place: Place) -> Judged {
    let tags: Vec<Cow<'_, str>> = record.tags().map(Cow::Borrowed).collect();
    let fields = Fields {
        stream: record.stream(),
        kind: record.kind(),
        tags: &tags,
        metadata: record.metadata(),
        payload: record.payload(),
        codec: record.codec(),
        occurred: record.occurred(),
        id: record.id(),
        ordinal: record.ordinal(),
    };
    let mut bytes = Vec::new();
    let draft = record::encode(&mut bytes, &fields);
    same(&record::encoded_bytes(&fields), &(bytes.len() as u64))?;
    record::settle(&mut bytes, draft, record.version(), place);
    let again = Record::parse(&bytes, place, Check::Sum);
    let again = again.map_err(|error| format!("what was encoded is refused: {error}"))?;
    let shown = |record: &Record<'_>| {
        let names = (record.stream().to_owned(), record.kind().to_owned());
        let bytes = (record.metadata().to_vec(), record.payload().to_vec());
        let tags: Vec<String> = record.tags().map(str::to_owned).collect();
        let numbers = (record.version(), record.ordinal(), record.codec());
        (names, bytes, tags, numbers, record.occurred(), record.id())
    };
    same(&shown(&again), &shown(record))
}

/// An edit of a manifest.
pub(super) fn edit(input: &[u8]) -> Judged {
    let (is_mended, place, mut bytes) = placed(input);
    if is_mended {
        mend::edit(&mut bytes, place);
    }
    let Ok((number, edit, len)) = Edit::decode(&bytes, place) else { return Ok(()) };
    ensure((EDIT_HEADER_BYTES as u64..=bytes.len() as u64).contains(&len), || format!("{len}"))?;
    let mut encoded = Vec::new();
    edit.encode(number, place, &mut encoded);
    let again = Edit::decode(&encoded, place).map(|(number, edit, _)| (number, edit));
    same(&again, &Ok((number, edit)))
}

/// The header pages of a segment and of a manifest. Of the input, only what stands before the zeros is given.
pub(super) fn header(input: &[u8]) -> Judged {
    let mut input = Input::new(input);
    let is_mended = input.byte() & MENDED != 0;
    let mut page = vec![0; 4096];
    let given = input.take(page.len());
    page[..given.len()].copy_from_slice(given);
    if is_mended {
        mend::page(&mut page);
    }
    if let Ok(header) = SegmentHeader::decode(&page) {
        same(&SegmentHeader::decode(&header.encode()), &Ok(header))?;
    }
    if let Ok(header) = ManifestHeader::decode(&page) {
        same(&ManifestHeader::decode(&header.encode()), &Ok(header))?;
    }
    Ok(())
}

/// The page by which a writer tells others how far it has come.
pub(super) fn live(input: &[u8]) -> Judged {
    let mut input = Input::new(input);
    let is_mended = input.byte() & MENDED != 0;
    let mut bytes: [u8; LIVE_BYTES] = input.array();
    if is_mended {
        // Its prefix keeps zeros from summing up.
        let summed = [b"quipu lv".as_slice(), &bytes[..48]].concat();
        let sum = quipu_format::checksum::plain(&summed);
        bytes[48..52].copy_from_slice(&sum.to_le_bytes());
    }
    let Some(live) = Live::decode(&bytes) else { return Ok(()) };
    ensure(live.encode() == bytes, || format!("{live:?}"))
}
