//! A whole index file from its sections.

use super::{Contents, IndexHeader, Sections, checks, filter};
use crate::features::Features;
use crate::{PAGE_BYTES, StoreId, checksum};

/// What is to become an index file.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// What the file demands of its reader.
    pub features: Features,
    /// The store that the file belongs to.
    pub store: StoreId,
    /// What it is about.
    pub contents: Contents,
    /// How the filter is laid out.
    pub filter: [u8; filter::DESCRIPTOR_BYTES],
    /// The bytes of its sections.
    pub parts: Parts<'a>,
}

/// The bytes of the sections, but for the checksums.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// Fingerprints of the filter; empty for none.
    pub filter: &'a [u8],
    /// As [`directory::encode`](super::directory::encode) gives it.
    pub directory: &'a [u8],
    /// Entries, sorted by key, of the sort that the contents ask for.
    pub entries: &'a [u8],
    /// The postings of all entries; empty in a run.
    pub postings: &'a [u8],
    /// As [`offsets::encode`](super::offsets::encode) gives it; empty in a run.
    pub offsets: &'a [u8],
    /// As [`names::encode`](super::names::encode) gives it; empty in a run.
    pub names: &'a [u8],
}

/// The file: header page, sections, checksums.
#[must_use]
pub fn build(draft: &Draft<'_>) -> Vec<u8> {
    let Parts { filter, directory, entries, postings, offsets, names } = draft.parts;
    let parts = [filter, directory, entries, postings, offsets, names];
    let mut header = IndexHeader {
        features: draft.features,
        store: draft.store,
        contents: draft.contents,
        entries: (entries.len() as u64 / draft.contents.entry_bytes()) as u32,
        directory_bits: (directory.len() / 4).saturating_sub(1).checked_ilog2().unwrap_or(0) as u8,
        filter: draft.filter,
        sections: Sections::of(parts.map(|part| part.len() as u64)),
        checks_crc: 0,
    };
    // All at once: a file that grows stands in memory twice for a moment.
    let mut file = Vec::with_capacity(header.file_bytes() as usize);
    for (section, part) in header.sections.in_order().into_iter().zip(parts) {
        file.resize(section.start as usize, 0);
        file.extend_from_slice(part);
    }
    file.resize(header.sections.checks.start as usize, 0);
    let checks = checks::encode(&header.encode(), &file[PAGE_BYTES as usize..]);
    header.checks_crc = checksum::plain(&checks);
    file[..PAGE_BYTES as usize].copy_from_slice(&header.encode());
    file.extend_from_slice(&checks);
    file
}
