//! An event record: one event, understandable alone.

mod encode;
mod parse;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{UNIT_BYTES, checksum};

pub use encode::{Draft, Fields, encode, encoded_bytes, resettle, settle};
pub use parse::{Check, Extent, Record, Tags};

/// Size of a record header.
pub const RECORD_HEADER_BYTES: usize = size_of::<Raw>();
const _: () = assert!(RECORD_HEADER_BYTES == 32);
const _: () = assert!(RECORD_HEADER_BYTES == checksum::HEAD_BYTES);
/// Size of the smallest record: its header, and one byte each of a stream's name and a type, padded.
pub const RECORD_BYTES_MIN: usize = RECORD_HEADER_BYTES + UNIT_BYTES as usize;
const _: () = assert!(2 <= UNIT_BYTES);

const CODEC_BITS: u16 = 0x000f;
const RESERVED_BITS: u16 = 0x00f0;
const HAS_OCCURRED: u16 = 1 << 8;
const EIGHT_BYTE_FIELDS: u16 = 0x0f00;
const HAS_ID: u16 = 1 << 12;
const SIXTEEN_BYTE_FIELDS: u16 = 0xf000;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Raw {
    crc: U32,
    len: U32,
    version: U64,
    frame_back: U32,
    stream_len: U16,
    ordinal: U16,
    type_len: u8,
    tags: u8,
    flags: U16,
    metadata_len: U32,
}

/// How a payload is encoded. The store keeps it; it never looks inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Bytes of the application's own.
    #[default]
    Bytes,
    /// JSON text.
    Json,
    /// An rkyv archive: `little_endian`, `aligned`, `pointer_width_32`.
    Rkyv,
    /// A protocol buffer.
    Protobuf,
    /// MessagePack.
    MessagePack,
    /// A codec that this version has no name for (5 to 15). No other number can be stored.
    Other(u8),
}

impl Codec {
    /// Whether it is read back as the one that was stored: a record has four bits for it, and a number that has a name
    /// comes back by that.
    #[must_use]
    pub const fn is_storable(self) -> bool {
        !matches!(self, Codec::Other(0..=4 | 16..))
    }

    const fn code(self) -> u16 {
        match self {
            Codec::Bytes => 0,
            Codec::Json => 1,
            Codec::Rkyv => 2,
            Codec::Protobuf => 3,
            Codec::MessagePack => 4,
            Codec::Other(code) => (code & 0x0f) as u16,
        }
    }

    const fn of(flags: u16) -> Codec {
        match flags & CODEC_BITS {
            0 => Codec::Bytes,
            1 => Codec::Json,
            2 => Codec::Rkyv,
            3 => Codec::Protobuf,
            4 => Codec::MessagePack,
            other => Codec::Other(other as u8),
        }
    }
}
