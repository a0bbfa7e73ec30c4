//! Heads of a range of segments, in a file.

mod merge;
mod write;

use std::ops::RangeInclusive;

use quipu_format::index::{Contents, HeadEntry};
use quipu_format::{Salt, SegmentId};

use crate::pages::Pages;
use crate::{Head, Identity, IndexError, Key, Source};
use merge::Heads;
pub use write::write_run;

/// What a range of segments holds of each key, in a file that never changes. Its pages are checked as
/// those of a [`Sealed`](crate::Sealed) are.
#[derive(Debug)]
pub struct Run {
    pages: Pages,
    segments: RangeInclusive<SegmentId>,
    salt: Salt,
}

impl Run {
    /// Opens the run of the segments from `first` to `last`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where the bytes are not those of a run of these segments,
    /// [`IndexError::Unsupported`] where a newer version wrote them, [`IndexError::Io`] where they cannot
    /// be read.
    pub fn open(
        source: Box<dyn Source>,
        first: SegmentId,
        last: &Identity,
    ) -> Result<Run, IndexError> {
        let pages = Pages::open(source)?;
        let &Identity { store, segment, salt } = last;
        let Contents::Run { .. } = pages.header().contents else {
            return Err(IndexError::damaged(0, "the index of a segment where a run should be"));
        };
        if pages.header().store != store {
            return Err(IndexError::damaged(0, "the run of another store"));
        }
        if pages.header().contents != (Contents::Run { first, last: segment, salt }) {
            return Err(IndexError::damaged(0, "the run of other segments"));
        }
        Ok(Run { pages, segments: first..=segment, salt })
    }

    /// The salt of the last of the segments.
    #[must_use]
    pub fn salt(&self) -> Salt {
        self.salt
    }

    /// The segments that it sums up.
    #[must_use]
    pub fn segments(&self) -> RangeInclusive<SegmentId> {
        self.segments.clone()
    }

    /// Number of keys.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.pages.header().entries
    }

    /// What these segments hold of a key.
    ///
    /// # Errors
    /// [`IndexError`] where the file cannot be read or is damaged.
    pub fn find(&self, key: Key) -> Result<Option<Head>, IndexError> {
        let Some(bytes) = self.pages.candidates(key)? else { return Ok(None) };
        let at = self.pages.header().sections.entries.start;
        let found =
            HeadEntry::find(&bytes, key.0).map_err(|error| IndexError::format(at, error))?;
        found.map(|entry| self.checked(entry)).transpose().map(|entry| entry.map(head))
    }

    /// Checks every page, and every structure in them.
    ///
    /// # Errors
    /// [`IndexError`] for the first thing that is wrong.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.pages.verify()?;
        self.pages.verify_table()?;
        let mut heads = Heads::of_run(self);
        while heads.get()?.is_some() {
            heads.advance();
        }
        Ok(())
    }

    /// The entry, if its segment is one of this run.
    fn checked(&self, entry: HeadEntry) -> Result<HeadEntry, IndexError> {
        if !self.segments.contains(&entry.segment) {
            let at = self.pages.header().sections.entries.start;
            return Err(IndexError::damaged(at, "a head in a segment outside of the run"));
        }
        Ok(entry)
    }
}

fn head(entry: HeadEntry) -> Head {
    let HeadEntry { count, position, segment, depth, .. } = entry;
    Head { count, position, segment, depth }
}
