//! Finding a key in the table of entries that every index file has.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use quipu_format::index::filter::Probe;
use quipu_format::index::{directory, entry};

use crate::pages::Pages;
use crate::walk::Walk;
use crate::{IndexError, Key};

/// So many entries are looked at as one. The directory has some eight for each of its slots.
const CANDIDATES_MAX: u32 = 64;

impl Pages {
    /// The entries, sorted, among which that of a key must be if it is there. None where the filter says
    /// that it is not.
    ///
    /// The filter comes first: for most keys that are absent, three bytes are all that is read.
    pub(crate) fn candidates(&self, key: Key) -> Result<Option<Cow<'_, [u8]>>, IndexError> {
        let header = self.header();
        if header.entries == 0 || !self.may_hold(key)? {
            return Ok(None);
        }
        let slot = directory::part(header.directory_bits, key.0);
        let at = header.sections.directory.start + slot.start;
        let bytes = self.part(header.sections.directory, slot)?;
        let numbers = directory::decode(&bytes, header.entries)
            .map_err(|error| IndexError::format(at, error))?;
        self.entries(self.narrowed(numbers, key)?).map(Some)
    }

    /// The entries, few of these, among which that of a key must be. The directory leads to few, but where it was
    /// forged: then it must not have all entries read for each key that is looked for.
    fn narrowed(&self, numbers: Range<u32>, key: Key) -> Result<Range<u32>, IndexError> {
        let Range { mut start, mut end } = numbers;
        while end - start > CANDIDATES_MAX {
            let middle = start + (end - start) / 2;
            match entry::key(&self.entries(middle..middle + 1)?).map(Key) {
                Some(found) if found <= key => start = middle,
                _ => end = middle,
            }
        }
        Ok(start..end)
    }

    /// The bytes of the entries with these numbers.
    fn entries(&self, numbers: Range<u32>) -> Result<Cow<'_, [u8]>, IndexError> {
        let size = self.header().contents.entry_bytes();
        let range = u64::from(numbers.start) * size..u64::from(numbers.end) * size;
        self.part(self.header().sections.entries, range)
    }

    fn may_hold(&self, key: Key) -> Result<bool, IndexError> {
        let section = self.header().sections.filter;
        if section.bytes == 0 {
            return Ok(true);
        }
        let probe = Probe::of(&self.header().filter, key.0);
        let mut prints = [0; 3];
        for (print, at) in prints.iter_mut().zip(probe.at) {
            let at = u64::from(at);
            *print = self.part(section, at..at + 1)?.first().copied().unwrap_or(0);
        }
        Ok(probe.may_hold(prints))
    }

    /// Checks that the entries ascend, that the directory leads to each, and that the filter knows it.
    pub(crate) fn verify_table(&self) -> Result<(), IndexError> {
        let header = self.header();
        let mut directory = Walk::new(self, header.sections.directory, 4);
        let mut entries = Walk::new(self, header.sections.entries, header.contents.entry_bytes());
        let (mut slot, mut number, mut before) = (0, 0u32, None);
        while let Some(bytes) = entries.item()? {
            let key = entry::key(bytes).map(Key);
            entries.advance();
            let (Some(key), Ordering::Less) = (key, before.cmp(&key)) else {
                return Err(IndexError::damaged(entries.at(), "entries out of order"));
            };
            while slot <= directory::slot(header.directory_bits, key.0) {
                verify_slot(&mut directory, number)?;
                slot += 1;
            }
            if !self.may_hold(key)? {
                return Err(IndexError::damaged(entries.at(), "the filter misses a key"));
            }
            number += 1;
            before = Some(key);
        }
        while directory.item()?.is_some() {
            verify_slot(&mut directory, number)?;
        }
        Ok(())
    }
}

/// Checks that the next slot of the directory says this number.
fn verify_slot(directory: &mut Walk<'_>, number: u32) -> Result<(), IndexError> {
    if directory.item()? != Some(&number.to_le_bytes()) {
        return Err(IndexError::damaged(directory.at(), "the directory misses a key"));
    }
    directory.advance();
    Ok(())
}
