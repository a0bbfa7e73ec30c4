//! The header page of a segment file: only what never changes.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::features::Features;
use crate::limits::SEGMENT_BYTES_MIN;
use crate::{ByteOffset, FormatError, PAGE_BYTES, Salt, SegmentId, StoreId, UNIT_BYTES, checksum};

const MAGIC: [u8; 8] = *b"QUIPUSEG";
const PAGE: usize = PAGE_BYTES as usize;

/// Where the first frame of a segment stands.
pub const FIRST_FRAME: ByteOffset = ByteOffset(PAGE_BYTES);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    compatible: U32,
    read_only_compatible: U32,
    incompatible: U32,
    segment: U32,
    origin: [u8; 16],
    salt: U64,
    capacity: U64,
    reserved: [u8; PAGE - 60],
    crc: U32,
}
const _: () = assert!(size_of::<Raw>() == PAGE);

/// What the first page of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// What the file demands of its reader.
    pub features: Features,
    /// The store that wrote the segment. A fork reads segments of the store it came from.
    pub origin: StoreId,
    /// The segment's number in that store.
    pub segment: SegmentId,
    /// Part of every checksum in the file.
    pub salt: Salt,
    /// The file's size in bytes, which never changes; a multiple of 4,096.
    pub capacity: ByteOffset,
}

impl SegmentHeader {
    /// The header as its page.
    #[must_use]
    pub fn encode(&self) -> Box<[u8]> {
        let mut raw = Raw::new_zeroed();
        raw.magic = MAGIC;
        raw.compatible = self.features.compatible.into();
        raw.read_only_compatible = self.features.read_only_compatible.into();
        raw.incompatible = self.features.incompatible.into();
        raw.segment = self.segment.0.into();
        raw.origin = self.origin.0;
        raw.salt = self.salt.0.into();
        raw.capacity = self.capacity.0.into();
        raw.crc = checksum::plain(&raw.as_bytes()[..PAGE - 4]).into();
        raw.as_bytes().into()
    }

    /// Reads a header page; `page` may be longer. The feature bits are left to the caller
    /// ([`Features::permit`]).
    ///
    /// # Errors
    /// [`FormatError::Truncated`], [`FormatError::Magic`], [`FormatError::Checksum`], or
    /// [`FormatError::Invalid`] for a capacity or segment number that no writer gives;
    /// [`FormatError::Unsupported`] instead, where an unknown incompatible bit may be the reason for it.
    pub fn decode(page: &[u8]) -> Result<SegmentHeader, FormatError> {
        let raw = read_page::<Raw>(page)?;
        if raw.magic != MAGIC {
            return Err(FormatError::Magic { file: "segment" });
        }
        check_page(page, raw.crc.get())?;
        let features = Features {
            compatible: raw.compatible.get(),
            read_only_compatible: raw.read_only_compatible.get(),
            incompatible: raw.incompatible.get(),
        };
        let (capacity, segment) = (raw.capacity.get(), raw.segment.get());
        if let Err(error) = validate(capacity, segment) {
            features.permit()?;
            return Err(error);
        }
        Ok(SegmentHeader {
            features,
            origin: StoreId(raw.origin),
            segment: SegmentId(segment),
            salt: Salt(raw.salt.get()),
            capacity: ByteOffset(capacity),
        })
    }
}

/// Whether a segment may have this capacity and number, wherever they are named.
pub(crate) fn validate(capacity: u64, segment: u32) -> Result<(), FormatError> {
    let addressable = capacity / UNIT_BYTES <= u64::from(u32::MAX);
    if capacity < SEGMENT_BYTES_MIN || !capacity.is_multiple_of(PAGE_BYTES) || !addressable {
        return Err(FormatError::Invalid("segment capacity"));
    }
    if segment == 0 {
        return Err(FormatError::Invalid("segment number"));
    }
    Ok(())
}

/// The first page of `bytes` as a `T`, which is one page long.
pub(crate) fn read_page<T>(bytes: &[u8]) -> Result<&T, FormatError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    match T::ref_from_prefix(bytes) {
        Ok((raw, _)) => Ok(raw),
        Err(_) => Err(FormatError::Truncated { needed: PAGE_BYTES, available: bytes.len() as u64 }),
    }
}

/// Checks a page whose last four bytes are the plain CRC of the others.
pub(crate) fn check_page(page: &[u8], stored: u32) -> Result<(), FormatError> {
    let computed = checksum::plain(&page[..PAGE - 4]);
    if stored == computed { Ok(()) } else { Err(FormatError::Checksum { stored, computed }) }
}
