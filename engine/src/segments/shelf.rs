//! Where a store's files are, and how they are read.

use std::sync::Arc;

use quipu_disk::Disk;
use quipu_format::manifest::ManifestHeader;
use quipu_format::{Salt, SegmentId, StoreId};
use quipu_index::{Identity, Keys};

use crate::directory::Directory;
use crate::{Options, ReadMode};

/// What reading needs to know of a store beside its segments.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: Directory,
    pub(crate) store: StoreId,
    pub(crate) keys: Keys,
    pub(crate) mode: ReadMode,
    /// How many of the last segments must find their events by id.
    pub(crate) id_segments: u32,
}

impl Shelf {
    /// The shelf of a store; without a manifest nobody knows its keys.
    pub(crate) fn new(
        disk: &Arc<dyn Disk>,
        directory: &Directory,
        manifest: Option<&ManifestHeader>,
        options: &Options,
    ) -> Shelf {
        let (store, secret) =
            manifest.map(|header| (header.store, header.secret)).unwrap_or_default();
        Shelf {
            disk: Arc::clone(disk),
            directory: directory.clone(),
            store,
            keys: Keys::new(secret),
            mode: options.read_mode,
            id_segments: options.id_segments,
        }
    }

    /// Whether there is a manifest that can be read: without one nobody finds by key what was posted with it, nor the other
    /// way round.
    pub(crate) fn has_manifest(&self) -> bool {
        self.store != StoreId::default()
    }

    /// What tells a segment's index from all others.
    pub(crate) fn identity(&self, segment: SegmentId, salt: Salt) -> Identity {
        Identity { store: self.store, segment, salt }
    }
}
