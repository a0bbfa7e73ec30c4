//! A folder on a real disk.

#![allow(clippy::disallowed_methods, reason = "a folder for a store, and not a part of it")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder for one benchmark, which goes with it: in the one that the variable `QUIPU_BENCH_DIR` names, else in the one
/// that is given.
#[derive(Debug)]
pub struct Ground {
    folder: PathBuf,
}

impl Ground {
    /// A new folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(otherwise: &str) -> io::Result<Ground> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = std::env::var_os("QUIPU_BENCH_DIR").unwrap_or_else(|| otherwise.into());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("quipu-bench-{}-{number}", std::process::id());
        let folder = Path::new(&parent).join(name);
        fs::create_dir_all(&folder)?;
        Ok(Ground { folder })
    }

    /// Where a store of this name goes.
    #[must_use]
    pub fn store(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.folder);
    }
}
