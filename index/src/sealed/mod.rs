//! The index of a segment, in a file.

mod names;
mod postings;
mod verify;

use std::ops::Range;

use quipu_format::index::offsets::Offsets;
use quipu_format::index::{Contents, Entry, Scope};
use quipu_format::{ByteOffset, Salt, SegmentId};

use crate::pages::Pages;
use crate::walk::Walk;
use crate::{Covers, Head, Held, Identity, IndexError, Key, Source, Way};
pub(crate) use postings::Places;

/// The index of a segment, or of its beginning, in a file that never changes.
///
/// Opening reads the header page and the table of checksums; every other page is checked once, when it
/// is first needed.
#[derive(Debug)]
pub struct Sealed {
    pages: Pages,
    segment: SegmentId,
    salt: Salt,
    covers: Covers,
}

impl Sealed {
    /// Opens the index of this segment.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where the bytes are not those of an index of this segment,
    /// [`IndexError::Unsupported`] where a newer version wrote them, [`IndexError::Io`] where they cannot
    /// be read.
    pub fn open(source: Box<dyn Source>, identity: &Identity) -> Result<Sealed, IndexError> {
        let pages = Pages::open(source)?;
        let Contents::Segment(covered) = pages.header().contents else {
            return Err(IndexError::damaged(0, "a run where the index of a segment should be"));
        };
        let store = pages.header().store;
        if (Identity { store, segment: covered.segment, salt: covered.salt }) != *identity {
            return Err(IndexError::damaged(0, "the index of another segment"));
        }
        let covers = Covers {
            base: covered.base,
            events: covered.events,
            ids: covered.ids,
            end: covered.end,
            last_time: covered.last_time,
        };
        let section = pages.header().sections.offsets;
        // So that no number of events promises more of them than the file can speak of.
        if Offsets::of(covers.events).bytes_min() > section.bytes {
            return Err(IndexError::damaged(section.start, "more events than places of events"));
        }
        Ok(Sealed { pages, segment: covered.segment, salt: covered.salt, covers })
    }

    /// How much of the segment it covers.
    #[must_use]
    pub fn covers(&self) -> &Covers {
        &self.covers
    }

    /// Number of keys.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.pages.header().entries
    }

    /// Checks every page, and every structure in them.
    ///
    /// # Errors
    /// [`IndexError`] for the first thing that is wrong.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.pages.verify()?;
        self.verify_structures()
    }

    pub(crate) fn segment(&self) -> SegmentId {
        self.segment
    }

    pub(crate) fn salt(&self) -> Salt {
        self.salt
    }

    pub(crate) fn find(&self, key: Key) -> Result<Option<Held>, IndexError> {
        Ok(self.entry(key)?.map(|entry| held(&entry)))
    }

    /// What this segment makes of a key's head. None for local keys.
    pub(crate) fn find_head(&self, key: Key) -> Result<Option<Head>, IndexError> {
        Ok(self.entry(key)?.and_then(|entry| self.head(&entry)))
    }

    pub(crate) fn head(&self, entry: &Entry) -> Option<Head> {
        (entry.scope == Scope::Store).then(|| Head {
            count: entry.before.saturating_add(u64::from(entry.count)),
            position: self.covers.base.plus(u64::from(entry.last)),
            segment: self.segment,
            depth: entry.depth,
        })
    }

    fn entry(&self, key: Key) -> Result<Option<Entry>, IndexError> {
        let Some(bytes) = self.pages.candidates(key)? else { return Ok(None) };
        Entry::find(&bytes, key.0).map(|entry| self.checked(entry)).transpose()
    }

    /// The entry, if its numbers lie within what the file covers.
    fn checked(&self, entry: Entry) -> Result<Entry, IndexError> {
        if entry.count > self.covers.events || entry.last >= self.covers.events {
            let at = self.pages.header().sections.entries.start;
            return Err(IndexError::damaged(at, "an entry of events that there are not"));
        }
        Ok(entry)
    }

    /// Goes through all entries, in the order of their keys.
    pub(crate) fn walk(&self) -> Entries<'_> {
        let section = self.pages.header().sections.entries;
        Entries { sealed: self, walk: Walk::new(&self.pages, section, Entry::BYTES) }
    }

    /// The postings of the entries: nobody has looked at any of them yet.
    pub(crate) fn places(&self) -> Places<'_> {
        Places::of(self)
    }

    pub(crate) fn offset(&self, ordinal: u32) -> Result<Option<ByteOffset>, IndexError> {
        if ordinal >= self.covers.events {
            return Ok(None);
        }
        let section = self.pages.header().sections.offsets;
        let damaged = |error| IndexError::format(section.start, error);
        let offsets = Offsets::of(self.covers.events);
        let (block, index) = offsets.block_of(ordinal);
        let slot = self.pages.part(section, offsets.slot_range(block))?;
        let slot = offsets.slot(&slot).map_err(damaged)?;
        let bytes = self.pages.clip(section, offsets.block_range(slot))?;
        offsets.value(block, slot, &bytes, index).map_err(damaged).map(Some)
    }

    /// Goes through the offsets of all ordinals, in units. None of their blocks is read for two.
    pub(crate) fn each_offset(&self, mut each: impl FnMut(u32)) -> Result<(), IndexError> {
        let section = self.pages.header().sections.offsets;
        let offsets = Offsets::of(self.covers.events);
        let (mut units, mut free) = (Vec::new(), offsets.table_range().end);
        for block in 0..offsets.blocks() {
            units.clear();
            let taken = self.offsets_of(block, &mut units)?;
            if taken.start < free {
                return Err(IndexError::damaged(section.start, "places of events that overlap"));
            }
            free = taken.end;
            units.iter().for_each(|&units| each(units));
        }
        Ok(())
    }

    /// Appends the offsets of a block of ordinals, in units. Gives where in the section they stand.
    fn offsets_of(&self, block: u32, units: &mut Vec<u32>) -> Result<Range<u64>, IndexError> {
        let section = self.pages.header().sections.offsets;
        let damaged = |error| IndexError::format(section.start, error);
        let offsets = Offsets::of(self.covers.events);
        let slot = self.pages.part(section, offsets.slot_range(block))?;
        let slot = offsets.slot(&slot).map_err(damaged)?;
        let range = offsets.block_range(slot);
        let bytes = self.pages.clip(section, range.clone())?;
        let taken = offsets.decode(block, slot, &bytes, units).map_err(damaged)?;
        Ok(range.start..range.start + taken)
    }
}

/// What a reader gets to know of an entry.
fn held(entry: &Entry) -> Held {
    Held {
        key: Key(entry.key),
        before: entry.before,
        count: entry.count,
        last: entry.last,
        prev: entry.prev,
        jump: entry.jump,
        depth: entry.depth,
        postings: entry.postings,
    }
}

/// Goes through the entries of a segment's index.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    sealed: &'a Sealed,
    walk: Walk<'a>,
}

impl Entries<'_> {
    /// The present entry. None at the end.
    pub(crate) fn get(&mut self) -> Result<Option<Entry>, IndexError> {
        let at = self.walk.at();
        let Some(bytes) = self.walk.item()? else { return Ok(None) };
        let entry = Entry::decode(bytes).map_err(|error| IndexError::format(at, error))?;
        self.sealed.checked(entry).map(Some)
    }

    /// Moves on to the next entry.
    pub(crate) fn advance(&mut self) {
        self.walk.advance();
    }

    /// The head that an entry makes; see [`Sealed::head`].
    pub(crate) fn head(&self, entry: &Entry) -> Option<Head> {
        self.sealed.head(entry)
    }
}

impl Sealed {
    /// Up to 128 ordinals; see [`Part::batch`](crate::Part::batch).
    pub(crate) fn batch(
        &self,
        held: &Held,
        from: u32,
        way: Way,
        out: &mut Vec<u32>,
    ) -> Result<(), IndexError> {
        match way {
            Way::Forward if from > held.last => Ok(()),
            Way::Forward => self.postings(held)?.ascending(from, out),
            Way::Backward => self.postings(held)?.descending(from.min(held.last), out),
        }
    }

    /// The `n`-th ordinal; see [`Part::nth`](crate::Part::nth).
    pub(crate) fn nth(&self, held: &Held, n: u32) -> Result<u32, IndexError> {
        self.postings(held)?.nth(n)
    }
}
