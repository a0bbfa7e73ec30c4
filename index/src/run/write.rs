//! Writing a run.
//!
//! The layers are gone through three times: to count the keys, to note what the filter and the directory are made of,
//! and to write the heads. None is held, so a run of any number of streams needs memory for the filter alone, some 25
//! bytes a key while it is built, and not for its file.

#[cfg(test)]
mod tests;

use quipu_format::StoreId;
use quipu_format::features::Features;
use quipu_format::index::{IndexHeader, Sections, directory};

use super::merge::{Merge, span};
use crate::filter::Filter;
use crate::sink::PageWriter;
use crate::{IndexError, Layer, Sink};

/// Writes a run that sums up these layers: newest first, each wholly older than the one before. What a newer layer
/// says of a key is true; local keys are left out.
///
/// The header comes last: what a writer leaves behind that has failed is no run.
///
/// # Errors
/// [`IndexError`] where a layer cannot be read or is damaged, or the layers are not in order; [`IndexError::Io`] with
/// the error of `sink`.
pub fn write_run(store: StoreId, layers: &[Layer], sink: &mut dyn Sink) -> Result<(), IndexError> {
    let contents = span(layers)?;
    let entries = count(layers)?;
    let directory_bits = directory::bits_for(entries);
    let (filter, directory) = tables(layers, entries, directory_bits)?;
    let entries_bytes = u64::from(entries) * contents.entry_bytes();
    let lengths = [filter.prints.len() as u64, directory.len() as u64, entries_bytes, 0, 0, 0];
    let header = IndexHeader {
        features: Features::default(),
        store,
        contents,
        entries,
        directory_bits,
        filter: filter.descriptor,
        sections: Sections::of(lengths),
        checks_crc: 0,
    };
    let mut file = PageWriter::new(sink, &header)?;
    file.section(header.sections.filter, &filter.prints)?;
    file.section(header.sections.directory, &directory)?;
    drop((filter, directory));
    file.section(header.sections.entries, &[])?;
    let (mut heads, mut entry) = (Merge::of(layers), Vec::new());
    while let Some(head) = heads.next()? {
        entry.clear();
        head.encode(&mut entry);
        file.write(&entry)?;
    }
    if file.at() != header.sections.entries.end() {
        return Err(CHANGED);
    }
    file.finish(header)
}

const CHANGED: IndexError = IndexError::damaged(0, "a layer has changed while it was read");

/// The number of keys that these layers have together.
fn count(layers: &[Layer]) -> Result<u32, IndexError> {
    let (mut heads, mut count) = (Merge::of(layers), 0u32);
    while heads.next()?.is_some() {
        let more = count.checked_add(1);
        count = more.ok_or(IndexError::damaged(0, "more keys than a file can hold"))?;
    }
    Ok(count)
}

/// The filter and the directory of the keys of these layers, which are so many.
fn tables(layers: &[Layer], entries: u32, bits: u8) -> Result<(Filter, Vec<u8>), IndexError> {
    let mut halves = Vec::with_capacity(entries as usize);
    let mut slots = Vec::with_capacity(directory::bytes(bits).unwrap_or(0) as usize);
    let (mut heads, mut wrong) = (Merge::of(layers), None);
    let keys = std::iter::from_fn(|| {
        let key = heads.next().map(|head| head.map(|head| head.key));
        let key = key.unwrap_or_else(|error| {
            wrong = Some(error);
            None
        });
        halves.extend(key.map(|key| key as u64));
        key
    });
    directory::encode(bits, keys.take(entries as usize), &mut slots);
    match wrong {
        Some(error) => Err(error),
        None if halves.len() != entries as usize => Err(CHANGED),
        None => Ok((Filter::of(halves), slots)),
    }
}
