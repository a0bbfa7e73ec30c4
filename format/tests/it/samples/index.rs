//! The index files that `golden/make.py` lays out, and a reader that asks for a part at a time.

use std::ops::Range;

use quipu_format::index::bitmap::Bitmap;
use quipu_format::index::checks::{self, Tie};
use quipu_format::index::names::{self, Names};
use quipu_format::index::offsets::{self, Offsets};
use quipu_format::index::postings::{self, Deltas, Layout, Slot};
use quipu_format::index::{
    Contents, Covered, Draft, Entry, HeadEntry, IndexHeader, Parts, Scope, Span, build, directory,
};
use quipu_format::{ByteOffset, FormatError, PAGE_BYTES, Position, SegmentId, Timestamp};

use super::{SALT, STORE, features};

pub(crate) const EVENTS: u32 = 2400;

/// What `make.py` found for the keys of the segment.
const FILTER: [u8; 20] = [1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0];
const PRINTS: [u8; 24] = [
    0x8a, 0x82, 0x5a, 0x5a, 0xee, 0x5a, 0x5a, 0x5a, 0x62, 0xed, 0x05, 0x51, 0x5a, 0x5a, 0x5a, 0x5a,
    0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a,
];

/// A key: its number in the highest byte and, turned over, in the lowest.
pub(crate) fn key(number: u8) -> u128 {
    u128::from(number) << 120 | 0x0123_4567_89ab_cdef << 32 | u128::from(0xff - number)
}

pub(crate) fn covered() -> Covered {
    Covered {
        segment: SegmentId(7),
        salt: SALT,
        base: Position(1000),
        events: EVENTS,
        ids: 2000,
        end: ByteOffset::from_units(0x8000),
        last_time: Timestamp(1_700_000_600_000_000),
    }
}

/// The keys of the segment with their ordinals: one for each layout.
pub(crate) fn held() -> Vec<(Entry, Vec<u32>)> {
    let entry = |number, before, depth| Entry {
        key: key(number),
        before,
        count: 0,
        last: 0,
        postings: 0,
        prev: None,
        jump: None,
        depth,
        scope: Scope::Store,
    };
    let after = |segment| Some(SegmentId(segment));
    vec![
        (entry(0x10, 0, 0), vec![EVENTS - 1]),
        (Entry { prev: after(6), ..entry(0x21, 5, 1) }, (0..EVENTS).collect()),
        (entry(0x43, 0, 0), (1..EVENTS).step_by(3).collect()),
        (
            Entry { prev: after(5), jump: after(2), ..entry(0x44, 70_000_000_000, 9) },
            vec![3, 4, 9, 1000, 1001, 2000],
        ),
        (Entry { prev: after(6), ..entry(0x88, 1, 3) }, (0..150).map(|n| 16 * n + n % 7).collect()),
        (Entry { prev: after(3), ..entry(0xa0, 12, 2) }, vec![]),
        (Entry { scope: Scope::Local, ..entry(0xfe, 0, 0) }, vec![77]),
    ]
}

pub(crate) fn units() -> Vec<u32> {
    (0..EVENTS).map(|n| 262 + 5 * n + n % 3).collect()
}

/// The names of streams, sorted.
pub(crate) fn streams() -> Vec<String> {
    let mut all: Vec<String> = (0..14).map(|number| format!("order-{number}")).collect();
    all.extend(["a".into(), "größe-L".into(), "größe-M".into(), "x".repeat(512)]);
    all.sort();
    all
}

/// The sections of an index file.
#[derive(Clone, Default)]
pub(crate) struct Sections {
    pub(crate) filter: Vec<u8>,
    pub(crate) directory: Vec<u8>,
    pub(crate) entries: Vec<u8>,
    pub(crate) postings: Vec<u8>,
    pub(crate) offsets: Vec<u8>,
    pub(crate) names: Vec<u8>,
}

impl Sections {
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts {
            filter: &self.filter,
            directory: &self.directory,
            entries: &self.entries,
            postings: &self.postings,
            offsets: &self.offsets,
            names: &self.names,
        }
    }
}

pub(crate) fn segment_file() -> Vec<u8> {
    let mut all = Sections { filter: PRINTS.into(), ..Sections::default() };
    directory::encode(2, held().iter().map(|(entry, _)| entry.key), &mut all.directory);
    for (mut entry, ordinals) in held() {
        entry.postings = postings::encode(&ordinals, EVENTS, &mut all.postings);
        entry.count = ordinals.len() as u32;
        entry.last = ordinals.last().copied().unwrap_or(0);
        entry.encode(&mut all.entries);
    }
    offsets::encode(&units(), &mut all.offsets);
    names::encode(&streams(), &mut all.names);
    build(&Draft {
        features: features(),
        store: STORE,
        contents: Contents::Segment(covered()),
        filter: FILTER,
        parts: all.parts(),
    })
}

pub(crate) fn heads() -> [HeadEntry; 3] {
    let head = |number, count, position, segment, depth| HeadEntry {
        key: key(number),
        count,
        position: Position(position),
        segment: SegmentId(segment),
        depth,
    };
    [
        head(0x10, 1, 3399, 7, 0),
        head(0x21, 2405, 3399, 7, 1),
        head(0x90, 70_000_000_006, 4000, 8, 10),
    ]
}

pub(crate) fn run_file() -> Vec<u8> {
    let mut all = Sections::default();
    directory::encode(0, heads().iter().map(|head| head.key), &mut all.directory);
    heads().iter().for_each(|head| head.encode(&mut all.entries));
    build(&Draft {
        features: features(),
        store: STORE,
        contents: Contents::Run { first: SegmentId(1), last: SegmentId(8), salt: super::SALT },
        filter: [0; 20],
        parts: all.parts(),
    })
}

/// An index file whose pages were verified.
pub(crate) struct Opened<'a> {
    file: &'a [u8],
    pub(crate) header: IndexHeader,
    pub(crate) events: u32,
}

impl<'a> Opened<'a> {
    pub(crate) fn new(file: &'a [u8]) -> Result<Opened<'a>, FormatError> {
        let header = IndexHeader::decode(file, file.len() as u64)?;
        let events = match header.contents {
            Contents::Segment(covered) => covered.events,
            Contents::Run { .. } => 0,
        };
        let opened = Opened { file, header, events };
        let sums = opened.bytes(header.sections.checks.all())?;
        checks::check_all(sums, header.checks_crc)?;
        let tie = Tie::of(file)?;
        for page in 1..header.sections.checks.start / PAGE_BYTES {
            let bytes = opened.bytes(page * PAGE_BYTES..(page + 1) * PAGE_BYTES)?;
            tie.check(page as u32, bytes, sums)?;
        }
        Ok(opened)
    }

    /// Another file under the same header, of which nothing is verified.
    pub(crate) fn unverified<'b>(&self, file: &'b [u8]) -> Opened<'b> {
        Opened { file, header: self.header, events: self.events }
    }

    fn bytes(&self, range: Range<u64>) -> Result<&'a [u8], FormatError> {
        let there = self.file.get(range.start as usize..range.end as usize);
        there.ok_or(FormatError::Invalid("a range that is not in the file"))
    }

    fn part(&self, span: Span, range: Range<u64>) -> Result<&'a [u8], FormatError> {
        self.bytes(span.part(range)?)
    }

    fn clip(&self, span: Span, range: Range<u64>) -> Result<&'a [u8], FormatError> {
        self.bytes(span.clip(range)?)
    }

    pub(crate) fn may_hold(&self, key: u128) -> Result<bool, FormatError> {
        if self.header.sections.filter.bytes == 0 {
            return Ok(true);
        }
        let probe = quipu_format::index::filter::Probe::of(&self.header.filter, key);
        let mut prints = [0; 3];
        for (print, at) in prints.iter_mut().zip(probe.at) {
            *print = self.part(self.header.sections.filter, at.into()..u64::from(at) + 1)?[0];
        }
        Ok(probe.may_hold(prints))
    }

    /// The bytes of the entries of which one may have this key.
    fn near(&self, key: u128) -> Result<&'a [u8], FormatError> {
        let (sections, bits) = (self.header.sections, self.header.directory_bits);
        let slots = self.part(sections.directory, directory::part(bits, key))?;
        let numbers = directory::decode(slots, self.header.entries)?;
        let range = match self.header.contents {
            Contents::Segment(_) => Entry::part(numbers),
            Contents::Run { .. } => HeadEntry::part(numbers),
        };
        self.part(sections.entries, range)
    }

    pub(crate) fn find(&self, key: u128) -> Result<Option<Entry>, FormatError> {
        Ok(Entry::find(self.near(key)?, key))
    }

    pub(crate) fn head(&self, key: u128) -> Result<Option<HeadEntry>, FormatError> {
        HeadEntry::find(self.near(key)?, key)
    }

    pub(crate) fn entries(&self) -> Result<Vec<Entry>, FormatError> {
        let all = self.bytes(self.header.sections.entries.all())?;
        all.chunks_exact(Entry::BYTES as usize).map(Entry::decode).collect()
    }

    fn postings(&self, entry: &Entry) -> Result<(Layout, Span), FormatError> {
        Ok((entry.layout(self.events)?, self.header.sections.postings.tail(entry.postings_at())?))
    }

    fn slot(&self, deltas: Deltas, span: Span, block: u32) -> Result<Slot, FormatError> {
        match deltas.slot_range(block) {
            None => Ok(Slot::ONLY),
            Some(range) => deltas.slot(self.part(span, range)?),
        }
    }

    fn chunk(
        &self,
        bitmap: Bitmap,
        span: Span,
        chunk: u32,
    ) -> Result<quipu_format::index::bitmap::Chunk, FormatError> {
        bitmap.chunk(chunk, self.part(span, bitmap.chunk_range(chunk))?)
    }

    /// The ordinals of an entry; of every event only the first thousands.
    pub(crate) fn ordinals(&self, entry: &Entry) -> Result<Vec<u32>, FormatError> {
        let mut all = Vec::new();
        match self.postings(entry)? {
            (Layout::Nothing, _) => {}
            (Layout::Last, _) => all.push(entry.last),
            (Layout::Every, _) => all.extend((0..self.events).take(10_000)),
            (Layout::Bitmap(bitmap), span) => {
                for chunk in 0..bitmap.chunks() {
                    all.extend(self.chunk(bitmap, span, chunk)?.ascending());
                }
            }
            (Layout::Deltas(deltas), span) => {
                for block in 0..deltas.blocks() {
                    let slot = self.slot(deltas, span, block)?;
                    let bytes = self.clip(span, deltas.block_range(slot))?;
                    deltas.decode(block, slot, bytes, &mut all)?;
                }
            }
        }
        Ok(all)
    }

    pub(crate) fn nth(&self, entry: &Entry, n: u32) -> Result<Option<u32>, FormatError> {
        match self.postings(entry)? {
            (Layout::Nothing, _) => Ok(None),
            (Layout::Last, _) => Ok((n == 0).then_some(entry.last)),
            (Layout::Every, _) => Ok((n < self.events).then_some(n)),
            (Layout::Bitmap(bitmap), span) => {
                let ranks = self.part(span, bitmap.ranks_range())?;
                let (chunk, rest) = bitmap.find_nth(ranks, n);
                Ok(self.chunk(bitmap, span, chunk)?.nth(rest))
            }
            (Layout::Deltas(deltas), span) => {
                let (block, index) = deltas.block_of(n);
                if index >= deltas.len_of(block) {
                    return Ok(None);
                }
                let slot = self.slot(deltas, span, block)?;
                let bytes = self.clip(span, deltas.block_range(slot))?;
                deltas.nth(block, slot, bytes, index).map(Some)
            }
        }
    }

    pub(crate) fn offset(&self, ordinal: u32) -> Result<ByteOffset, FormatError> {
        let (offsets, span) = (Offsets::of(self.events), self.header.sections.offsets);
        let (block, index) = offsets.block_of(ordinal);
        let slot = offsets.slot(self.part(span, offsets.slot_range(block))?)?;
        offsets.value(block, slot, self.clip(span, offsets.block_range(slot))?, index)
    }

    pub(crate) fn units(&self) -> Result<Vec<u32>, FormatError> {
        let (offsets, span) = (Offsets::of(self.events), self.header.sections.offsets);
        let mut all = Vec::new();
        for block in 0..offsets.blocks() {
            let slot = offsets.slot(self.part(span, offsets.slot_range(block))?)?;
            let bytes = self.clip(span, offsets.block_range(slot))?;
            offsets.decode(block, slot, bytes, &mut all)?;
        }
        Ok(all)
    }

    /// The names that begin with this.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>, FormatError> {
        let span = self.header.sections.names;
        let names = Names::decode(self.part(span, Names::HEAD)?, span.bytes)?;
        let from = names.seek(|block| {
            let slots = self.part(span, names.slot_range(block))?;
            let bytes = self.part(span, names.first_range(block, slots)?)?;
            Ok::<_, FormatError>(names::first(bytes)?.cmp(prefix.as_bytes()))
        })?;
        let mut all = Vec::new();
        for block in from..names.blocks() {
            let slots = self.part(span, names.slot_range(block))?;
            let bytes = self.part(span, names.block_range(block, slots)?)?;
            let mut reader = names.block(block, bytes);
            while let Some(name) = reader.next_name()? {
                if name.starts_with(prefix) {
                    all.push(name.to_owned());
                }
            }
        }
        Ok(all)
    }
}
