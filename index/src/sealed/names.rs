//! Reading the names of the streams that begin in a segment.

use std::cmp::Ordering;

use quipu_format::index::names::{self, Names};

use super::Sealed;
use crate::IndexError;

impl Sealed {
    /// The names that begin so, sorted.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>, IndexError> {
        let names = self.names_head()?;
        let start = names.seek(|block| self.compare_first(names, block, prefix))?;
        let mut found = Vec::new();
        for block in start..names.blocks() {
            let mut behind = false;
            self.each_of_block(names, block, |name| {
                if name.starts_with(prefix) {
                    found.push(name.to_owned());
                } else {
                    behind |= name > prefix;
                }
            })?;
            if behind {
                break;
            }
        }
        Ok(found)
    }

    /// Goes through the names of all streams that begin in the covered part, sorted, and holds one at a time.
    ///
    /// # Errors
    /// [`IndexError`] where the file cannot be read or is damaged.
    pub fn each_name(&self, mut each: impl FnMut(&str)) -> Result<(), IndexError> {
        let names = self.names_head()?;
        let (mut before, mut ascend) = (String::new(), true);
        for block in 0..names.blocks() {
            self.each_of_block(names, block, |name| {
                ascend &= *before < *name;
                name.clone_into(&mut before);
                each(name);
            })?;
        }
        let at = self.pages.header().sections.names.start;
        if ascend { Ok(()) } else { Err(IndexError::damaged(at, "names out of order")) }
    }

    fn names_head(&self) -> Result<Names, IndexError> {
        let section = self.pages.header().sections.names;
        let head = self.pages.part(section, Names::HEAD)?;
        Names::decode(&head, section.bytes)
            .map_err(|error| IndexError::format(section.start, error))
    }

    /// Reads the names of a block.
    fn each_of_block(
        &self,
        names: Names,
        number: u32,
        mut each: impl FnMut(&str),
    ) -> Result<(), IndexError> {
        let section = self.pages.header().sections.names;
        let damaged = |error| IndexError::format(section.start, error);
        let slots = self.pages.part(section, names.slot_range(number))?;
        let range = names.block_range(number, &slots).map_err(damaged)?;
        let bytes = self.pages.part(section, range)?;
        let mut block = names.block(number, &bytes);
        while let Some(name) = block.next_name().map_err(damaged)? {
            each(name);
        }
        Ok(())
    }

    /// How the first name of a block compares with the prefix.
    fn compare_first(
        &self,
        names: Names,
        number: u32,
        prefix: &str,
    ) -> Result<Ordering, IndexError> {
        let section = self.pages.header().sections.names;
        let damaged = |error| IndexError::format(section.start, error);
        let slots = self.pages.part(section, names.slot_range(number))?;
        let range = names.first_range(number, &slots).map_err(damaged)?;
        let bytes = self.pages.part(section, range)?;
        names::first(&bytes).map(|first| first.cmp(prefix.as_bytes())).map_err(damaged)
    }
}
