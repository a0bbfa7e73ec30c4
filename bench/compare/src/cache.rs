//! The page cache of the system, emptied of what a store left in it.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::usage::files;

/// What is forgotten before a cold read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cold {
    /// The pages of the store's files.
    Files,
    /// Everything that the system keeps of any file, directories and the file system's own blocks among it. It takes
    /// rights, and slows down whoever else is on the machine.
    Everything,
}

/// Has the system forget what it holds of the files of a folder. They are synced first, as it keeps what is not on disk
/// yet. Nobody may have them mapped. Tells how it was done.
pub(crate) fn drop_pages(folder: &Path, cold: Cold) -> Result<&'static str> {
    for path in files(folder)? {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    if cold == Cold::Files {
        return Ok("cold by posix_fadvise");
    }
    std::fs::write("/proc/sys/vm/drop_caches", "3").map_err(|error| {
        Failure::from(error).during("emptying the page cache, which needs root")
    })?;
    Ok("cold by drop_caches")
}
