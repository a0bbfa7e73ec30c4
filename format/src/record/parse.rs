//! Reading a record where it stands.

use zerocopy::FromBytes;

use super::{
    Codec, EIGHT_BYTE_FIELDS, HAS_ID, HAS_OCCURRED, RECORD_HEADER_BYTES, RESERVED_BITS, Raw,
    SIXTEEN_BYTE_FIELDS,
};
use crate::checksum::{self, Domain, Place};
use crate::limits::{
    FRAME_BYTES_MAX, METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, STREAM_BYTES_MAX, TAGS_MAX,
};
use crate::{FormatError, Timestamp, UNIT_BYTES, Version, align_up};

/// Whether a reader sums a record before it believes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Sum it.
    Sum,
    /// It was summed before and cannot have changed since.
    Trust,
}

/// What a record's header says of its size and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the record with its padding.
    pub len: u64,
    /// Bytes from the frame's header to the record.
    pub frame_back: u64,
    /// The record's number within its frame.
    pub ordinal: u16,
}

impl Extent {
    fn new(raw: &Raw, padded_len: usize) -> Extent {
        let frame_back = u64::from(raw.frame_back.get()) * UNIT_BYTES;
        Extent { len: padded_len as u64, frame_back, ordinal: raw.ordinal.get() }
    }
}

/// A record, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    raw: &'a Raw,
    /// All of the record after its header, to its unpadded end.
    body: &'a [u8],
    stream: &'a str,
    kind: &'a str,
    tags: Tags<'a>,
    metadata: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record that begins `bytes` and stands at `place`; `bytes` goes on at least to the
    /// record's padded end.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], [`FormatError::Checksum`], [`FormatError::Invalid`], and
    /// [`FormatError::Unsupported`] for a flag of a newer version.
    pub fn parse(bytes: &'a [u8], place: Place, check: Check) -> Result<Record<'a>, FormatError> {
        let raw = header(bytes)?;
        let padded = padded_len(raw, bytes.len())?;
        if check == Check::Sum {
            verify(raw, &bytes[RECORD_HEADER_BYTES..padded], place)?;
        }
        Record::dissect(raw, &bytes[RECORD_HEADER_BYTES..raw.len.get() as usize])
    }

    /// What the record that begins `bytes` says of its size and place. Nothing of it is summed yet.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] where there is no whole header, [`FormatError::Invalid`] for a length that
    /// no record has.
    pub fn extent(bytes: &[u8]) -> Result<Extent, FormatError> {
        let raw = header(bytes)?;
        padded_len(raw, usize::MAX).map(|len| Extent::new(raw, len))
    }

    /// The same of a record that stands at `place`, summed by `check`. `bytes` goes on at least to the
    /// record's padded end. Names, tags and the like are not looked at: [`Record::parse`] does that.
    ///
    /// # Errors
    /// As [`Record::extent`], and [`FormatError::Checksum`].
    pub fn sum(bytes: &[u8], place: Place, check: Check) -> Result<Extent, FormatError> {
        let raw = header(bytes)?;
        let len = padded_len(raw, bytes.len())?;
        if check == Check::Sum {
            verify(raw, &bytes[RECORD_HEADER_BYTES..len], place)?;
        }
        Ok(Extent::new(raw, len))
    }

    /// Whether the bytes may begin a record that stands `frame_back` bytes into a frame of this many
    /// events, without summing them: the quick question of a search behind damage.
    #[must_use]
    pub fn is_plausible(bytes: &[u8], frame_back: u64, events: u64) -> bool {
        header(bytes).is_ok_and(|raw| {
            u64::from(raw.frame_back.get()) * UNIT_BYTES == frame_back
                && u64::from(raw.ordinal.get()) < events
                && padded_len(raw, bytes.len()).is_ok()
        })
    }

    fn dissect(raw: &'a Raw, body: &'a [u8]) -> Result<Record<'a>, FormatError> {
        let flags = raw.flags.get();
        if flags & RESERVED_BITS != 0 {
            return Err(FormatError::Unsupported { what: "record flag", value: u64::from(flags) });
        }
        let mut rest = Cut { bytes: body, at: 0 };
        rest.take(optional_bytes(flags))?;
        let stream_len = usize::from(raw.stream_len.get());
        if stream_len == 0 || stream_len > STREAM_BYTES_MAX || raw.type_len == 0 {
            return Err(FormatError::Invalid("length of a stream name or type"));
        }
        let stream = rest.text(stream_len)?;
        let kind = rest.text(usize::from(raw.type_len))?;
        if usize::from(raw.tags) > TAGS_MAX {
            return Err(FormatError::Invalid("number of tags"));
        }
        let tags = rest.tags(raw.tags)?;
        if raw.metadata_len.get() as usize > METADATA_BYTES_MAX {
            return Err(FormatError::Invalid("length of metadata"));
        }
        let metadata = rest.take(raw.metadata_len.get() as usize)?;
        rest.align()?;
        let payload = &body[rest.at..];
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(FormatError::Invalid("length of a payload"));
        }
        Ok(Record { raw, body, stream, kind, tags, metadata, payload })
    }

    /// The event's number within its stream.
    #[must_use]
    pub fn version(&self) -> Version {
        Version(self.raw.version.get())
    }

    /// The record's number within its frame.
    #[must_use]
    pub fn ordinal(&self) -> u16 {
        self.raw.ordinal.get()
    }

    /// Bytes from the frame's header to this record.
    #[must_use]
    pub fn frame_back(&self) -> u64 {
        u64::from(self.raw.frame_back.get()) * UNIT_BYTES
    }

    /// Bytes of the record with its padding: the distance to the next one.
    #[must_use]
    pub fn padded_len(&self) -> u64 {
        align_up(u64::from(self.raw.len.get()), UNIT_BYTES)
    }

    /// Bytes of the optional fields: times, ids, and what this version has no name for.
    #[must_use]
    pub fn optional_len(&self) -> usize {
        optional_bytes(self.raw.flags.get())
    }

    /// Name of the stream.
    #[must_use]
    pub fn stream(&self) -> &'a str {
        self.stream
    }

    /// Type of the event.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// The tags, in the writer's order.
    #[must_use]
    pub fn tags(&self) -> Tags<'a> {
        self.tags
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &'a [u8] {
        self.metadata
    }

    /// The payload. It begins at a multiple of 16 bytes from the start of the file.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// How the payload is encoded.
    #[must_use]
    pub fn codec(&self) -> Codec {
        Codec::of(self.raw.flags.get())
    }

    /// When it happened in the world, if the writer said so.
    #[must_use]
    pub fn occurred(&self) -> Option<Timestamp> {
        if self.raw.flags.get() & HAS_OCCURRED == 0 {
            return None;
        }
        let bytes = self.body.first_chunk::<8>()?;
        Some(Timestamp(i64::from_le_bytes(*bytes)))
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> Option<[u8; 16]> {
        let flags = self.raw.flags.get();
        if flags & HAS_ID == 0 {
            return None;
        }
        let before = (flags & EIGHT_BYTE_FIELDS).count_ones() as usize * 8;
        self.body.get(before..)?.first_chunk::<16>().copied()
    }
}

fn header(bytes: &[u8]) -> Result<&Raw, FormatError> {
    match Raw::ref_from_prefix(bytes) {
        Ok((raw, _)) => Ok(raw),
        Err(_) => Err(FormatError::Truncated {
            needed: RECORD_HEADER_BYTES as u64,
            available: bytes.len() as u64,
        }),
    }
}

fn padded_len(raw: &Raw, available: usize) -> Result<usize, FormatError> {
    let len = raw.len.get() as usize;
    if !(RECORD_HEADER_BYTES..=FRAME_BYTES_MAX).contains(&len) {
        return Err(FormatError::Invalid("record length"));
    }
    let padded = align_up(len as u64, UNIT_BYTES) as usize;
    if padded > available {
        return Err(FormatError::Truncated { needed: padded as u64, available: available as u64 });
    }
    Ok(padded)
}

fn verify(raw: &Raw, tail: &[u8], place: Place) -> Result<(), FormatError> {
    let stored = raw.crc.get();
    let computed =
        checksum::seal(Domain::Record, checksum::plain(tail), &zerocopy::transmute!(*raw), place);
    if stored == computed { Ok(()) } else { Err(FormatError::Checksum { stored, computed }) }
}

fn optional_bytes(flags: u16) -> usize {
    (flags & EIGHT_BYTE_FIELDS).count_ones() as usize * 8
        + (flags & SIXTEEN_BYTE_FIELDS).count_ones() as usize * 16
}

/// A cursor over the body of a record.
struct Cut<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cut<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let taken = self.bytes[self.at..]
            .get(..count)
            .ok_or(FormatError::Invalid("a field that goes beyond its record"))?;
        self.at += count;
        Ok(taken)
    }

    fn text(&mut self, count: usize) -> Result<&'a str, FormatError> {
        std::str::from_utf8(self.take(count)?)
            .map_err(|_| FormatError::Invalid("a name not in UTF-8"))
    }

    fn tags(&mut self, count: u8) -> Result<Tags<'a>, FormatError> {
        let start = self.at;
        for _ in 0..count {
            let len = usize::from(self.take(1)?[0]);
            if len == 0 {
                return Err(FormatError::Invalid("an empty tag"));
            }
            self.text(len)?;
        }
        Ok(Tags { bytes: &self.bytes[start..self.at] })
    }

    fn align(&mut self) -> Result<(), FormatError> {
        // The header is a multiple of the unit, so aligning within the body aligns in the file.
        let aligned = align_up(self.at as u64, UNIT_BYTES) as usize;
        self.take(aligned - self.at).map(|_| ())
    }
}

/// The tags of an event, in the writer's order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tags<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (&len, rest) = self.bytes.split_first()?;
        let (tag, rest) = rest.split_at_checked(usize::from(len))?;
        self.bytes = rest;
        // Checked when the record was parsed; bytes that changed since end the list.
        std::str::from_utf8(tag).ok()
    }
}
