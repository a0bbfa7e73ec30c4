//! Checking all that a segment's index says for contradictions.

use quipu_format::index::offsets::Offsets;
use quipu_format::index::postings::Layout;
use quipu_format::index::{Entry, Scope};

use super::{Sealed, held};
use crate::IndexError;

impl Sealed {
    /// Reads every structure. The pages were checked before: what is found here was written so.
    pub(super) fn verify_structures(&self) -> Result<(), IndexError> {
        self.pages.verify_table()?;
        self.verify_entries()?;
        self.verify_offsets()?;
        self.verify_names()
    }

    fn verify_entries(&self) -> Result<(), IndexError> {
        let at = self.pages.header().sections.entries.start;
        let mut entries = self.walk();
        let mut free = 0;
        while let Some(entry) = entries.get()? {
            entries.advance();
            self.verify_place(&entry, &mut free)?;
            self.verify_ordinals(&entry)?;
            if !self.is_chained(&entry) {
                return Err(IndexError::damaged(at, "a chain that leads nowhere"));
            }
        }
        Ok(())
    }

    /// Checks that the postings begin behind what those before take at least: nobody can make a small
    /// file long to verify.
    fn verify_place(&self, entry: &Entry, free: &mut u64) -> Result<(), IndexError> {
        let section = self.pages.header().sections.postings;
        let layout = Layout::of(entry.count, self.covers.events)
            .map_err(|error| IndexError::format(section.start, error))?;
        let least = match layout {
            Layout::Nothing | Layout::Last | Layout::Every => return Ok(()),
            Layout::Bitmap(bitmap) => bitmap.bytes(),
            Layout::Deltas(deltas) => deltas.table_range().end + u64::from(deltas.blocks()),
        };
        if entry.postings_at() < *free {
            return Err(IndexError::damaged(section.start, "postings that overlap"));
        }
        *free = entry.postings_at() + least;
        Ok(())
    }

    /// Checks that the ordinals ascend and are those that the entry counts.
    fn verify_ordinals(&self, entry: &Entry) -> Result<(), IndexError> {
        let denied = {
            let at = self.pages.header().sections.postings.start;
            IndexError::damaged(at, "postings that their entry denies")
        };
        // Also where nothing stands there, whoever asks goes there first.
        self.postings(&held(entry))?;
        if entry.count == self.covers.events {
            return if entry.last == entry.count - 1 { Ok(()) } else { Err(denied) };
        }
        let mut ordinals = Vec::new();
        self.all(&held(entry), &mut ordinals)?;
        let counted = ordinals.len() == entry.count as usize;
        let ends = ordinals.last().is_none_or(|last| *last == entry.last);
        if !counted || !ends || !ordinals.is_sorted_by(|one, next| one < next) {
            return Err(denied);
        }
        self.verify_nth(entry, &ordinals, denied)
    }

    /// Checks that the tables in front of the postings lead where the postings are.
    fn verify_nth(
        &self,
        entry: &Entry,
        ordinals: &[u32],
        denied: IndexError,
    ) -> Result<(), IndexError> {
        let postings = self.postings(&held(entry))?;
        if !postings.is_ranked(ordinals)? {
            return Err(denied);
        }
        for (n, ordinal) in (0..).zip(ordinals).step_by(LOOK_UP_EACH) {
            if postings.nth(n)? != *ordinal {
                return Err(denied);
            }
        }
        Ok(())
    }

    /// Whether the segments that the entry names are older, and a local key names none.
    fn is_chained(&self, entry: &Entry) -> bool {
        let chain = [entry.prev, entry.jump];
        match entry.scope {
            Scope::Local => chain == [None, None] && entry.before == 0,
            Scope::Store => chain.into_iter().flatten().all(|segment| segment < self.segment),
        }
    }

    fn verify_offsets(&self) -> Result<(), IndexError> {
        let mut units = Vec::new();
        for block in 0..Offsets::of(self.covers.events).blocks() {
            units.clear();
            self.offsets_of(block, &mut units)?;
        }
        Ok(())
    }

    fn verify_names(&self) -> Result<(), IndexError> {
        let names = self.names_head()?;
        let mut before = String::new();
        let mut ascend = true;
        for block in 0..names.blocks() {
            self.each_name(names, block, |name| {
                ascend &= *before < *name;
                name.clone_into(&mut before);
            })?;
        }
        let at = self.pages.header().sections.names.start;
        if ascend { Ok(()) } else { Err(IndexError::damaged(at, "names out of order")) }
    }
}

/// Of so many ordinals one is looked up by its number: at least one of each block that is full.
const LOOK_UP_EACH: usize = 64;
