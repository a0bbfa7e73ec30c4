//! What is known of a sealed segment.

use std::fmt;

use zerocopy::little_endian::{I64, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{FormatError, Position, Timestamp};

/// A BLAKE3 hash.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Size of a seal, wherever it stands: in a seal frame and in a manifest edit.
pub const SEAL_BODY_BYTES: usize = size_of::<Raw>();
const _: () = assert!(SEAL_BODY_BYTES == 160);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    events: U64,
    dropped: U64,
    first_position: U64,
    next_position: U64,
    first_time: U64,
    last_time: U64,
    occurred_min: I64,
    occurred_max: I64,
    content_hash: [u8; 32],
    origin_hash: [u8; 32],
    chain: [u8; 32],
}

/// The summary of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Events in the segment.
    pub events: u64,
    /// Events that compaction took out of it.
    pub dropped: u64,
    /// Position of the first event, or of the next segment's first where there is none.
    pub first_position: Position,
    /// Position after the last event.
    pub next_position: Position,
    /// Recorded time of the first frame.
    pub first_time: Timestamp,
    /// Recorded time of the last frame.
    pub last_time: Timestamp,
    /// Earliest and latest occurred time, where any event carries one.
    pub occurred: Option<(Timestamp, Timestamp)>,
    /// BLAKE3 of the file's bytes before the seal.
    pub content_hash: Hash,
    /// The content hash when the segment was first sealed; compaction carries it along.
    pub origin_hash: Hash,
    /// BLAKE3 of the previous segment's chain followed by `origin_hash`.
    pub chain: Hash,
}

impl Seal {
    /// The seal as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEAL_BODY_BYTES] {
        let (min, max) = self.occurred.map_or((i64::MAX, i64::MIN), |(min, max)| (min.0, max.0));
        let raw = Raw {
            events: self.events.into(),
            dropped: self.dropped.into(),
            first_position: self.first_position.0.into(),
            next_position: self.next_position.0.into(),
            first_time: self.first_time.0.cast_unsigned().into(),
            last_time: self.last_time.0.cast_unsigned().into(),
            occurred_min: min.into(),
            occurred_max: max.into(),
            content_hash: self.content_hash.0,
            origin_hash: self.origin_hash.0,
            chain: self.chain.0,
        };
        zerocopy::transmute!(raw)
    }

    /// Reads a seal whose checksum was checked by the caller.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], or [`FormatError::Invalid`] for counts or times that contradict each
    /// other.
    pub fn decode(bytes: &[u8]) -> Result<Seal, FormatError> {
        let Ok((raw, _)) = Raw::ref_from_prefix(bytes) else {
            return Err(FormatError::Truncated {
                needed: SEAL_BODY_BYTES as u64,
                available: bytes.len() as u64,
            });
        };
        let first = raw.first_position.get();
        let span = raw.next_position.get().checked_sub(first);
        if span != raw.events.get().checked_add(raw.dropped.get()) {
            return Err(FormatError::Invalid("a seal whose counts and positions disagree"));
        }
        let first_time = Timestamp(raw.first_time.get().cast_signed());
        let last_time = Timestamp(raw.last_time.get().cast_signed());
        if first_time.0 < 0 || last_time < first_time {
            return Err(FormatError::Invalid("a seal whose recorded times disagree"));
        }
        let (min, max) = (raw.occurred_min.get(), raw.occurred_max.get());
        Ok(Seal {
            events: raw.events.get(),
            dropped: raw.dropped.get(),
            first_position: Position(first),
            next_position: Position(raw.next_position.get()),
            first_time,
            last_time,
            occurred: (min <= max).then_some((Timestamp(min), Timestamp(max))),
            content_hash: Hash(raw.content_hash),
            origin_hash: Hash(raw.origin_hash),
            chain: Hash(raw.chain),
        })
    }
}
