//! Checking all that a segment's index says for contradictions.

use quipu_format::index::{Entry, Scope};

use super::{Places, Sealed, held};
use crate::IndexError;
use crate::row::Row;

impl Sealed {
    /// Reads every structure. The pages were checked before: what is found here was written so.
    pub(super) fn verify_structures(&self) -> Result<(), IndexError> {
        self.pages.verify_table()?;
        self.verify_entries()?;
        self.each_offset(|_| {})?;
        self.each_name(|_| {})
    }

    fn verify_entries(&self) -> Result<(), IndexError> {
        let at = self.pages.header().sections.entries.start;
        let mut entries = self.walk();
        let mut places = self.places();
        while let Some(entry) = entries.get()? {
            entries.advance();
            self.verify_ordinals(&entry, &mut places)?;
            if !self.is_chained(&entry) {
                return Err(IndexError::damaged(at, "a chain that leads nowhere"));
            }
        }
        Ok(())
    }

    /// Checks that the ordinals ascend and are those that the entry counts, and that the tables in front of them
    /// lead there.
    ///
    /// Differences need no more: each block begins with what its table says, and it is found by its number.
    fn verify_ordinals(&self, entry: &Entry, places: &mut Places<'_>) -> Result<(), IndexError> {
        let denied = {
            let at = self.pages.header().sections.postings.start;
            IndexError::damaged(at, "postings that their entry denies")
        };
        let mut row = Row::default();
        places.each(entry, &mut |ordinals| row.add(ordinals))?;
        let ends = row.last().is_none_or(|last| last == entry.last);
        if !row.ascends() || row.count() != u64::from(entry.count) || !ends {
            return Err(denied);
        }
        if self.postings(&held(entry))?.is_ranked()? { Ok(()) } else { Err(denied) }
    }

    /// Whether the segments that the entry names are older, and a local key names none.
    fn is_chained(&self, entry: &Entry) -> bool {
        let chain = [entry.prev, entry.jump];
        match entry.scope {
            Scope::Local => chain == [None, None] && entry.before == 0,
            Scope::Store => chain.into_iter().flatten().all(|segment| segment < self.segment),
        }
    }
}
