//! A frame: one commit, or one of the log's own entries.
//!
//! A frame begins at a multiple of 16 bytes with a 32-byte header that carries its length. What stands
//! in the body depends on the kind; a reader that does not know a kind from 0x80 on steps over it.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{self, Domain, Place};
use crate::limits::FRAME_BYTES_MAX;
use crate::record::RECORD_BYTES_MIN;
use crate::seal::SEAL_BODY_BYTES;
use crate::{
    ByteOffset, Epoch, FormatError, Lsn, Position, Salt, Seal, SegmentId, Timestamp, UNIT_BYTES,
};

/// Size of a frame header.
pub const FRAME_HEADER_BYTES: usize = size_of::<Raw>();
const _: () = assert!(FRAME_HEADER_BYTES == 32);
const _: () = assert!(FRAME_HEADER_BYTES == checksum::HEAD_BYTES);

/// Size of a mark frame: nothing but its header.
pub const MARK_FRAME_BYTES: usize = FRAME_HEADER_BYTES;
/// Size of a link frame.
pub const LINK_FRAME_BYTES: usize = FRAME_HEADER_BYTES + size_of::<RawLink>();
const _: () = assert!(LINK_FRAME_BYTES == 96);
/// Size of a seal frame.
pub const SEAL_FRAME_BYTES: usize = FRAME_HEADER_BYTES + BODY_HEADER_BYTES + SEAL_BODY_BYTES;
const _: () = assert!(SEAL_FRAME_BYTES == 224);

/// Size of what precedes the content of a link or seal body: checksum, length, reserved bytes.
const BODY_HEADER_BYTES: usize = 32;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct Raw {
    crc: U32,
    len: U32,
    first_position: U64,
    time_us: U64,
    durable_to: U32,
    events: U16,
    kind: u8,
    flags: u8,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawLink {
    crc: U32,
    len: U32,
    last_time_us: U64,
    epoch: [u8; 16],
    predecessor: U32,
    predecessor_end: U32,
    predecessor_salt: U64,
    writer: U32,
    reserved: [u8; 12],
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// Ties a segment to the one before it, or an opening of the store to the one before. The first
    /// frame of every segment.
    Link,
    /// The events of one commit.
    Events,
    /// A change of a stream's lifecycle; takes no position; reserved.
    Control,
    /// Says only that everything before it is durable.
    Mark,
    /// The last frame of a sealed segment.
    Seal,
    /// A commit whose events are encrypted; reserved.
    Encrypted,
    /// A kind that this version does not know and may step over; from 0x80 on.
    Skippable(u8),
}

impl FrameKind {
    /// The flags that this version knows for this kind; all, where it may step over the frame.
    const fn flags_known(self) -> u8 {
        match self {
            FrameKind::Mark => FLAG_CLOSED,
            FrameKind::Events => FLAG_SPARSE,
            FrameKind::Link | FrameKind::Control | FrameKind::Seal | FrameKind::Encrypted => 0,
            FrameKind::Skippable(_) => u8::MAX,
        }
    }

    /// Whether a frame of this kind may have this length.
    fn admits(self, len: u64) -> bool {
        match self {
            FrameKind::Link => len == LINK_FRAME_BYTES as u64,
            FrameKind::Mark => len == MARK_FRAME_BYTES as u64,
            FrameKind::Seal => len == SEAL_FRAME_BYTES as u64,
            _ => {
                (FRAME_HEADER_BYTES as u64..=FRAME_BYTES_MAX as u64).contains(&len)
                    && len.is_multiple_of(UNIT_BYTES)
            }
        }
    }

    const fn code(self) -> u8 {
        match self {
            FrameKind::Link => 1,
            FrameKind::Events => 2,
            FrameKind::Control => 3,
            FrameKind::Mark => 4,
            FrameKind::Seal => 5,
            FrameKind::Encrypted => 6,
            FrameKind::Skippable(code) => code,
        }
    }

    const fn of(code: u8) -> Option<FrameKind> {
        match code {
            1 => Some(FrameKind::Link),
            2 => Some(FrameKind::Events),
            3 => Some(FrameKind::Control),
            4 => Some(FrameKind::Mark),
            5 => Some(FrameKind::Seal),
            6 => Some(FrameKind::Encrypted),
            0x80.. => Some(FrameKind::Skippable(code)),
            _ => None,
        }
    }
}

/// Flag of a mark: the store was closed here, and nothing was written after it.
pub const FLAG_CLOSED: u8 = 1;
/// Flag of an events frame: compaction took events out, so positions go by the records' ordinals; reserved.
pub const FLAG_SPARSE: u8 = 2;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame holds.
    pub kind: FrameKind,
    /// Bits by kind: [`FLAG_CLOSED`], [`FLAG_SPARSE`].
    pub flags: u8,
    /// Bytes of the frame, header and padding included; a multiple of 16.
    pub len: u32,
    /// Events in the commit, also those that compaction took out; 0 for every other kind.
    pub events: u16,
    /// Position of the first event; for every other kind, the position that the next event will get.
    pub first_position: Position,
    /// When the store committed it. Never less than that of the frame before.
    pub time: Timestamp,
    /// How far this segment was durable when the group that wrote this frame was closed.
    /// Never past the frame itself.
    pub durable_to: ByteOffset,
}

impl FrameHeader {
    /// The header as bytes, with its checksum for this place.
    #[must_use]
    pub fn encode(&self, place: Place) -> [u8; FRAME_HEADER_BYTES] {
        let mut raw = Raw {
            crc: U32::ZERO,
            len: self.len.into(),
            first_position: self.first_position.0.into(),
            time_us: self.time.0.cast_unsigned().into(),
            durable_to: self.durable_to.units().into(),
            events: self.events.into(),
            kind: self.kind.code(),
            flags: self.flags,
        };
        raw.crc = checksum::seal(Domain::Frame, 0, &zerocopy::transmute!(raw), place).into();
        zerocopy::transmute!(raw)
    }

    /// Reads the header of a frame at this place.
    ///
    /// # Errors
    /// [`FormatError::Truncated`]; [`FormatError::Invalid`] for zeros, whatever their checksum;
    /// [`FormatError::Checksum`]; with a matching checksum [`FormatError::Unsupported`] for a kind or
    /// flag of a newer version and [`FormatError::Invalid`] for what no writer gives.
    pub fn decode(bytes: &[u8], place: Place) -> Result<FrameHeader, FormatError> {
        let raw = Raw::head(bytes)?;
        raw.check(place)?;
        let Some(kind) = FrameKind::of(raw.kind) else {
            return Err(FormatError::Unsupported {
                what: "frame kind",
                value: u64::from(raw.kind),
            });
        };
        if raw.flags & !kind.flags_known() != 0 {
            return Err(FormatError::Unsupported {
                what: "frame flag",
                value: u64::from(raw.flags),
            });
        }
        let header = FrameHeader {
            kind,
            flags: raw.flags,
            len: raw.len.get(),
            events: raw.events.get(),
            first_position: Position(raw.first_position.get()),
            time: Timestamp(raw.time_us.get().cast_signed()),
            durable_to: ByteOffset::from_units(raw.durable_to.get()),
        };
        header.validate(place)?;
        Ok(header)
    }

    /// Whether the bytes at this place may begin a frame, without summing them: the quick question of
    /// a search, answered by length, kind and `durable_to` alone.
    #[must_use]
    pub fn is_plausible(bytes: &[u8], place: Place, capacity: ByteOffset) -> bool {
        let Ok(raw) = Raw::head(bytes) else { return false };
        let len = u64::from(raw.len.get());
        FrameKind::of(raw.kind).is_some_and(|kind| kind.admits(len))
            && len <= capacity.0.saturating_sub(place.offset.0)
            && ByteOffset::from_units(raw.durable_to.get()) <= place.offset
    }

    /// Whether this version knows what such a frame means. Where it does not, the header is valid all the same, and what
    /// it calls durable is.
    ///
    /// # Errors
    /// [`FormatError::Unsupported`] for kinds and flags that are reserved: changes of a stream's lifecycle, encrypted
    /// commits, and commits that compaction took events out of.
    pub fn permit(&self) -> Result<(), FormatError> {
        let (what, value) = match self.kind {
            FrameKind::Control | FrameKind::Encrypted => ("frame kind", self.kind.code()),
            FrameKind::Events if self.flags & FLAG_SPARSE != 0 => ("frame flag", self.flags),
            _ => return Ok(()),
        };
        Err(FormatError::Unsupported { what, value: u64::from(value) })
    }

    fn validate(&self, place: Place) -> Result<(), FormatError> {
        if !self.kind.admits(u64::from(self.len)) {
            return Err(FormatError::Invalid("frame length"));
        }
        if self.durable_to > place.offset {
            return Err(FormatError::Invalid("a frame that calls itself durable before its end"));
        }
        if self.time.0 < 0 {
            return Err(FormatError::Invalid("recorded time"));
        }
        if (self.kind == FrameKind::Events) != (self.events > 0)
            && self.kind != FrameKind::Encrypted
        {
            return Err(FormatError::Invalid("number of events"));
        }
        // Of a commit that compaction took events out of, the bytes do not say how many it had.
        let records = RECORD_BYTES_MIN as u64 * u64::from(self.events);
        let is_whole = self.kind == FrameKind::Events && self.flags & FLAG_SPARSE == 0;
        if is_whole && u64::from(self.len) < FRAME_HEADER_BYTES as u64 + records {
            return Err(FormatError::Invalid("more events than a frame has bytes for"));
        }
        Ok(())
    }

    /// Position that the event after this frame gets.
    #[must_use]
    pub fn next_position(&self) -> Position {
        self.first_position.plus(u64::from(self.events))
    }
}

impl Raw {
    /// The first bytes as a header, unless they are zeros. What follows the last frame is, and among its
    /// millions of places there may be one where zeros have a matching checksum.
    fn head(bytes: &[u8]) -> Result<&Raw, FormatError> {
        match Raw::ref_from_prefix(bytes) {
            Ok((raw, _)) if raw.as_bytes() == [0; FRAME_HEADER_BYTES] => {
                Err(FormatError::Invalid("no frame: zeros"))
            }
            Ok((raw, _)) => Ok(raw),
            Err(_) => Err(FormatError::Truncated {
                needed: FRAME_HEADER_BYTES as u64,
                available: bytes.len() as u64,
            }),
        }
    }

    fn check(&self, place: Place) -> Result<(), FormatError> {
        let (stored, computed) =
            (self.crc.get(), checksum::seal(Domain::Frame, 0, &zerocopy::transmute!(*self), place));
        if stored == computed { Ok(()) } else { Err(FormatError::Checksum { stored, computed }) }
    }
}

/// What a link says of the log before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where the log before this link ends, and the salt of that segment; `None` at the very start.
    /// After a clean close this is the link's own segment and offset.
    pub predecessor: Option<(Lsn, Salt)>,
    /// Recorded time of the last frame before this link.
    pub last_time: Timestamp,
    /// The opening of the store that wrote this link.
    pub epoch: Epoch,
    /// The version of Quipu that wrote this link: major << 16 | minor << 8 | patch; for people who look
    /// for what a faulty release wrote. No reader goes by it.
    pub writer: u32,
}

/// Checks a body that begins with its checksum and length, and gives the 32 bytes they stand in.
fn check_body(bytes: &[u8], place: Place, size: usize) -> Result<(), FormatError> {
    let Some((head, rest)) = bytes.split_first_chunk::<{ checksum::HEAD_BYTES }>() else {
        return Err(FormatError::Truncated { needed: size as u64, available: bytes.len() as u64 });
    };
    let Some(tail) = rest.get(..size - head.len()) else {
        return Err(FormatError::Truncated { needed: size as u64, available: bytes.len() as u64 });
    };
    let [a, b, c, d, e, f, g, h, ..] = *head;
    let stored = u32::from_le_bytes([a, b, c, d]);
    let computed = checksum::seal(Domain::Body, checksum::plain(tail), head, place);
    if stored != computed {
        return Err(FormatError::Checksum { stored, computed });
    }
    if u32::from_le_bytes([e, f, g, h]) as usize != size {
        return Err(FormatError::Invalid("length of a link or seal"));
    }
    Ok(())
}

/// Puts the checksum of a whole body into its first four bytes.
fn seal_body(body: &mut [u8], place: Place) {
    if let Some((head, tail)) = body.split_first_chunk_mut::<{ checksum::HEAD_BYTES }>() {
        let crc = checksum::seal(Domain::Body, checksum::plain(tail), head, place);
        head[..4].copy_from_slice(&crc.to_le_bytes());
    }
}

impl Link {
    /// The body of a link frame whose header stands at `frame`.
    #[must_use]
    pub fn encode(&self, frame: Place) -> [u8; LINK_FRAME_BYTES - FRAME_HEADER_BYTES] {
        let (end, salt) = self.predecessor.unwrap_or_default();
        let raw = RawLink {
            crc: U32::ZERO,
            len: (size_of::<RawLink>() as u32).into(),
            last_time_us: self.last_time.0.cast_unsigned().into(),
            epoch: self.epoch.0,
            predecessor: end.segment().0.into(),
            predecessor_end: end.offset().units().into(),
            predecessor_salt: salt.0.into(),
            writer: self.writer.into(),
            reserved: [0; 12],
        };
        let mut body: [u8; size_of::<RawLink>()] = zerocopy::transmute!(raw);
        seal_body(&mut body, frame.plus(FRAME_HEADER_BYTES as u64));
        body
    }

    /// Reads the body of a link frame whose header stands at `frame`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], [`FormatError::Checksum`] or [`FormatError::Invalid`].
    pub fn decode(body: &[u8], frame: Place) -> Result<Link, FormatError> {
        check_body(body, frame.plus(FRAME_HEADER_BYTES as u64), size_of::<RawLink>())?;
        let Ok((raw, _)) = RawLink::ref_from_prefix(body) else {
            return Err(FormatError::Invalid("link"));
        };
        let last_time = Timestamp(raw.last_time_us.get().cast_signed());
        if last_time.0 < 0 {
            return Err(FormatError::Invalid("recorded time"));
        }
        let segment = SegmentId(raw.predecessor.get());
        let end = ByteOffset::from_units(raw.predecessor_end.get());
        Ok(Link {
            predecessor: (segment.0 != 0)
                .then(|| (Lsn::new(segment, end), Salt(raw.predecessor_salt.get()))),
            last_time,
            epoch: Epoch(raw.epoch),
            writer: raw.writer.get(),
        })
    }
}

/// The body of a seal frame whose header stands at `frame`.
#[must_use]
pub fn encode_seal(seal: &Seal, frame: Place) -> [u8; SEAL_FRAME_BYTES - FRAME_HEADER_BYTES] {
    let mut body = [0; BODY_HEADER_BYTES + SEAL_BODY_BYTES];
    let size = body.len() as u32;
    body[4..8].copy_from_slice(&size.to_le_bytes());
    body[BODY_HEADER_BYTES..].copy_from_slice(&seal.encode());
    seal_body(&mut body, frame.plus(FRAME_HEADER_BYTES as u64));
    body
}

/// Reads the body of a seal frame whose header stands at `frame`.
///
/// # Errors
/// [`FormatError::Truncated`], [`FormatError::Checksum`] or [`FormatError::Invalid`].
pub fn decode_seal(body: &[u8], frame: Place) -> Result<Seal, FormatError> {
    let size = BODY_HEADER_BYTES + SEAL_BODY_BYTES;
    check_body(body, frame.plus(FRAME_HEADER_BYTES as u64), size)?;
    Seal::decode(&body[BODY_HEADER_BYTES..])
}
