//! A whole index file from its sections.

use super::header::SECTION_ALIGNMENT;
use super::{Contents, IndexHeader, Sections, Span, checks, filter};
use crate::features::Features;
use crate::{PAGE_BYTES, StoreId, align_up, checksum};

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
    let mut file = vec![0; PAGE_BYTES as usize];
    let mut append = |bytes: &[u8]| {
        let start = align_up(file.len() as u64, SECTION_ALIGNMENT);
        file.resize(start as usize, 0);
        file.extend_from_slice(bytes);
        Span { start, bytes: bytes.len() as u64 }
    };
    let mut sections = Sections {
        filter: append(filter),
        directory: append(directory),
        entries: append(entries),
        postings: append(postings),
        offsets: append(offsets),
        names: append(names),
        checks: Span::default(),
    };
    let start = align_up(file.len() as u64, PAGE_BYTES);
    file.resize(start as usize, 0);
    sections.checks = Span { start, bytes: (start / PAGE_BYTES - 1) * 4 };
    let mut header = IndexHeader {
        features: draft.features,
        store: draft.store,
        contents: draft.contents,
        entries: (entries.len() as u64 / draft.contents.entry_bytes()) as u32,
        directory_bits: (directory.len() / 4).saturating_sub(1).checked_ilog2().unwrap_or(0) as u8,
        filter: draft.filter,
        sections,
        checks_crc: 0,
    };
    let checks = checks::encode(&header.encode(), &file[PAGE_BYTES as usize..]);
    header.checks_crc = checksum::plain(&checks);
    file[..PAGE_BYTES as usize].copy_from_slice(&header.encode());
    file.extend_from_slice(&checks);
    file
}
