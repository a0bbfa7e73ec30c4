//! The header page of an index file.

use std::mem::offset_of;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Entry, HeadEntry, Span, checks, directory, filter};
use crate::features::Features;
use crate::segment::{check_page, read_page};
use crate::{
    ByteOffset, FormatError, PAGE_BYTES, Position, Salt, SegmentId, StoreId, Timestamp, align_up,
    checksum,
};

const MAGIC: [u8; 8] = *b"QUIPUIDX";
const PAGE: usize = PAGE_BYTES as usize;

/// Sections begin at multiples of this many bytes.
const SECTION_ALIGNMENT: u64 = 64;
const SECTIONS: usize = 7;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    /// Compatible, read-only compatible, incompatible.
    features: [U32; 3],
    about: RawAbout,
    filter: [u8; filter::DESCRIPTOR_BYTES],
    directory_bits: u8,
    reserved: [u8; 3],
    sections: [RawSpan; SECTIONS],
    checks_crc: U32,
    zero: [u8; PAGE - 232],
    crc: U32,
}
const _: () = assert!(size_of::<Raw>() == PAGE);

/// What every page of the file is summed with, see [`checks`](super::checks).
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawAbout {
    contents: U32,
    store: [u8; 16],
    /// The first and the last.
    segments: [U32; 2],
    salt: U64,
    base: U64,
    events: U32,
    ids: U32,
    end: U32,
    entries: U32,
    last_time: U64,
}
const _: () = assert!(size_of::<RawAbout>() == checks::TIE.end - checks::TIE.start);
const _: () = assert!(offset_of!(Raw, about) == checks::TIE.start);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawSpan {
    start: U64,
    bytes: U64,
}

/// What an index file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A segment or the first part of one: its entries are [`Entry`].
    Segment(Covered),
    /// The heads of all keys of these segments: its entries are [`HeadEntry`], and it has no postings,
    /// offsets and names.
    Run {
        /// The first segment.
        first: SegmentId,
        /// The last one; not before the first.
        last: SegmentId,
        /// The salt in the header of the last one: it tells one life of these numbers from another, since each
        /// segment names the salt of the one before.
        salt: Salt,
    },
}

/// Which frames of a segment an index covers: from the first up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The segment's number.
    pub segment: SegmentId,
    /// The salt in its header.
    pub salt: Salt,
    /// The position of ordinal 0.
    pub base: Position,
    /// The number of ordinals, those included whose events compaction took out.
    pub events: u32,
    /// So many of them, from ordinal 0 on, are found by their ids too; not more than there are.
    pub ids: u32,
    /// Where the frames covered end; a multiple of 16.
    pub end: ByteOffset,
    /// The recorded time of the last of them.
    pub last_time: Timestamp,
}

/// Where the sections are, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// Fingerprints of the filter; empty: there is none, and any key may be there.
    pub filter: Span,
    /// Numbers of entries by the top bits of the key.
    pub directory: Span,
    /// The entries, sorted by key.
    pub entries: Span,
    /// Ordinals of each key's events.
    pub postings: Span,
    /// The place of each event's record.
    pub offsets: Span,
    /// The streams born here.
    pub names: Span,
    /// The checksum of each page between the header and here.
    pub checks: Span,
}

impl Sections {
    /// The places of sections of these lengths, in this order, and of the checksums behind them.
    #[must_use]
    pub fn of(bytes: [u64; SECTIONS - 1]) -> Sections {
        let mut end = PAGE_BYTES;
        let [filter, directory, entries, postings, offsets, names] = bytes.map(|bytes| {
            let span = Span { start: align_up(end, SECTION_ALIGNMENT), bytes };
            end = span.end();
            span
        });
        let start = align_up(end, PAGE_BYTES);
        let checks = Span { start, bytes: (start / PAGE_BYTES - 1) * 4 };
        Sections { filter, directory, entries, postings, offsets, names, checks }
    }

    pub(super) fn in_order(&self) -> [Span; SECTIONS] {
        let Sections { filter, directory, entries, postings, offsets, names, checks } = *self;
        [filter, directory, entries, postings, offsets, names, checks]
    }
}

/// What the first page of an index file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexHeader {
    /// What the file demands of its reader.
    pub features: Features,
    /// The store that the file belongs to.
    pub store: StoreId,
    /// What it is about.
    pub contents: Contents,
    /// The number of entries.
    pub entries: u32,
    /// How many of a key's top bits lead to a slot of the directory.
    pub directory_bits: u8,
    /// How the filter is laid out.
    pub filter: [u8; filter::DESCRIPTOR_BYTES],
    /// Where the sections are.
    pub sections: Sections,
    /// The CRC-32 of the section `checks`.
    pub checks_crc: u32,
}

impl IndexHeader {
    /// The header as its page.
    #[must_use]
    pub fn encode(&self) -> Box<[u8]> {
        let mut raw = Raw::new_zeroed();
        raw.magic = MAGIC;
        let Features { compatible, read_only_compatible, incompatible } = self.features;
        raw.features = [compatible, read_only_compatible, incompatible].map(U32::new);
        raw.about = self.about();
        raw.filter = self.filter;
        raw.directory_bits = self.directory_bits;
        raw.sections = self
            .sections
            .in_order()
            .map(|span| RawSpan { start: span.start.into(), bytes: span.bytes.into() });
        raw.checks_crc = self.checks_crc.into();
        raw.crc = checksum::plain(&raw.as_bytes()[..PAGE - 4]).into();
        raw.as_bytes().into()
    }

    fn about(&self) -> RawAbout {
        let mut raw = RawAbout::new_zeroed();
        raw.store = self.store.0;
        raw.entries = self.entries.into();
        match self.contents {
            Contents::Segment(covered) => {
                raw.contents = 1.into();
                raw.segments = [covered.segment.0.into(); 2];
                raw.salt = covered.salt.0.into();
                raw.base = covered.base.0.into();
                raw.events = covered.events.into();
                raw.ids = covered.ids.into();
                raw.end = covered.end.units().into();
                raw.last_time = covered.last_time.0.cast_unsigned().into();
            }
            Contents::Run { first, last, salt } => {
                raw.contents = 2.into();
                raw.segments = [first.0.into(), last.0.into()];
                raw.salt = salt.0.into();
            }
        }
        raw
    }

    /// How long the file is.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.sections.checks.end()
    }

    /// Reads the header page of a file of this length; `page` may be longer than a page. Sections lie in
    /// order within the file and have the sizes that the numbers of entries and slots ask for. The
    /// feature bits are left to the caller ([`Features::permit`]).
    ///
    /// # Errors
    /// [`FormatError::Truncated`], [`FormatError::Magic`], [`FormatError::Checksum`], or
    /// [`FormatError::Invalid`] for numbers that no writer gives; [`FormatError::Unsupported`] for contents
    /// that are not known, and instead of *invalid* where an unknown incompatible bit may be the reason.
    pub fn decode(page: &[u8], file_bytes: u64) -> Result<IndexHeader, FormatError> {
        let raw = read_page::<Raw>(page)?;
        if raw.magic != MAGIC {
            return Err(FormatError::Magic { file: "index" });
        }
        check_page(page, raw.crc.get())?;
        let [compatible, read_only_compatible, incompatible] = raw.features.map(U32::get);
        let features = Features { compatible, read_only_compatible, incompatible };
        let decoded = IndexHeader::fields(raw, features).and_then(|header| {
            header.validate(file_bytes)?;
            Ok(header)
        });
        if decoded.is_err() {
            features.permit()?;
        }
        decoded
    }

    fn fields(raw: &Raw, features: Features) -> Result<IndexHeader, FormatError> {
        let spans =
            raw.sections.map(|span| Span { start: span.start.get(), bytes: span.bytes.get() });
        let [filter, directory, entries, postings, offsets, names, checks] = spans;
        Ok(IndexHeader {
            features,
            store: StoreId(raw.about.store),
            contents: Contents::decode(&raw.about)?,
            entries: raw.about.entries.get(),
            directory_bits: raw.directory_bits,
            filter: raw.filter,
            sections: Sections { filter, directory, entries, postings, offsets, names, checks },
            checks_crc: raw.checks_crc.get(),
        })
    }

    fn validate(&self, file_bytes: u64) -> Result<(), FormatError> {
        let mut before = PAGE_BYTES;
        for span in self.sections.in_order() {
            let end = span.start.checked_add(span.bytes);
            if span.start < before || !span.start.is_multiple_of(SECTION_ALIGNMENT) {
                return Err(FormatError::Invalid("start of a section"));
            }
            before = end.ok_or(FormatError::Invalid("length of a section"))?;
        }
        if before != file_bytes {
            return Err(FormatError::Invalid("length of an index file"));
        }
        let Sections { filter, directory, entries, checks, .. } = self.sections;
        let pages = checks.start / PAGE_BYTES - 1;
        let aligned = checks.start.is_multiple_of(PAGE_BYTES);
        if !aligned || checks.bytes != pages * 4 || pages >= u64::from(u32::MAX) {
            return Err(FormatError::Invalid("checksums of pages"));
        }
        if directory::bytes(self.directory_bits) != Some(directory.bytes) {
            return Err(FormatError::Invalid("size of the directory"));
        }
        if u64::from(self.entries) * self.contents.entry_bytes() != entries.bytes {
            return Err(FormatError::Invalid("number of entries"));
        }
        filter::check(&self.filter, filter.bytes)
    }
}

impl Contents {
    /// The size of an entry.
    #[must_use]
    pub const fn entry_bytes(&self) -> u64 {
        match self {
            Contents::Segment(_) => Entry::BYTES,
            Contents::Run { .. } => HeadEntry::BYTES,
        }
    }

    fn decode(raw: &RawAbout) -> Result<Contents, FormatError> {
        let [first, last] = raw.segments.map(U32::get);
        let known = match raw.contents.get() {
            1 => first == last,
            2 => first <= last,
            value => {
                let what = "contents of an index";
                return Err(FormatError::Unsupported { what, value: value.into() });
            }
        };
        if first == 0 || !known {
            return Err(FormatError::Invalid("segments of an index"));
        }
        if raw.contents.get() == 2 {
            let (first, last) = (SegmentId(first), SegmentId(last));
            return Ok(Contents::Run { first, last, salt: Salt(raw.salt.get()) });
        }
        let last_time = i64::try_from(raw.last_time.get())
            .map_err(|_| FormatError::Invalid("time before 1970"))?;
        if raw.ids.get() > raw.events.get() {
            return Err(FormatError::Invalid("ids of more events than are covered"));
        }
        Ok(Contents::Segment(Covered {
            segment: SegmentId(first),
            salt: Salt(raw.salt.get()),
            base: Position(raw.base.get()),
            events: raw.events.get(),
            ids: raw.ids.get(),
            end: ByteOffset::from_units(raw.end.get()),
            last_time: Timestamp(last_time),
        }))
    }
}
