//! The heads of several layers as one row.

use quipu_format::index::{Contents, HeadEntry};

use super::Run;
use crate::sealed::Entries;
use crate::walk::Walk;
use crate::{Head, IndexError, Layer};

/// Goes through the heads of layers, in the order of their keys. Of a key that several have, the newest tells.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    newest_first: Vec<Heads<'a>>,
    /// The key of the head before.
    last: Option<u128>,
}

impl<'a> Merge<'a> {
    /// At the first head of these layers, newest first.
    pub(super) fn of(layers: &'a [Layer]) -> Merge<'a> {
        Merge { newest_first: layers.iter().map(Heads::of).collect(), last: None }
    }

    /// The head of the least key that is left, from the newest layer that has it. All move on behind it.
    pub(super) fn next(&mut self) -> Result<Option<HeadEntry>, IndexError> {
        let mut least: Option<HeadEntry> = None;
        for layer in &mut self.newest_first {
            if let Some(found) = layer.get()?
                && least.is_none_or(|least| found.key < least.key)
            {
                least = Some(found);
            }
        }
        if let Some(least) = least {
            // A layer whose keys do not ascend would hide some of them.
            if self.last.is_some_and(|last| least.key <= last) {
                return Err(IndexError::damaged(0, "keys that do not ascend"));
            }
            self.last = Some(least.key);
            for layer in &mut self.newest_first {
                if layer.get()?.is_some_and(|found| found.key == least.key) {
                    layer.advance();
                }
            }
        }
        Ok(least)
    }
}

/// The segments that these layers cover together.
pub(super) fn span(layers: &[Layer]) -> Result<Contents, IndexError> {
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

/// Goes through the heads of a layer, in the order of their keys.
#[derive(Debug)]
pub(super) enum Heads<'a> {
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

    pub(super) fn of_run(run: &'a Run) -> Heads<'a> {
        let section = run.pages.header().sections.entries;
        Heads::Run(run, Walk::new(&run.pages, section, HeadEntry::BYTES))
    }

    /// The present head. None at the end.
    pub(super) fn get(&mut self) -> Result<Option<HeadEntry>, IndexError> {
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

    pub(super) fn advance(&mut self) {
        match self {
            Heads::Index(entries) => entries.advance(),
            Heads::Run(_, walk) => walk.advance(),
        }
    }
}
