//! Putting an index file together from its sections.

use quipu_format::StoreId;
use quipu_format::features::Features;
use quipu_format::index::{Contents, Draft, Parts, build, directory, entry};

use crate::IndexError;
use crate::filter::Filter;

/// The file of these sections. Its filter and its directory are made from its entries.
pub(crate) fn assemble(
    store: StoreId,
    contents: Contents,
    parts: Parts<'_>,
) -> Result<Vec<u8>, IndexError> {
    let size = contents.entry_bytes() as usize;
    let Ok(count) = u32::try_from(parts.entries.len() / size) else {
        return Err(IndexError::damaged(0, "more keys than a file can hold"));
    };
    let keys = || parts.entries.chunks_exact(size).filter_map(entry::key);
    let filter = Filter::of(keys().map(|key| key as u64).collect());
    let mut directory = Vec::new();
    directory::encode(directory::bits_for(count), keys(), &mut directory);
    Ok(build(&Draft {
        features: Features::default(),
        store,
        contents,
        filter: filter.descriptor,
        parts: Parts { filter: &filter.prints, directory: &directory, ..parts },
    }))
}
