//! Writing a record: drafted early, settled once its place in the log is known.

use std::borrow::Cow;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::{Codec, HAS_ID, HAS_OCCURRED, RECORD_HEADER_BYTES, Raw};
use crate::checksum::{self, Domain, Place};
use crate::{Timestamp, UNIT_BYTES, Version, align_up};

/// What a writer gives for one record. Lengths are checked by the caller against [`crate::limits`].
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Name of the stream.
    pub stream: &'a str,
    /// Type of the event.
    pub kind: &'a str,
    /// Tags, in the writer's order.
    pub tags: &'a [Cow<'a, str>],
    /// Metadata, opaque.
    pub metadata: &'a [u8],
    /// Payload, opaque.
    pub payload: &'a [u8],
    /// How the payload is encoded.
    pub codec: Codec,
    /// When it happened in the world, if the writer says so.
    pub occurred: Option<Timestamp>,
    /// The event's id.
    pub id: Option<[u8; 16]>,
    /// The record's number in its frame.
    pub ordinal: u16,
}

/// Where a record was put and what remains to be done once its place in the log is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Offset of the record within its frame.
    pub offset: u32,
    /// CRC-32 of what follows the record's header.
    pub tail: u32,
}

/// Appends a record to `frame`, which holds the frame so far from its header on, and pads it.
/// Version and checksum are left open: [`settle`] fills them in.
pub fn encode(frame: &mut Vec<u8>, fields: &Fields<'_>) -> Draft {
    let start = frame.len();
    let flags = fields.codec.code()
        | if fields.occurred.is_some() { HAS_OCCURRED } else { 0 }
        | if fields.id.is_some() { HAS_ID } else { 0 };
    frame.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
    if let Some(occurred) = fields.occurred {
        frame.extend_from_slice(&occurred.0.to_le_bytes());
    }
    if let Some(id) = fields.id {
        frame.extend_from_slice(&id);
    }
    frame.extend_from_slice(fields.stream.as_bytes());
    frame.extend_from_slice(fields.kind.as_bytes());
    for tag in fields.tags {
        frame.push(tag.len() as u8);
        frame.extend_from_slice(tag.as_bytes());
    }
    frame.extend_from_slice(fields.metadata);
    pad(frame);
    frame.extend_from_slice(fields.payload);
    let raw = Raw {
        crc: U32::ZERO,
        len: ((frame.len() - start) as u32).into(),
        version: U64::ZERO,
        frame_back: ((start as u64 / UNIT_BYTES) as u32).into(),
        stream_len: (fields.stream.len() as u16).into(),
        ordinal: fields.ordinal.into(),
        type_len: fields.kind.len() as u8,
        tags: fields.tags.len() as u8,
        flags: flags.into(),
        metadata_len: (fields.metadata.len() as u32).into(),
    };
    pad(frame);
    let body = start + RECORD_HEADER_BYTES;
    frame[start..body].copy_from_slice(raw.as_bytes());
    Draft { offset: start as u32, tail: checksum::plain(&frame[body..]) }
}

/// Bytes that a record with these fields takes in its frame, padding included.
#[must_use]
pub fn encoded_bytes(fields: &Fields<'_>) -> u64 {
    let tags: usize = fields.tags.iter().map(|tag| 1 + tag.len()).sum();
    let optional =
        if fields.occurred.is_some() { 8 } else { 0 } + if fields.id.is_some() { 16 } else { 0 };
    let names = optional + fields.stream.len() + fields.kind.len() + tags + fields.metadata.len();
    let head = align_up((RECORD_HEADER_BYTES + names) as u64, UNIT_BYTES);
    align_up(head + fields.payload.len() as u64, UNIT_BYTES)
}

fn pad(frame: &mut Vec<u8>) {
    frame.resize(align_up(frame.len() as u64, UNIT_BYTES) as usize, 0);
}

/// Fills in the version and the checksum of a drafted record that now stands at `place`. `record` is
/// at least its header; anything shorter is left alone.
pub fn settle(record: &mut [u8], draft: Draft, version: Version, place: Place) {
    let Some(head) = record.first_chunk_mut::<RECORD_HEADER_BYTES>() else { return };
    head[8..16].copy_from_slice(&version.0.to_le_bytes());
    let crc = checksum::seal(Domain::Record, draft.tail, head, place);
    head[..4].copy_from_slice(&crc.to_le_bytes());
}

/// Moves a valid record to another place of the log: sums it anew. `record` is the whole record with
/// its padding, as [`Record::parse`](super::Record::parse) took it.
pub fn resettle(record: &mut [u8], place: Place) {
    let Some((head, tail)) = record.split_first_chunk_mut::<RECORD_HEADER_BYTES>() else { return };
    let crc = checksum::seal(Domain::Record, checksum::plain(tail), head, place);
    head[..4].copy_from_slice(&crc.to_le_bytes());
}
