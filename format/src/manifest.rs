//! The manifest: a header page and a log of numbered edits that together say what belongs to a store.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{self, Domain, Place};
use crate::features::Features;
use crate::seal::SEAL_BODY_BYTES;
use crate::segment::{check_page, read_page, validate};
use crate::{
    ByteOffset, Epoch, FormatError, Lsn, PAGE_BYTES, Position, Salt, Seal, SegmentId, StoreId,
    UNIT_BYTES, align_up,
};

/// The first bytes of every manifest.
pub const MAGIC: [u8; 8] = *b"QUIPUMAN";
const PAGE: usize = PAGE_BYTES as usize;

/// Where the first edit stands.
pub const FIRST_EDIT: ByteOffset = ByteOffset(PAGE_BYTES);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    compatible: U32,
    read_only_compatible: U32,
    incompatible: U32,
    reserved: U32,
    store: [u8; 16],
    secret: [u8; 16],
    salt: U64,
    generation: U64,
    zero: [u8; PAGE - 76],
    crc: U32,
}
const _: () = assert!(size_of::<Raw>() == PAGE);

/// What the first page of a manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestHeader {
    /// What the store demands of its reader.
    pub features: Features,
    /// The store's name for ever.
    pub store: StoreId,
    /// Seeds the hashes of names, so that nobody can choose names that collide.
    pub secret: [u8; 16],
    /// Part of every checksum in the file.
    pub salt: Salt,
    /// How often the manifest was written anew; grows by one each time.
    pub generation: u64,
}

impl ManifestHeader {
    /// The header as its page.
    #[must_use]
    pub fn encode(&self) -> Box<[u8]> {
        let mut raw = Raw::new_zeroed();
        raw.magic = MAGIC;
        raw.compatible = self.features.compatible.into();
        raw.read_only_compatible = self.features.read_only_compatible.into();
        raw.incompatible = self.features.incompatible.into();
        raw.store = self.store.0;
        raw.secret = self.secret;
        raw.salt = self.salt.0.into();
        raw.generation = self.generation.into();
        raw.crc = checksum::plain(&raw.as_bytes()[..PAGE - 4]).into();
        raw.as_bytes().into()
    }

    /// Reads a header page; `page` may be longer. The feature bits are left to the caller.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], [`FormatError::Magic`] or [`FormatError::Checksum`].
    pub fn decode(page: &[u8]) -> Result<ManifestHeader, FormatError> {
        let raw = read_page::<Raw>(page)?;
        if raw.magic != MAGIC {
            return Err(FormatError::Magic { file: "manifest" });
        }
        check_page(page, raw.crc.get())?;
        Ok(ManifestHeader {
            features: Features {
                compatible: raw.compatible.get(),
                read_only_compatible: raw.read_only_compatible.get(),
                incompatible: raw.incompatible.get(),
            },
            store: StoreId(raw.store),
            secret: raw.secret,
            salt: Salt(raw.salt.get()),
            generation: raw.generation.get(),
        })
    }
}

/// Size of what precedes an edit's body.
pub const EDIT_HEADER_BYTES: usize = size_of::<RawEdit>();
const _: () = assert!(EDIT_HEADER_BYTES == checksum::HEAD_BYTES);

/// Largest edit, header and padding included. This version writes none larger than 208 bytes; the bound
/// leaves room for what later versions write and this one steps over.
pub const EDIT_BYTES_MAX: usize = 4096;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawEdit {
    crc: U32,
    len: U32,
    number: U64,
    kind: U16,
    reserved: [u8; 14],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawSegment {
    segment: U32,
    reserved: U32,
    salt: U64,
    capacity: U64,
    origin: [u8; 16],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawSealed {
    end: U64,
    ending: U64,
    seal: [u8; SEAL_BODY_BYTES],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawClosed {
    end: U64,
    next_position: U64,
}

/// What stands after the end of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A seal frame that says the same as the edit, then zeros.
    Framed,
    /// Whatever a crash left there: the store was opened again without a clean close, and nothing is
    /// ever written into a segment of before. The edit alone carries the seal.
    Cut,
}

/// One step in the life of a store's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The store was opened for writing: from here on the last `Closed` proves nothing.
    Opened {
        /// The opening's name, as in the links it writes.
        epoch: Epoch,
    },
    /// The store was closed, with everything durable up to `end` and nothing written after it.
    Closed {
        /// Where the log ends.
        end: Lsn,
        /// The position that the next event will get.
        next_position: Position,
    },
    /// A segment's file exists, complete and under its name.
    Segment {
        /// The segment's number.
        segment: SegmentId,
        /// The salt in its header.
        salt: Salt,
        /// The file's size in bytes.
        capacity: ByteOffset,
        /// The store that wrote it.
        origin: StoreId,
    },
    /// A segment is sealed.
    Sealed {
        /// Where its frames end, the seal frame not counted.
        end: Lsn,
        /// Its summary.
        seal: Seal,
        /// What stands in the file after the end.
        ending: Ending,
    },
    /// A segment's file is not needed any more and may be removed.
    Retired {
        /// The segment's number.
        segment: SegmentId,
    },
    /// A kind that this version does not know and may step over; from 0x8000 on. Its body is not kept.
    Skippable(u16),
}

impl Edit {
    const fn code(&self) -> u16 {
        match self {
            Edit::Opened { .. } => 1,
            Edit::Closed { .. } => 2,
            Edit::Segment { .. } => 3,
            Edit::Sealed { .. } => 4,
            Edit::Retired { .. } => 5,
            Edit::Skippable(code) => *code,
        }
    }

    /// Appends the edit with its padding to `out`, for this place in the file.
    pub fn encode(&self, number: u64, place: Place, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; EDIT_HEADER_BYTES]);
        self.encode_body(out);
        let raw = RawEdit {
            crc: U32::ZERO,
            len: ((out.len() - start) as u32).into(),
            number: number.into(),
            kind: self.code().into(),
            reserved: [0; 14],
        };
        out.resize(start + align_up((out.len() - start) as u64, UNIT_BYTES) as usize, 0);
        let mut head: [u8; EDIT_HEADER_BYTES] = zerocopy::transmute!(raw);
        let crc =
            checksum::seal(Domain::Edit, checksum::plain(&out[start + head.len()..]), &head, place);
        head[..4].copy_from_slice(&crc.to_le_bytes());
        out[start..start + head.len()].copy_from_slice(&head);
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Edit::Opened { epoch } => out.extend_from_slice(&epoch.0),
            Edit::Closed { end, next_position } => out.extend_from_slice(
                RawClosed { end: end.0.into(), next_position: next_position.0.into() }.as_bytes(),
            ),
            Edit::Segment { segment, salt, capacity, origin } => out.extend_from_slice(
                RawSegment {
                    segment: segment.0.into(),
                    reserved: U32::ZERO,
                    salt: salt.0.into(),
                    capacity: capacity.0.into(),
                    origin: origin.0,
                }
                .as_bytes(),
            ),
            Edit::Sealed { end, seal, ending } => out.extend_from_slice(
                RawSealed {
                    end: end.0.into(),
                    ending: u64::from(*ending == Ending::Cut).into(),
                    seal: seal.encode(),
                }
                .as_bytes(),
            ),
            Edit::Retired { segment } => out.extend_from_slice(&segment.0.to_le_bytes()),
            Edit::Skippable(_) => {}
        }
    }

    /// Reads the edit that begins `bytes` and stands at `place`: its number, the edit, and its length
    /// with padding.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], [`FormatError::Checksum`], [`FormatError::Invalid`], which zeros are
    /// whatever their checksum, and [`FormatError::Unsupported`] for what a newer version wrote and may
    /// not be stepped over.
    pub fn decode(bytes: &[u8], place: Place) -> Result<(u64, Edit, u64), FormatError> {
        let Ok((raw, _)) = RawEdit::ref_from_prefix(bytes) else {
            return Err(FormatError::Truncated {
                needed: EDIT_HEADER_BYTES as u64,
                available: bytes.len() as u64,
            });
        };
        // What follows the last edit.
        if raw.as_bytes() == [0; EDIT_HEADER_BYTES] {
            return Err(FormatError::Invalid("no edit: zeros"));
        }
        let len = raw.len.get() as usize;
        if !(EDIT_HEADER_BYTES..=EDIT_BYTES_MAX).contains(&len) {
            return Err(FormatError::Invalid("length of an edit"));
        }
        let padded = align_up(len as u64, UNIT_BYTES);
        let Some(tail) = bytes.get(EDIT_HEADER_BYTES..padded as usize) else {
            return Err(FormatError::Truncated { needed: padded, available: bytes.len() as u64 });
        };
        let stored = raw.crc.get();
        let computed =
            checksum::seal(Domain::Edit, checksum::plain(tail), &zerocopy::transmute!(*raw), place);
        if stored != computed {
            return Err(FormatError::Checksum { stored, computed });
        }
        let edit = Edit::decode_body(raw.kind.get(), &bytes[EDIT_HEADER_BYTES..len])?;
        Ok((raw.number.get(), edit, padded))
    }

    fn decode_body(kind: u16, body: &[u8]) -> Result<Edit, FormatError> {
        const SHORT: FormatError = FormatError::Invalid("an edit too short for its kind");
        match kind {
            1 => body.first_chunk().map(|epoch| Edit::Opened { epoch: Epoch(*epoch) }).ok_or(SHORT),
            2 => {
                let (raw, _) = RawClosed::ref_from_prefix(body).map_err(|_| SHORT)?;
                Ok(Edit::Closed {
                    end: Lsn(raw.end.get()),
                    next_position: Position(raw.next_position.get()),
                })
            }
            3 => {
                let (raw, _) = RawSegment::ref_from_prefix(body).map_err(|_| SHORT)?;
                validate(raw.capacity.get(), raw.segment.get())?;
                Ok(Edit::Segment {
                    segment: SegmentId(raw.segment.get()),
                    salt: Salt(raw.salt.get()),
                    capacity: ByteOffset(raw.capacity.get()),
                    origin: StoreId(raw.origin),
                })
            }
            4 => {
                let (raw, _) = RawSealed::ref_from_prefix(body).map_err(|_| SHORT)?;
                let ending = match raw.ending.get() {
                    0 => Ending::Framed,
                    1 => Ending::Cut,
                    value => {
                        let what = "ending of a sealed segment";
                        return Err(FormatError::Unsupported { what, value });
                    }
                };
                let seal = Seal::decode(&raw.seal)?;
                Ok(Edit::Sealed { end: Lsn(raw.end.get()), seal, ending })
            }
            5 => body
                .first_chunk()
                .map(|id| Edit::Retired { segment: SegmentId(u32::from_le_bytes(*id)) })
                .ok_or(SHORT),
            0x8000.. => Ok(Edit::Skippable(kind)),
            _ => Err(FormatError::Unsupported { what: "edit kind", value: u64::from(kind) }),
        }
    }
}
