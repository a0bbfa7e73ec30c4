//! Heads of a range of segments, in a file.

use std::ops::RangeInclusive;

use quipu_format::index::{Contents, HeadEntry, Parts};
use quipu_format::{Salt, SegmentId, StoreId};

use crate::container::assemble;
use crate::pages::Pages;
use crate::sealed::Entries;
use crate::walk::Walk;
use crate::{Head, Identity, IndexError, Key, Layer, Source};

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

/// The bytes of a run that sums up these layers: newest first, each wholly older than the one before.
/// What a newer layer says of a key is true; local keys are left out.
///
/// # Errors
/// [`IndexError`] where a layer cannot be read or is damaged, or the layers are not in order.
pub fn write_run(store: StoreId, layers: &[Layer]) -> Result<Vec<u8>, IndexError> {
    let contents = span(layers)?;
    let mut heads: Vec<Heads<'_>> = layers.iter().map(Heads::of).collect();
    let mut entries = Vec::new();
    while let Some(newest) = next(&mut heads)? {
        newest.encode(&mut entries);
    }
    assemble(store, contents, Parts { entries: &entries, ..Parts::default() })
}

/// The segments that these layers cover together.
fn span(layers: &[Layer]) -> Result<Contents, IndexError> {
    let ordered =
        layers.is_sorted_by(|newer, older| newer.segments().start() > older.segments().end());
    match (layers.first(), layers.last()) {
        (Some(newest), Some(oldest)) if ordered => {
            let (first, last) = (*oldest.segments().start(), *newest.segments().end());
            Ok(Contents::Run { first, last, salt: newest.salt() })
        }
        _ => Err(IndexError::damaged(0, "layers that do not follow one another")),
    }
}

/// The head of the least key that is left, from the newest layer that has it. All move on behind it.
fn next(heads: &mut [Heads<'_>]) -> Result<Option<HeadEntry>, IndexError> {
    let mut least: Option<HeadEntry> = None;
    for layer in heads.iter_mut() {
        if let Some(found) = layer.get()?
            && least.is_none_or(|least| found.key < least.key)
        {
            least = Some(found);
        }
    }
    if let Some(least) = least {
        for layer in heads.iter_mut() {
            if layer.get()?.is_some_and(|found| found.key == least.key) {
                layer.advance();
            }
        }
    }
    Ok(least)
}

/// Goes through the heads of a layer, in the order of their keys.
#[derive(Debug)]
enum Heads<'a> {
    Index(Entries<'a>),
    Run(&'a Run, Walk<'a>),
}

impl<'a> Heads<'a> {
    fn of(layer: &'a Layer) -> Heads<'a> {
        match layer {
            Layer::Index(sealed) => Heads::Index(sealed.walk()),
            Layer::Run(run) => Heads::of_run(run),
        }
    }

    fn of_run(run: &'a Run) -> Heads<'a> {
        let section = run.pages.header().sections.entries;
        Heads::Run(run, Walk::new(&run.pages, section, HeadEntry::BYTES))
    }

    /// The present head. None at the end.
    fn get(&mut self) -> Result<Option<HeadEntry>, IndexError> {
        match self {
            Heads::Index(entries) => {
                while let Some(entry) = entries.get()? {
                    if let Some(Head { count, position, segment, depth }) = entries.head(&entry) {
                        return Ok(Some(HeadEntry {
                            key: entry.key,
                            count,
                            position,
                            segment,
                            depth,
                        }));
                    }
                    entries.advance();
                }
                Ok(None)
            }
            Heads::Run(run, walk) => {
                let at = walk.at();
                let Some(bytes) = walk.item()? else { return Ok(None) };
                let entry =
                    HeadEntry::decode(bytes).map_err(|error| IndexError::format(at, error))?;
                run.checked(entry).map(Some)
            }
        }
    }

    fn advance(&mut self) {
        match self {
            Heads::Index(entries) => entries.advance(),
            Heads::Run(_, walk) => walk.advance(),
        }
    }
}
