//! The disk through which a store is looked at.

use std::sync::Arc;

use quipu_disk::Disk;

use crate::Unreadable;
use crate::bad_sectors::BadSectors;

/// A disk, as it is or as far as it can be read.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// What cannot be read is an error.
    Plain(Arc<dyn Disk>),
    /// The bad sectors of segments cost what stands in them, and where the log may go on in one, the opening says so.
    Around(Arc<BadSectors<Arc<dyn Disk>>>),
}

impl Sight {
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        match self {
            Sight::Plain(disk) => Arc::clone(disk),
            Sight::Around(disk) => Arc::clone(disk) as _,
        }
    }

    /// What of the segments could not be read so far.
    pub(super) fn unreadable(&self) -> Vec<Unreadable> {
        match self {
            Sight::Plain(_) => Vec::new(),
            Sight::Around(disk) => disk.found(),
        }
    }
}
