//! Whether somebody has opened a store for writing since it was looked at.

use quipu_disk::{Access, Disk, read_exact_at};
use quipu_format::manifest::{FIRST_EDIT, ManifestHeader};
use quipu_format::{ByteOffset, PAGE_BYTES, StoreId, UNIT_BYTES};

use crate::directory::Directory;
use crate::manifest::Loaded;

const UNIT: usize = UNIT_BYTES as usize;

/// What tells one state of a manifest from every later one: each opening for writing adds an edit, and where there
/// is no room for it, or something is wrong with the last one, writes all of the manifest anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// There is none that can be read, so nobody can write.
    Unreadable,
    /// It has changed while it was read.
    Outdated,
    /// That of a store, as it was written for the n-th time, with these bytes where the next edit goes.
    Of { store: StoreId, generation: u64, end: ByteOffset, next: [u8; UNIT] },
}

impl Stamp {
    /// The stamp of a manifest as it was read.
    pub(super) fn of(disk: &dyn Disk, directory: &Directory, read: Option<&Loaded>) -> Stamp {
        let stamp = Stamp::take(disk, directory, read.map_or(FIRST_EDIT, |read| read.end));
        match (read, stamp) {
            (None, Stamp::Unreadable) => Stamp::Unreadable,
            (Some(read), Stamp::Of { store, generation, next, .. })
                if (store, generation) == (read.header.store, read.header.generation)
                    && (read.rest.is_some() || next == [0; UNIT]) =>
            {
                stamp
            }
            _ => Stamp::Outdated,
        }
    }

    /// Whether the manifest is still as it was.
    pub(super) fn holds(&self, disk: &dyn Disk, directory: &Directory) -> bool {
        match *self {
            Stamp::Outdated => false,
            Stamp::Unreadable => Stamp::take(disk, directory, FIRST_EDIT) == *self,
            Stamp::Of { end, .. } => Stamp::take(disk, directory, end) == *self,
        }
    }

    fn take(disk: &dyn Disk, directory: &Directory, end: ByteOffset) -> Stamp {
        let read = || {
            let file = disk.open(&directory.manifest(), Access::Read).ok()?;
            let mut page = [0; PAGE_BYTES as usize];
            read_exact_at(&*file, &mut page, 0).ok()?;
            let mut next = [0; UNIT];
            // A manifest that is full ends here.
            if end.0 + UNIT_BYTES <= file.size().ok()? {
                read_exact_at(&*file, &mut next, end.0).ok()?;
            }
            let header = ManifestHeader::decode(&page).ok()?;
            let ManifestHeader { store, generation, .. } = header;
            Some(Stamp::Of { store, generation, end, next })
        };
        read().unwrap_or(Stamp::Unreadable)
    }
}
